"""Google's billing export, from files and from BigQuery: rows add up, and what was taken back is taken back."""

import csv
import gzip
import io
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.errors import ProviderError
from pipelines.sandbox.bigquery_api import BigQueryApi
from tests.pipelines.bill_folder import NOW, Folder, told_days
from warehouse import database
from warehouse.home import Home

EVERY_SERVICE = '[[service]]\ncloud = "Google*"\nname = "*"\nprovider = "vertex_ai"\n'
EXPORTED = datetime(2026, 10, 2, 3, tzinfo=UTC)


def line(cost: float, day: int = 1, hour: int = 5, exported: datetime = EXPORTED, **other: Any) -> dict[str, Any]:
    """One row of the detailed export: an hour of Gemini on Vertex in October 2026."""
    return {
        "billing_account_id": "01AAAA-BBBBBB-CCCCCC",
        "service": {"id": "C7E2-9256-1C43", "description": "Vertex AI"},
        "sku": {"id": "FDAB-647C-5A22", "description": "Gemini 2.5 Flash Text Input - Predictions"},
        "usage_start_time": f"2026-10-{day:02}T{hour:02}:00:00Z",
        "usage_end_time": f"2026-10-{day:02}T{hour:02}:59:59Z",
        "project": {"id": "research-1", "name": "research"},
        "location": {"region": "europe-west4"},
        "export_time": exported.isoformat().replace("+00:00", "Z"),
        "cost": cost,
        "currency": "USD",
        "usage": {"amount": 12345.0, "unit": "count"},
        "credits": [],
        "invoice": {"month": "202610"},
        "cost_type": "regular",
        **other,
    }


def as_lines(rows: list[dict[str, Any]]) -> bytes:
    """The rows as JSON lines."""
    return "\n".join(json.dumps(row) for row in rows).encode()


FREE = {"name": "Free tier", "amount": -2.5, "type": "FREE_TIER"}
COMMITTED = {"name": "Committed use", "amount": -0.1, "type": "COMMITTED_USAGE_DISCOUNT"}
CREDITED = line(10.0, credits=[FREE, COMMITTED])


@pytest.fixture
def inbox(home: Home, master_key: str) -> Folder:
    """An empty home."""
    assert master_key
    return Folder(home, "google")


@pytest.fixture
def export(monkeypatch: pytest.MonkeyPatch) -> Iterator[BigQueryApi]:
    """BigQuery on loopback with an empty table, and the settings that lead there."""
    with BigQueryApi([], page_rows=7) as api:
        monkeypatch.setenv("APILEDGER_GOOGLE_TABLE", "acme-billing.export.gcp_billing_export_v1_01AAAA_BBBBBB_CCCCCC")
        monkeypatch.setenv("APILEDGER_BIGQUERY_API", api.address)
        yield api


def test_a_generated_month_adds_up(inbox: Folder, shared: Path) -> None:
    """The 1,152 rows of another project's generator are their cost; each stored row is rounded once, to the pico."""
    content = gzip.decompress((shared / "data/koku_nise_synthetic/gcp_resource_export_202610.csv.gz").read_bytes())
    inbox.drop("left_out.csv", content + b"\n")
    assert inbox.pull().notes == ["1,152 lines of services that are not listed as AI were left out"]
    (inbox.home.root / "services.toml").write_text(EVERY_SERVICE)
    inbox.drop("export.csv", content)
    inbox.pull()
    costs = [Decimal(one["cost"]) for one in csv.DictReader(io.StringIO(content.decode()))]
    assert len(costs) == 1152
    ((stored,),) = inbox.query("SELECT count(*) FROM model.charges")
    assert abs(inbox.billed() - sum(costs, Decimal(0))) <= stored * Decimal("5e-13")


def test_credits_are_lines_of_their_own(inbox: Folder) -> None:
    """Cost and credits add up to what is owed; each says its category, type and name."""
    inbox.drop("e.jsonl", as_lines([CREDITED]))
    inbox.pull()
    found = inbox.query("SELECT charge_category, line, amount_usd, invoice FROM model.charges ORDER BY 1, 2")
    assert found == [
        ("Credit", "Committed use", Decimal("-0.1"), "202610"),
        ("Credit", "Free tier", Decimal("-2.5"), "202610"),
        ("Usage", "Gemini 2.5 Flash Text Input - Predictions", Decimal(10), "202610"),
    ]
    assert inbox.query("SELECT DISTINCT model, token_type FROM model.charges WHERE charge_category = 'Usage'") == [
        ("gemini-2.5-flash", "uncached_tokens")
    ]
    assert inbox.query("SELECT source, provider FROM model.connection") == [("google", "vertex_ai")]


def test_one_table_in_three_forms_is_one_bill(inbox: Folder) -> None:
    """JSON lines, Parquet with nested columns, and CSV with credits as text: the same rows, doubles and all."""
    rows = [CREDITED, line(0.1), line(0.2, hour=6), line(3.3, day=2)]
    inbox.drop("e.jsonl", as_lines(rows))
    inbox.pull()
    before = inbox.everything()
    assert inbox.billed() == Decimal("11.0")
    pq.write_table(pa.Table.from_pylist(rows), inbox.drop("e.parquet", b""))
    assert inbox.pull().rows == 0
    text = io.StringIO()
    flat = [
        {
            **{
                f"{name}.{inner}": v
                for name, value in row.items()
                if isinstance(value, dict)
                for inner, v in value.items()
            },
            **{name: value for name, value in row.items() if not isinstance(value, dict)},
        }
        for row in rows
    ]
    writer = csv.DictWriter(text, list(flat[0]))
    writer.writeheader()
    writer.writerows(flat)
    inbox.drop("e.csv", text.getvalue().encode())
    assert inbox.pull().rows == 0
    assert inbox.everything() == before


def test_an_appended_correction_adds_up_over_deliveries(inbox: Folder) -> None:
    """What a later export takes back and says anew joins the day's earlier rows, also told twice."""
    inbox.drop("1.jsonl", as_lines([line(10.0), line(5.0, hour=9)]))
    inbox.pull()
    later = EXPORTED + timedelta(days=9)
    inbox.drop("2.jsonl", as_lines([line(-10.0, exported=later, cost_type="adjustment"), line(8.0, exported=later)]))
    inbox.pull()
    assert inbox.billed() == 13
    everything = [line(10.0), line(5.0, hour=9), line(-10.0, exported=later, cost_type="adjustment"),
                  line(8.0, exported=later)]  # fmt: skip
    inbox.drop("all.jsonl", as_lines(everything))
    assert inbox.pull().rows == 0
    assert inbox.billed() == 13


@pytest.mark.parametrize(
    "wrong",
    [
        {"cost": float("nan")},
        {"credits": [{"name": "x"}]},
        *(
            pytest.param(wrong, marks=pytest.mark.soak)
            for wrong in ({"cost": "abc"}, {"currency": None}, {"credits": "x"}, {"usage_start_time": "soon"})
        ),
    ],
)
def test_a_wrong_row_is_held_back(wrong: dict[str, Any], inbox: Folder) -> None:
    """The other row lands."""
    inbox.drop("e.jsonl", as_lines([{**line(1.0), **wrong}, line(2.0)]))
    odd, counted = inbox.pull().notes
    assert counted == "1 lines are in quarantine"
    assert odd.startswith("1 row of raw_google.cost of 2026-10-01 cannot be read")
    assert inbox.billed() == 2


def test_a_later_export_does_not_make_a_day_whole(inbox: Folder) -> None:
    """Exports add up: what the first of them lacks is lacking after the second, until the first is told again."""
    later = EXPORTED + timedelta(days=1)
    inbox.drop("1.jsonl", as_lines([line(10.0), {**line(5.0, hour=9), "cost": {"value": "canary"}}]))
    assert told_days(inbox, "google") == {"01": (1, 1)}
    inbox.drop("2.jsonl", as_lines([line(1.0, exported=later)]))
    assert told_days(inbox, "google") == {"01": (2, 1)}
    inbox.drop("3.jsonl", as_lines([line(10.0), line(5.0, hour=9), line(1.0, exported=later)]))
    assert told_days(inbox, "google") == {"01": (2, 0)}


def test_bigquery_gives_what_files_give(inbox: Folder, export: BigQueryApi) -> None:
    """Many pages of a table equal an exact sum; a second look stores nothing, a new export joins."""
    drawn = random.Random(3)  # noqa: S311 (amounts, no secret)
    rows = [
        line(round(drawn.uniform(-1, 5), 6), day=drawn.randrange(1, 28), hour=drawn.randrange(24)) for _ in range(60)
    ]
    other = line(99.0, service={"id": "x", "description": "Compute Engine"})
    export.rows = [json.dumps(row) for row in (*rows, other)]
    total = sum((Decimal(repr(row["cost"])) for row in rows), Decimal(0))
    assert inbox.pull().rows > 0
    assert inbox.billed() == total
    assert len([path for path in export.asked if "pageToken" in path]) >= 8
    assert inbox.pull(NOW + timedelta(minutes=30)).rows == 0
    export.rows.append(json.dumps(line(7.25, day=3, exported=EXPORTED + timedelta(days=4))))
    inbox.pull(NOW + timedelta(hours=1))
    assert inbox.billed() == total + Decimal("7.25")
    inbox.pull(NOW + timedelta(hours=2))
    assert len(export.found) == 1


def test_a_row_of_the_table_without_a_time_is_held_back(inbox: Folder, export: BigQueryApi) -> None:
    """It may be of any day that was told with it, and they stay open; the days are whole again once it has a time."""
    rows = [line(1.0), line(2.0, day=2)]
    odd = {**line(5.0, day=2, hour=9), "usage_start_time": None}
    export.rows = [json.dumps(row) for row in (*rows, odd)]
    assert told_days(inbox, "google") == {"01": (1, 1), "02": (1, 1)}
    export.rows[-1] = json.dumps(line(5.0, day=2, hour=9))
    assert told_days(inbox, "google") == {"01": (1, 0), "02": (1, 0)}
    # One that was never exported is asked for each time, alone at last: what is stored of its day stays.
    export.rows = [json.dumps({**line(7.0), "export_time": None})]
    assert told_days(inbox, "google") == {"01": (1, 1), "02": (1, 0)}


def test_a_day_before_the_first_stays_unknown(inbox: Folder, export: BigQueryApi) -> None:
    """A correction of a day that was never read would make a bill of it by itself: it is not asked for."""
    old = line(-3.0, usage_start_time="2026-01-05T00:00:00Z", usage_end_time="2026-01-05T01:00:00Z")
    export.rows = [json.dumps(old), json.dumps(line(1.0))]
    inbox.pull()
    assert inbox.days() == {"2026-10-01": Decimal(1)}


@pytest.mark.soak
@pytest.mark.parametrize("fault", [[403], [404], ["cut"] * 50])
def test_a_table_that_stays_wrong_stores_nothing(
    fault: list[str | int], inbox: Folder, export: BigQueryApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refusal, a table that is not there, answers cut in half: an error that names the setting, and no row."""
    monkeypatch.setattr("pipelines.bills.bigquery._TRIES_S", 2)
    export.rows = [json.dumps(line(1.0))]
    export.faults = list(fault)
    with pytest.raises(ProviderError, match="BigQuery"):
        inbox.pull()
    export.faults = []
    assert inbox.pull().rows == 1


def test_what_passes_is_asked_again(inbox: Folder, export: BigQueryApi) -> None:
    """A 503 and a 429 are tried again."""
    export.rows = [json.dumps(line(1.0, day=day)) for day in range(1, 20)]
    export.faults = [503, 429]
    inbox.pull()
    assert inbox.billed() == 19


def test_a_sandbox_never_asks_google(tmp_path: Path, master_key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a real table in the environment and no stand-in, a sandbox reads none."""
    assert master_key
    monkeypatch.setenv("APILEDGER_GOOGLE_TABLE", "acme-billing.export.gcp_billing_export_v1_X")
    sandbox = Folder(Home(tmp_path / "made-up").make(("google",), sandbox=True), "google")
    assert sandbox.pull().days == 0


def test_what_is_personal_reaches_no_file(inbox: Folder, export: BigQueryApi) -> None:
    """Labels, resources and the billing account's id rest nowhere in the home in the clear."""
    export.rows = [json.dumps(line(1.0, labels=[{"key": "owner", "value": "canary-77@example.test"}]))]
    inbox.pull()
    files = [path for path in inbox.home.root.rglob("*") if path.is_file() and not path.is_symlink()]
    for canary in (b"canary-77", b"01AAAA-BBBBBB", b"01AAAA_BBBBBB"):
        assert [path for path in files if canary in path.read_bytes()] == []
    with database.control(inbox.home) as control:
        assert control.execute("SELECT count(*) FROM bill_cursor").fetchone() == (1,)
