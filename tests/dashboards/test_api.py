"""What programs ask: each answer as its schema says, of one account alone, equal to the marts; and each way to a no."""

import csv
import io
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import jsonschema
import pyarrow.parquet as pq
import pytest

from dashboards.api import api_document
from dashboards.api.resource import Resource
from dashboards.api.resources import RESOURCES
from dashboards.figures import viewer
from dashboards.figures.viewer import Viewer
from tests.conftest import MASTER_KEY
from tests.dashboards import machine_site
from tests.dashboards.machine_site import DAYS, Machines
from tests.dashboards.people_site import served
from warehouse import database, withholding
from warehouse.home import Home

_DATED = {one.path for one in RESOURCES if "from" in {each.name for each in one.parameters}}
_EVERY_NAME = "account,project,team,key,provider,model,basis"


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """Ten weeks of two accounts, served; a token of each person."""
    home = Home(tmp_path_factory.mktemp("machines") / "own")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("APILEDGER_HOME", str(home.root))
        environment.setenv("APILEDGER_MASTER_KEY", MASTER_KEY)
        machine_site.publish(home)
        made = machine_site.people(home)
        with served(machine_site.app()) as made.port:
            yield made


@pytest.fixture(autouse=True)
def _of_the_home(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APILEDGER_HOME", str(machines.home.root))
    monkeypatch.setenv("APILEDGER_MASTER_KEY", MASTER_KEY)


def _query(resource: Resource) -> dict[str, str]:
    query = dict(DAYS) if resource.path in _DATED else {}
    return query | ({"since": "2015-01-01"} if resource.path == "/api/changes" else {})


def _holds(instance: object, schema: dict[str, Any]) -> None:
    """Hold an answer against a schema of the document, dates and moments included."""
    document = json.loads(json.dumps(api_document.document()))
    whole = {**schema, "components": document["components"]}
    checker = jsonschema.FormatChecker(("date",))
    jsonschema.Draft202012Validator(whole, format_checker=checker).validate(instance)


@pytest.mark.parametrize("resource", RESOURCES, ids=[one.path for one in RESOURCES])
def test_every_route_answers_as_its_schema_says(machines: Machines, resource: Resource) -> None:
    """JSON by the document, money in strings; CSV and Parquet have the same rows, each with every decimal place."""
    operation = api_document.document()["paths"][resource.path]["get"]
    query = _query(resource) | ({"group_by": _EVERY_NAME} if resource.path == "/api/spend" else {})
    told = machines.ask(resource.path, query, "ada")
    _holds(told.json, operation["responses"]["200"]["content"]["application/json"]["schema"])
    rows = told.rows
    assert rows or resource.path in {"/api/budgets", "/api/freshness"}
    packed = machines.ask(resource.path, query, "ada", Accept="application/vnd.apache.parquet")
    table = pq.read_table(io.BytesIO(packed.body))
    assert [column for column in table.column_names if column.endswith("_usd")] == [
        name for name in table.column_names if str(table.schema.field(name).type) == "decimal128(38, 12)"
    ]
    assert table.num_rows == len(rows)
    text = machines.ask(resource.path, query | {"format": "csv"}, "ada")
    assert text.headers["content-type"].startswith("text/csv")
    lines = list(csv.DictReader(io.StringIO(text.body.decode())))
    amounts = [name for name in table.column_names if name.endswith("_usd")]
    assert [[line[name] or None for name in amounts] for line in lines] == [[row[n] for n in amounts] for row in rows]
    assert not any(value.startswith(("=", "@")) for line in lines for value in line.values())


def test_the_document_is_of_the_routes_there_are(machines: Machines) -> None:
    """OpenAPI 3.1, by jsonschema's own word; every path answers, and every parameter of it is known to its handler."""
    told = machines.ask(api_document.PATH, whose=None)
    assert told.json == api_document.document()
    assert told.json["openapi"] == "3.1.0"
    schemas = list(told.json["components"]["schemas"].values())
    for path, operations in told.json["paths"].items():
        assert machines.ask(path, whose=None).status == 401
        schemas += [one["schema"] for one in operations["get"]["parameters"]]
    for schema in {json.dumps(each): each for each in schemas}.values():
        jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize(
    ("granularity", "groups"),
    [
        ("hour", ("account", "team", "key")),
        ("day", ("provider", "model")),
        ("day", ("account", "project", "team", "key")),
        ("month", ()),
        ("month", ("key", "model")),
        ("total", ("project",)),
        ("total", ()),
    ],
)
def test_spend_is_what_the_mart_says(machines: Machines, granularity: str, groups: tuple[str, ...]) -> None:
    """To the pico-dollar, by plain SQL of the mart."""
    days = {"from": "2026-10-01", "to": "2026-10-31"}
    asked = {**days, "granularity": granularity, "group_by": ",".join(groups)}
    rows = machines.ask("/api/spend", asked, "ada").rows
    columns = {"key": "key_label"}
    time = {"hour": "hour", "day": "day", "month": "date_trunc('month', day)::DATE", "total": "NULL"}[granularity]
    mart = "mart.spend_hourly" if granularity == "hour" else "mart.spend_daily"
    listed = ", ".join([f"{time} AS at", *(columns.get(name, name) for name in groups)])
    when = "hour::DATE" if granularity == "hour" else "day"
    with database.published(machines.home) as connection:
        expected = connection.execute(
            f"""SELECT {listed}, sum(cost_usd), sum(requests), sum(input_tokens) FROM {mart}
                WHERE account = 'Acme' AND {when} BETWEEN '2026-10-01' AND '2026-10-31' GROUP BY ALL"""
        ).fetchall()
    assert expected

    def at(row: dict[str, Any]) -> str:
        return str(row.get(granularity)).replace("T", " ").removesuffix("Z")

    told = {
        (at(row), *(row[name] for name in groups)): (row["cost_usd"], row["requests"], row["input_tokens"])
        for row in rows
    }
    assert len(told) == len(rows)
    assert told == {
        (str(moment), *names): (None if cost is None else f"{cost:f}", int(requests), int(tokens))
        for moment, *names, cost, requests, tokens in expected
    }


@pytest.mark.clause("AL-3.1")
@pytest.mark.parametrize("resource", RESOURCES, ids=[one.path for one in RESOURCES])
def test_a_token_sees_what_its_member_sees(machines: Machines, resource: Resource) -> None:
    """T02: nobody meets another's account, project or sum; asked for by name, another's is as one that is nobody's."""
    query = _query(resource) | ({"group_by": _EVERY_NAME} if resource.path == "/api/spend" else {})
    told = {name: machines.ask(resource.path, query, name) for name in machines.tokens}
    accounts = {name: {row.get("account") for row in each.rows} - {None} for name, each in told.items()}
    assert accounts["ada"] <= {"Acme"}
    assert accounts["bob"] <= {"Beta GmbH"}
    # Both are claimed, so the operator sees neither.
    assert not accounts["operator"] & {"Acme", "Beta GmbH"}
    assert {row.get("project") for row in told["one"].rows} <= {machine_site.PROJECT, None}
    assert b"Beta" not in told["ada"].body
    if resource.path == "/api/spend":
        for name in ("Beta GmbH", "nobody at all"):
            assert machines.ask(resource.path, query | {"account": name}, "ada").rows == []


def test_without_the_filter_another_is_met(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weakened: a token that is whoever's brings the other account into the answer, and the test above would say so."""
    monkeypatch.setattr(viewer, "of_member", lambda *_: Viewer())
    rows = machines.ask("/api/spend", {**DAYS, "group_by": "account", "granularity": "total"}, "ada").rows
    assert {row["account"] for row in rows} == {"Acme", "Beta GmbH"}


def test_who_is_limited_later_sees_less_at_once(machines: Machines) -> None:
    """What its member may see now is what a token sees: a label that is taken away is gone with the next answer."""
    asked = {**DAYS, "granularity": "total"}
    before = machines.ask("/api/spend", asked, "bob")
    assert before.rows
    with database.control(machines.home) as control:
        control.execute("UPDATE claim SET ended_at = claimed_at WHERE label = 'Beta GmbH'")
        after = machines.ask("/api/spend", asked, "bob", If_None_Match=before.headers["etag"])
        control.execute("UPDATE claim SET ended_at = NULL WHERE label = 'Beta GmbH'")
    assert after.rows == []
    assert machines.ask("/api/spend", asked, "bob").rows == before.rows


@pytest.mark.parametrize(
    ("query", "status", "parameter"),
    [
        ({"from": "yesterday"}, 400, "from"),
        ({"from": "20261101"}, 400, "from"),
        ({"to": "2026-02-30"}, 400, "to"),
        ([("to", "2026-10-01"), ("to", "2026-10-02")], 400, "to"),
        ({"from": "2026-10-02", "to": "2026-10-01"}, 422, "from"),
        ({"from": "2026-01-01", "to": "2026-10-01", "granularity": "hour"}, 422, "granularity"),
        ({"granularity": "week"}, 400, "granularity"),
        ({"group_by": "provider,colour"}, 400, "group_by"),
        ({"limit": "0"}, 400, "limit"),
        ({"limit": "50001"}, 400, "limit"),
        ({"offset": "-1"}, 400, "offset"),
        ({"offset": "٣"}, 400, "offset"),
        ({"q": "x" * 81}, 400, "q"),
        ([("model", str(number)) for number in range(201)], 400, "model"),
        ({"format": "xml"}, 400, "format"),
        ({"access_token": "aplg_canary"}, 400, "access_token"),
        ({"aplg_canary": "1"}, 400, "that name"),
        ({"version": "99"}, 409, "version"),
    ],
)
def test_a_bad_query_is_told_what_and_what_next(machines: Machines, query: Any, status: int, parameter: str) -> None:
    """RFC 9457, with the parameter's name and the next step; what was sent is not repeated."""
    told = machines.ask("/api/spend", query)
    assert (told.status, told.headers["content-type"]) == (status, "application/problem+json")
    _holds(told.json, {"$ref": "#/components/schemas/Problem"})
    assert told.json["parameter"] == parameter
    assert told.json["next_step"]
    assert b"canary" not in told.body


@pytest.mark.clause("AL-5.4")
def test_without_a_token_that_lives_there_is_nothing(machines: Machines) -> None:
    """401 with WWW-Authenticate, the same for none, another scheme, one in the address and one nobody made."""
    wrong = f"aplg_{'x' * 43}"
    for headers in ({}, {"Authorization": "Basic YWRhOmFkYQ=="}, {"Cookie": "sid=x"}):
        told = machines.ask("/api/spend", whose=None, **headers)
        assert (told.status, told.headers["www-authenticate"]) == (401, 'Bearer realm="apiledger"')
    told = machines.ask("/api/spend", whose=wrong)
    assert (told.status, told.headers["www-authenticate"]) == (401, 'Bearer realm="apiledger", error="invalid_token"')
    assert machines.ask("/api/spend", {"token": machines.tokens["ada"]}, whose=None).status == 401
    # A token opens no page and nothing that changes anything.
    assert machines.ask("/account", Accept="text/html").status == 303
    assert machines.ask("/account/token/add", method="POST").status == 403
    assert machines.ask("/api/nothing").status == 404
    assert machines.ask("/api/nothing", whose=None).status == 401
    assert machines.ask("/api/../account", whose=None).status == 401


def test_only_reading_is_done(machines: Machines) -> None:
    """HEAD is GET without its body; everything else is refused with what is allowed."""
    asked = {**DAYS, "granularity": "total"}
    head, whole = (machines.ask("/api/spend", asked, method=method) for method in ("HEAD", "GET"))
    assert (head.status, head.body, head.headers["etag"]) == (200, b"", whole.headers["etag"])
    assert head.headers["content-length"] == str(len(whole.body))
    for path in ("/api/spend", "/api/openapi.json", "/healthz", "/metrics"):
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"):
            told = machines.ask(path, method=method)
            assert (told.status, told.headers["allow"]) == (405, "GET, HEAD"), (path, method)


def test_who_has_it_already_is_told_so(machines: Machines) -> None:
    """An ETag is of version, caller, form and question; a new version is another."""
    asked = {**DAYS, "granularity": "month"}
    first = machines.ask("/api/spend", asked, "ada")
    tag = first.headers["etag"]
    again = machines.ask("/api/spend", asked, "ada", If_None_Match=f'W/{tag}, "other"')
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)
    others = [
        machines.ask("/api/spend", asked, "bob", If_None_Match=tag),
        machines.ask("/api/spend", asked | {"group_by": "model"}, "ada", If_None_Match=tag),
        machines.ask("/api/spend", asked, "ada", If_None_Match=tag, Accept="text/csv"),
    ]
    machine_site.publish(machines.home, 2)
    others.append(machines.ask("/api/spend", asked, "ada", If_None_Match=tag))
    assert [each.status for each in others] == [200] * 4
    assert first.json["version"] == 1
    assert others[-1].json["version"] == 2
    assert others[-1].rows == first.rows


def test_a_long_answer_comes_in_pages_of_one_version(machines: Machines) -> None:
    """`next` leads on to the last row, none twice; once a newer version is out it says so and not something else."""
    asked = {**DAYS, "group_by": "model"}
    whole = machines.ask("/api/spend", asked, "ada").rows
    told, found, following = machines.ask("/api/spend", asked | {"limit": "100"}, "ada"), [], ""
    while True:
        found += told.rows
        if told.json["next"] is None:
            break
        following = told.json["next"]
        assert told.headers["link"] == f'<{following}>; rel="next"'
        assert len(told.rows) == 100
        told = machines.ask(following, (), "ada")
    assert found == whole
    assert len(found) > 100
    assert "link" not in told.headers
    small = machines.ask("/api/models", DAYS | {"limit": "2", "offset": "1"}, "ada")
    assert small.rows == machines.ask("/api/models", DAYS, "ada").rows[1:3]
    machine_site.publish(machines.home, int(told.json["version"]) + 1)
    assert machines.ask(following, (), "ada").status == 409


def test_the_form_is_the_one_that_is_liked_best(machines: Machines) -> None:
    """By `format=`, else by Accept with its weights; what none of them fits is 406."""

    def form(accept: str, **query: str) -> str:
        told = machines.ask("/api/freshness", query, Accept=accept)
        return told.headers["content-type"].partition(";")[0] if told.status == 200 else str(told.status)

    assert form("") == form("*/*") == form("text/html,*/*;q=0.8") == "application/json"
    assert form("application/json;q=0.2, text/csv") == form("text/*") == "text/csv"
    assert form("text/csv;q=0, application/vnd.apache.parquet;q=0.1") == "application/vnd.apache.parquet"
    assert form("image/png") == form("application/json;q=0") == form("text/csv;q=x") == "406"
    assert form("image/png", format="csv") == "text/csv"


def test_while_nobody_may_read_programs_wait(machines: Machines) -> None:
    """503 with Retry-After while somebody is being erased; not well, by its own word."""
    withholding.withhold(machines.home)
    try:
        told = machines.ask("/api/spend")
        assert (told.status, told.headers["retry-after"]) == (503, "30")
        assert told.headers["content-type"] == "application/problem+json"
        assert machines.ask("/healthz", whose=None).status == 503
        assert "apiledger_published_readable 0\n" in machines.ask("/metrics").body.decode()
    finally:
        withholding.release(machines.home)
    assert machines.ask("/api/spend").status == 200


def test_what_nobody_thought_of_is_an_incident(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of our own is answered with its number and with nothing of what it says."""
    monkeypatch.setattr("dashboards.figures.freshness_figures.reach", lambda *_: 1 / 0)
    told = machines.ask("/api/freshness")
    assert (told.status, told.json["title"]) == (500, "Internal Server Error")
    assert "division" not in told.body.decode()


def test_money_is_never_a_float(machines: Machines) -> None:
    """Every number of an answer is whole; every amount is read back exactly."""
    body = machines.ask("/api/spend", {**DAYS, "group_by": "model"}, "ada").body
    amounts = [row["cost_usd"] for row in json.loads(body, parse_float=pytest.fail)["rows"]]
    assert all(amount is None or Decimal(amount).as_tuple().exponent == -12 for amount in amounts)
