"""`/metrics` for Prometheus: how the installation is, for an operator's token; no account, no name and no amount.

Labels are sources, states and folders of our own. What cannot be read at the moment is left out, and said.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

import duckdb
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboards.access import session
from dashboards.api import bearer, health, problem
from dashboards.api.endpoints import Machine
from dashboards.api.health import Health
from dashboards.api.problem import Problem
from dashboards.figures import freshness_figures, installation_figures
from dashboards.figures.viewer import Viewer
from warehouse import database
from warehouse.control import connection as connections
from warehouse.control import outbox, restriction
from warehouse.errors import WarehouseError
from warehouse.home import Home

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# The home's own; whatever else lies there is counted together.
_STORES = ("build", "published", "warehouse.duckdb", "control.sqlite", "inbox", "dagster", "exports", "backups", "tmp")
_BEGUN = (".part", ".refused")


class Family(NamedTuple):
    """A metric: its name with its unit, what it is, and its samples, each with its labels. All are gauges."""

    name: str
    meaning: str
    samples: tuple[tuple[dict[str, str], float], ...]


def families(home: Home, now: datetime) -> Iterator[Family]:
    """Every metric of a home; `now` is naive UTC."""
    found = health.look(home)
    is_well = found.is_well(now)
    yield _one("apiledger_healthy", "1 where a version can be read and passes go on, as /healthz says.", int(is_well))
    yield Family(
        "apiledger_build_info", "What it is made of, each with its version.", ((dict(installation_figures.parts()), 1),)
    )
    yield from _passes(found, now)
    yield from _published(home, now)
    yield from _control(home)
    yield _by("apiledger_inbox_waiting_files", "Files that wait in an inbox.", "gateway", _waiting(home))
    sizes = dict.fromkeys((*_STORES, "other"), 0)
    for folder in installation_figures.folders(home):
        sizes[folder.name if folder.name in _STORES else "other"] += folder.bytes
    yield _by("apiledger_store_bytes", "Bytes on the disk, by folder or file of the home.", "store", sizes.items())


def _passes(found: Health, now: datetime) -> Iterator[Family]:
    version, last = found.published, found.last_pass
    yield _one("apiledger_published_readable", "1 where a version can be read.", int(version is not None))
    if version is not None:
        yield _one("apiledger_published_version", "The newest published version.", version.version)
        age = (now - version.as_of).total_seconds()
        yield _one("apiledger_published_age_seconds", "How long ago it was published.", max(age, 0))
    if last is not None:
        age = (now - last.ended_at).total_seconds()
        yield _one("apiledger_last_pass_age_seconds", "How long ago the last pass ended.", max(age, 0))
        yield _one("apiledger_last_pass_success", "1 where it ended well.", int(last.is_good))
    if last is not None and last.good_at is not None:
        age = (now - last.good_at).total_seconds()
        yield _one("apiledger_last_good_pass_age_seconds", "How long ago one last ended well.", max(age, 0))


def _published(home: Home, now: datetime) -> Iterator[Family]:
    try:
        with database.published(home) as connection, database.control(home) as control:
            # A count of all: no account is told apart, and what is restricted is not looked at.
            looks = Viewer(None, restriction.labels(control))
            reach = freshness_figures.reach(connection, looks, now.date())
            sources = connection.execute(
                """SELECT source, sum(rows)::BIGINT, sum(quarantined_rows)::BIGINT, max(last_landed_at)
                   FROM mart.freshness GROUP BY source ORDER BY source"""
            ).fetchall()
    except (WarehouseError, duckdb.Error):
        return
    rows = [(source, landed) for source, landed, _, _ in sources]
    yield _by("apiledger_landed_rows", "Rows that have landed and are kept.", "source", rows)
    rows = [(source, held) for source, _, held, _ in sources]
    yield _by("apiledger_quarantined_rows", "Lines that could not be read.", "source", rows)
    ages = [(source, max((now - at).total_seconds(), 0)) for source, _, _, at in sources if at is not None]
    yield _by("apiledger_landed_age_seconds", "How long ago a source last landed something.", "source", ages)
    unpriced = sum(row.unpriced_requests for row in reach)
    yield _one("apiledger_unpriced_requests", "Calls of the last 90 days without a known price.", unpriced)


def _control(home: Home) -> Iterator[Family]:
    if not home.control_file.exists():
        return
    with database.control(home) as control:
        states = dict.fromkeys(("working", "waiting", "refused", "skipped", "removed"), 0)
        for one in connections.health(control):
            plain = "refused" if one.refused_at is not None else "skipped" if one.skipped else "working"
            states[one.stored if one.stored in {"removed", "refused", "waiting"} else plain] += 1
        unsent = outbox.unsent(control)
    yield _by("apiledger_connections", "Connections to providers, by state.", "state", states.items())
    waiting = [(state, unsent.get(word, (0, None))[0]) for state, word in (("waiting", "queued"), ("given_up", "dead"))]
    yield _by("apiledger_outbox_mails", "Mails that are not sent, by state.", "state", waiting)


def _waiting(home: Home) -> list[tuple[str, int]]:
    """How many files are in each inbox but for those that are still written or were refused."""
    folders = sorted(path for path in home.inbox.glob("*") if path.is_dir())
    return [
        (folder.name, sum(p.is_file() and p.name[0] != "." and p.suffix not in _BEGUN for p in folder.iterdir()))
        for folder in folders
    ]


def _one(name: str, meaning: str, value: float) -> Family:
    return Family(name, meaning, (({}, value),))


def _by(name: str, meaning: str, label: str, values: Iterable[tuple[str, float]]) -> Family:
    return Family(name, meaning, tuple(({label: word}, value) for word, value in values))


def text(found: Iterable[Family]) -> str:
    """The metrics in Prometheus's text format."""
    lines = []
    for family in found:
        lines += [f"# HELP {family.name} {_escaped(family.meaning)}", f"# TYPE {family.name} gauge"]
        for labels, value in family.samples:
            told = ",".join(f'{label}="{_escaped(word, quoted=True)}"' for label, word in labels.items())
            lines.append(f"{family.name}{f'{{{told}}}' if told else ''} {value!r}")
    return "".join(f"{line}\n" for line in lines)


def _escaped(word: str, *, quoted: bool = False) -> str:
    told = word.replace("\\", r"\\").replace("\n", r"\n")
    return told.replace('"', r"\"") if quoted else told


def _metrics(request: Request) -> Response:
    caller = bearer.caller(request)
    if not caller.viewer.is_operator or caller.viewer.projects is not None:
        raise Problem(403, "metrics are of the whole installation", "use a token of the operator's account")
    told = text(families(Home.own(), session.now()))
    return Response(told, headers={**problem.HEADERS, "Content-Type": MEDIA_TYPE})


ROUTES = [Route("/metrics", Machine(_metrics))]
