"""mart.spend_daily, the home -> what this installation is and does: sums, passes, sizes, versions; the operator's."""

import shutil
from datetime import UTC, date, datetime
from decimal import Decimal
from html import escape

import streamlit as st

from dashboards import formats, theme
from dashboards.charts import run_chart
from dashboards.figures import installation_figures, marts, run_figures, viewer
from dashboards.figures.installation_figures import AccountSum, Claim, Folder
from retention.idle import Idle
from warehouse.control.pass_run import PassRun
from warehouse.money import shown

_MOST_CLAIMS = 200
_MOST_RUNS = 15


def page() -> None:
    """Draw the page for the operator; to anyone else there is none."""
    looks = viewer.current()
    if not looks.is_operator or looks.projects is not None:
        st.html('<div class="al"><div class="al-head"><h1>Not found</h1></div></div>')
        return
    today = datetime.now(UTC).date()
    home = marts.home()
    found = installation_figures.accounts(home, looks, marts.answer(installation_figures.label_sums, today))
    st.html(
        '<div class="al"><div class="al-head"><h1>This installation</h1>'
        f'<span class="dim">{today:%B %Y} · UTC days</span></div>'
        '<p><a href="/account" target="_self">Members, and opening an account with a reason</a></p></div>'
    )
    st.html(_accounts(found))
    if unused := installation_figures.idle_accounts(home, looks, today):
        st.html(_idle(unused))
    st.html(_claims(installation_figures.claims(home, looks)))
    _runs(run_figures.runs(home, looks, datetime.now(UTC).replace(tzinfo=None)), today)
    folders = installation_figures.folders(home)
    left, right = st.columns(2, gap="medium")
    with left:
        st.html(_folders(folders, shutil.disk_usage(home.root).free))
    with right:
        st.html(_versions())


def _accounts(found: list[AccountSum]) -> str:
    rows = "".join(
        f'<tr><td>{one.account_no}</td><td class="n">{one.members}</td><td class="n">{one.labels}</td>'
        f'<td class="n">{shown(one.cost_usd)}</td><td class="n">{shown(one.before_usd)}</td>'
        f'<td class="n">{formats.count(one.requests)}</td></tr>'
        for one in found
    )
    whole = sum((one.cost_usd for one in found), Decimal(0))
    head = (
        '<th>Account</th><th class="n">Members</th><th class="n">Labels</th><th class="n">This month</th>'
        '<th class="n">Month before</th><th class="n">Requests</th>'
    )
    return _card(f"Accounts: {shown(whole)} this month", head, rows)


def _idle(found: list[Idle]) -> str:
    rows = "".join(
        f"<tr><td>{one.account_no}</td><td>{one.used_on:%d %b %Y}</td>"
        f"<td>{f'{one.told_at:%d %b %Y}' if one.told_at else '—'}</td>"
        f"<td>{escape(_what_comes(one))}</td></tr>"
        for one in found
    )
    head = "<th>Account</th><th>Last used</th><th>Owners told</th><th>What comes</th>"
    return _card("Accounts that nobody uses", head, rows)


def _what_comes(one: Idle) -> str:
    return f"stays: {one.kept_by}" if one.kept_by else f"erased after {one.last_day:%d %b %Y}"


def _claims(found: list[Claim]) -> str:
    """Which labels of the logs are whose, and the way to the form that says it."""
    rows = "".join(
        f"<tr><td>{escape(one.label)}</td><td>{one.seen_by}</td><td>{one.how}</td></tr>" for one in found[:_MOST_CLAIMS]
    )
    more = f"<p>and {len(found) - _MOST_CLAIMS} more: <code>apiledger account list</code></p>"
    card = _card("Labels of the logs", "<th>Label</th><th>Seen by</th><th>How</th>", rows)
    return (
        f"{card}{more if len(found) > _MOST_CLAIMS else ''}"
        '<div class="al"><p><a href="/claims" target="_self">Give one away, by name or by rule; tell one apart; say '
        "which keys are of a project and which connection pays</a></p></div>"
    )


def _runs(found: list[PassRun], today: date) -> None:
    """The passes of the last days: what landed by day, and each of the newest."""
    head = (
        '<th>Ended</th><th>Outcome</th><th class="n">Took</th><th class="n">Files</th><th class="n">Rows</th>'
        '<th class="n">Held back</th><th class="n">Bills</th>'
    )
    failed = sum(not one.is_good for one in found)
    title = f"Passes of {run_figures.DAYS} days: {formats.count(len(found))}, {formats.count(failed)} not well"
    st.html(_card(title, head, "".join(_run(one) for one in found[:_MOST_RUNS])))
    if any(one.rows for one in found):
        st.html(theme.legend(run_chart.WORDS))
        days = run_figures.by_day(found, today)
        rows = formats.counted(sum(one.rows for one in days), "row")
        st.altair_chart(run_chart.drawn(days), width="stretch", alt=f"Rows landed by day: {rows} in {len(days)} days")


def _run(one: PassRun) -> str:
    outcome = "Well" if one.is_good else "<strong>Broken off</strong>"
    took = None if one.begun_at is None else int((one.ended_at - one.begun_at).total_seconds() * 1000)
    return (
        f"<tr><td>{formats.moment(one.ended_at)}</td><td>{outcome}</td>"
        f'<td class="n">{formats.duration(took)}</td><td class="n">{formats.count(one.files)}</td>'
        f'<td class="n">{formats.count(one.rows)}</td><td class="n">{formats.count(one.quarantined)}</td>'
        f'<td class="n">{formats.count(one.pulls)}</td></tr>'
    )


def _folders(folders: list[Folder], free: int) -> str:
    rows = "".join(
        f"<tr><td><strong>{escape(one.name)}</strong></td>"
        f'<td class="n">{formats.size(one.bytes)}</td><td class="n">{formats.count(one.files)}</td></tr>'
        for one in folders
    )
    whole = sum(one.bytes for one in folders)
    title = f"Storage: {formats.size(whole)}, {formats.size(free)} free"
    return _card(title, '<th>In the home</th><th class="n">Size</th><th class="n">Files</th>', rows)


def _versions() -> str:
    rows = "".join(
        f"<tr><td>version {one.number}</td><td>{formats.moment(one.written_at)}, {formats.size(one.bytes)}</td></tr>"
        for one in installation_figures.versions(marts.home())
    ) + "".join(f"<tr><td>{name}</td><td>{escape(number)}</td></tr>" for name, number in installation_figures.parts())
    return _card("Versions", "<th>What</th><th>Which</th>", rows)


def _card(title: str, head: str, rows: str) -> str:
    return (
        f'<section class="al al-card" aria-label="{title}"><h2>{title}</h2><div class="al-scroll">'
        f'<table class="al-table" aria-label="{title}"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
        "</div></section>"
    )
