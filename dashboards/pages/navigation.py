"""The frame around every page: the bar, the banner, the watch for a new version, and the state when a page cannot be.

Streamlit runs this file anew on every visit and every change; dashboards/app.py serves it. It stands among the pages
because Streamlit takes a folder `pages` beside its script for pages of its own finding.
"""

from datetime import UTC, datetime

import streamlit as st
from streamlit.navigation.page import Page

from dashboards import freshness, states, theme
from dashboards.access import session
from dashboards.access.session import SignedOutError
from dashboards.figures import frame_figures, marts, viewer
from dashboards.figures.viewer import Viewer
from dashboards.pages import (
    allocation,
    budgets,
    changes,
    installation,
    invoices,
    keys,
    models,
    overview,
    projects,
    reconciliation,
    spend,
)
from dashboards.pages import credits as credits_page
from dashboards.pages import freshness as freshness_page
from warehouse import branding
from warehouse.control import protection
from warehouse.errors import WithheldError

_INSTALLATION = "operator"
# Set while a page shows that figures are withheld, in place of them.
_WITHHELD = "shows_withheld"


def frame() -> None:
    """Draw the frame and, within it, the page of this address."""
    brand = branding.shown(marts.home())
    st.set_page_config(page_title=brand.name, layout="wide", page_icon=brand.logo or theme.MARK)
    st.html(theme.STYLE if brand.logo else theme.STYLE + theme.MARK_ALONE)
    named = theme.MARK if brand.name == branding.NAME else theme.mark(brand.name)
    st.logo(brand.logo or named, size="medium")
    looks = _looks()
    page = st.navigation(_sections(is_operator=looks is not None and looks.is_operator), position="top")
    if looks is None:
        states.signed_out()
        return
    if not st.session_state.pop(freshness.BY_ITSELF, False):
        session.touch(session.of_page())
    drawn = None
    was_withheld = st.session_state.pop(_WITHHELD, False)
    try:
        drawn = marts.version()
        with marts.reading():
            _body(page, drawn, looks)
    except SignedOutError:
        states.signed_out()
        return
    except WithheldError:
        st.session_state[_WITHHELD] = True
        if not was_withheld:
            # What was drawn until then goes: anew, the page is held up at its first question.
            freshness.redraw()
        states.withheld()
    except Exception as error:  # noqa: BLE001 - the last resort: a person sees an incident's number, the log its place
        states.wrong(error)
    freshness.watch(drawn, is_withheld=_WITHHELD in st.session_state)
    states.who()


def _looks() -> Viewer | None:
    try:
        return viewer.current()
    except SignedOutError:
        return None


def _sections(*, is_operator: bool) -> dict[str, list[Page]]:
    """The pages by what a person comes for; a menu each, so that they fit a phone."""
    installation_page = st.Page(installation.page, title="Installation", url_path=_INSTALLATION, icon=":material/dns:")
    return {
        "": [st.Page(overview.page, title="Overview", icon=":material/monitoring:", default=True)],
        "Spend": [
            st.Page(spend.page, title="Spend", url_path="spend", icon=":material/stacked_bar_chart:"),
            st.Page(models.page, title="Models", url_path="models", icon=":material/neurology:"),
            st.Page(projects.page, title="Projects", url_path="projects", icon=":material/folder:"),
            st.Page(keys.page, title="Keys", url_path="keys", icon=":material/key:"),
            st.Page(allocation.page, title="Cost centres", url_path="allocation", icon=":material/account_tree:"),
        ],
        "Bills": [
            st.Page(reconciliation.page, title="Reconciliation", url_path="reconciliation", icon=":material/balance:"),
            st.Page(changes.page, title="Changes", url_path="changes", icon=":material/history:"),
            st.Page(invoices.page, title="Invoices", url_path="invoices", icon=":material/receipt_long:"),
        ],
        "Watch": [
            st.Page(budgets.page, title="Budgets", url_path="budgets", icon=":material/savings:"),
            st.Page(credits_page.page, title="Credits", url_path="credits", icon=":material/account_balance_wallet:"),
            st.Page(freshness_page.page, title="Freshness", url_path="freshness", icon=":material/update:"),
            *([installation_page] if is_operator else []),
        ],
    }


def _body(page: Page, drawn: int | None, looks: Viewer) -> None:
    home = marts.home()
    if home.is_sandbox:
        states.made_up()
    if protection.is_on(home):
        states.protected()
    if drawn is not None and looks.is_operator and page.url_path == _INSTALLATION:
        # Where others claim all there is, the operator has no spend, and still looks after it.
        page.run()
    else:
        found = None if drawn is None else marts.answer(frame_figures.frame, datetime.now(UTC).date())
        if found is not None and found.has_spend:
            freshness.notice()
            page.run()
        elif not looks.is_operator:
            states.unclaimed()
        elif looks.claimed and found is not None and any(one.rows for one in found.sources):
            states.all_claimed()
        else:
            states.empty(home)


if __name__ == "__main__":
    frame()
