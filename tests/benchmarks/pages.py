"""P8: what a page waits for: each of its questions to a published version, asked as it asks, without its cache.

The version is held open between pages as the server holds it, and let go before each round of all pages: which of them
comes first opens it, and finds none of its blocks read.
"""

import random
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from rich.console import Console
from rich.table import Table

from dashboards.figures import (
    account_figures,
    allocation_figures,
    budget_figures,
    change_figures,
    drill_figures,
    frame_figures,
    freshness_figures,
    held_version,
    installation_figures,
    invoice_figures,
    model_figures,
    name_figures,
    overview_figures,
    reconciliation_figures,
    rhythm_figures,
    spend_figures,
    zone_figures,
)
from dashboards.figures.overview_figures import DailySpend
from dashboards.figures.period import Period
from dashboards.figures.spend_filter import SpendFilter
from dashboards.figures.viewer import Viewer
from pipelines import passage
from tests.benchmarks import contract_rows
from warehouse import database
from warehouse.control import zone as zones
from warehouse.control.budget import Budget, Scope
from warehouse.home import Home

AIM_MS = 150
DAYS = 60
ACCOUNTS = 500
TIMES = 20
ZONE = "Europe/Berlin"
_OPENING = "opening the version"
_NOW = datetime(2026, 11, 20, 23, 59)  # noqa: DTZ001 (UTC, naive as everywhere below the pipelines)
_TODAY = _NOW.date()


@dataclass(frozen=True)
class Question:
    """One question of a page: whom it asks, and what."""

    ask: Callable[..., Any]
    asked: object

    @property
    def name(self) -> str:
        """How the report calls it."""
        return self.ask.__name__


def report(console: Console, folder: Path, rows: int) -> None:
    """Ask every question of every page TIMES times in random order, as the operator and as one account's member.

    Then the same of a home whose usual zone is ZONE. Prints p50 and p95 of each page and of its questions by the clock,
    and the median of the processors.
    """
    home = home_of(folder, rows, console)
    for zone, asked in ((None, home), (ZONE, _in_zone(home, console))):
        with database.published(asked) as connection:
            busiest = connection.execute(
                "SELECT account FROM mart.spend_daily GROUP BY account ORDER BY sum(requests) DESC, account LIMIT 1"
            ).fetchall()
        _warm(asked, zone)
        for who, looks in (("the operator", Viewer()), ("a member of the busiest account", Viewer(*busiest))):
            title = f"{rows:,} calls of {ACCOUNTS} accounts over {DAYS} days, as {who}"
            _asked_by(console, asked, looks, title if zone is None else f"{title}, by the days of {zone}", zone)


def _asked_by(console: Console, home: Home, looks: Viewer, title: str, zone: str | None) -> None:
    pages = list(_pages(zone).items())
    took: dict[tuple[str, str], list[tuple[float, float]]] = {
        (page, name): [] for page, questions in pages for name in (_OPENING, *(question.name for question in questions))
    }
    shuffled = random.Random(title)  # noqa: S311 (an order, not a secret)
    for _ in range(TIMES):
        held_version.let_go()
        shuffled.shuffle(pages)
        for page, questions in pages:
            for name, figures in _round(home, looks, questions):
                took[page, name].append(figures)
    shown = Table("page", "question", "p50 ms", "p95 ms", "aim at most", "CPU ms", title=title)
    for page, questions in _pages(zone).items():
        names = (_OPENING, *(question.name for question in questions))
        rounds = [
            (sum(clock for clock, _ in parts), sum(cpu for _, cpu in parts))
            for parts in zip(*(took[page, name] for name in names), strict=True)
        ]
        shown.add_row(f"[bold]{page}", "[bold]all of it", *_figures(rounds, f"{AIM_MS}"))
        for name in names:
            shown.add_row("", name, *_figures(took[page, name], ""))
    console.print(shown)


def _warm(home: Home, zone: str | None) -> None:
    """What a server has done since it started: modules of binding are in, and the version is in the system's cache."""
    for questions in _pages(zone).values():
        for _ in _round(home, Viewer(), questions):
            pass


def _pages(zone: str | None) -> dict[str, list[Question]]:
    """Each page's questions in the order it asks, as it opens and in its widest views; by the days of a zone if any."""
    named, is_local = (() if zone is None else (zone,)), zone is not None
    thirty, ninety = DailySpend(_TODAY, 30, "provider", is_local), DailySpend(_TODAY, 90, "model", is_local)
    spend, period = replace(SpendFilter.default(_TODAY), zones=named), Period.from_query({}, _TODAY)
    whole = SpendFilter(_TODAY - timedelta(days=DAYS - 1), _TODAY, "day", ("key", "model"), zones=named)
    hours = SpendFilter(_TODAY - timedelta(days=30), _TODAY, "hour", ("project",), zones=named)
    searched = SpendFilter(spend.start, _TODAY, "day", ("key",), {"provider": ("openai",)}, "project-1", named)
    billed = reconciliation_figures.Asked.from_query({}, _TODAY)
    moved = change_figures.Asked.from_query({}, _TODAY)
    return {
        "overview": _overview(thirty),
        "overview, 90 days by model": _overview(ninety),
        "models": _framed(Question(model_figures.view, period)),
        "keys": _framed(Question(name_figures.rows, name_figures.Asked("key", period))),
        "projects": _framed(Question(name_figures.rows, name_figures.Asked("project", period))),
        "cost centres": _framed(
            Question(allocation_figures.names, None),
            Question(allocation_figures.view, allocation_figures.Asked.from_query({}, _TODAY)),
        ),
        "reconciliation": _framed(
            Question(reconciliation_figures.providers, None),
            Question(reconciliation_figures.summary, billed),
            Question(drill_figures.rows, billed),
        ),
        "changes": _framed(
            Question(change_figures.moved, moved),
            Question(change_figures.by_day, moved),
            Question(change_figures.windows, None),
            Question(change_figures.rows, moved),
        ),
        "invoices": _framed(Question(invoice_figures.invoices, None), Question(invoice_figures.plans, _TODAY)),
        "budgets": _framed(Question(budget_figures.uses, budget_figures.Asked(_TODAY, _budgets()))),
        "freshness": _framed(Question(freshness_figures.reach, _TODAY), Question(freshness_figures.untold, None)),
        "installation": _framed(Question(installation_figures.label_sums, _TODAY)),
        "account": [Question(account_figures.of_labels, _TODAY)],
        "spend": _spend(spend),
        "spend, 60 days by key and model": _spend(whole),
        "spend, hours of a month by project": _spend(hours),
        "spend, chosen and searched": _spend(searched),
    }


def _overview(drawn: DailySpend) -> list[Question]:
    return [
        Question(frame_figures.frame, _TODAY),
        Question(overview_figures.at_a_glance, _TODAY),
        Question(zone_figures.in_use, None),
        Question(overview_figures.spend_by_day, drawn),
        Question(rhythm_figures.week, _TODAY),
    ]


def _framed(*questions: Question) -> list[Question]:
    return [Question(frame_figures.frame, _TODAY), *questions]


def _budgets() -> tuple[budget_figures.Listed, ...]:
    """Five budgets of accounts, which are asked one by one."""
    return tuple(
        budget_figures.Listed(
            Budget(number, 1, number, None, Decimal(1000), (50, 80, 100), _NOW),
            Scope(number, None, f"account-{number}", None),
        )
        for number in range(5)
    )


def _spend(asked: SpendFilter) -> list[Question]:
    days: tuple[date, date] = (asked.start, asked.end)
    known = [Question(spend_figures.known, asked)] if asked.chosen else []
    return [
        Question(frame_figures.frame, _TODAY),
        Question(zone_figures.in_use, None),
        *known,
        Question(spend_figures.names, days),
        Question(spend_figures.view, asked),
    ]


def _round(home: Home, looks: Viewer, questions: list[Question]) -> Iterator[tuple[str, tuple[float, float]]]:
    """A page's opening of the version and its questions: milliseconds of the clock and of the processors of each."""
    start, worked = time.perf_counter(), time.process_time()
    with held_version.opened(home) as connection:
        yield _OPENING, _since(start, worked)
        for question in questions:
            start, worked = time.perf_counter(), time.process_time()
            question.ask(connection, looks, question.asked)
            yield question.name, _since(start, worked)


def _since(start: float, worked: float) -> tuple[float, float]:
    return (time.perf_counter() - start) * 1000, (time.process_time() - worked) * 1000


def _figures(took: list[tuple[float, float]], aim: str) -> tuple[str, str, str, str]:
    clock, cpu = zip(*took, strict=True)
    return f"{median(clock):.1f}", f"{quantiles(clock, n=20, method='inclusive')[-1]:.1f}", aim, f"{median(cpu):.1f}"


def home_of(folder: Path, rows: int, console: Console) -> Home:
    """A home with `rows` calls over DAYS days, made once and passed by this tree; a half-made one is made anew."""
    home = Home(folder / f"pages-{rows}-{ACCOUNTS}")
    if database.current_version(home) is None:
        shutil.rmtree(home.root, ignore_errors=True)
        home.make(("gateway_jsonl",))
        first_day = datetime.combine(_TODAY, datetime.min.time()) - timedelta(days=DAYS - 1)
        with console.status(f"making {rows:,} calls"):
            inbox = home.inbox / "gateway_jsonl" / "calls.jsonl"
            contract_rows.write(inbox, rows, first_day=first_day, days=DAYS, accounts=ACCOUNTS)
    # A home that an older tree made has that tree's marts until a pass.
    passage.run_pass(home, _NOW, lambda *_: None)
    return home


def _in_zone(home: Home, console: Console) -> Home:
    """The same home with ZONE as its usual zone, made of what it keeps, once."""
    zoned = Home(home.root.with_name(f"{home.root.name}-{ZONE.replace('/', '-')}"))
    if database.current_version(zoned) is None:
        shutil.rmtree(zoned.root, ignore_errors=True)
        with console.status(f"giving {ZONE} to the same calls"):
            # The link that people open is called as the build is.
            left_out = shutil.ignore_patterns(
                "published", "warehouse.before-*", "control.before-*", home.people_file.name
            )
            shutil.copytree(home.root, zoned.root, symlinks=True, ignore=left_out)
            shutil.copy2(home.build_file, zoned.build_file)
            zoned.make(("gateway_jsonl",))
            with database.control(zoned) as control:
                zones.put(control, None, ZONE, _NOW)
    passage.run_pass(zoned, _NOW, lambda *_: None)
    return zoned
