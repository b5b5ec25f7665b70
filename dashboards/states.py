"""What a page says when there is nothing, nothing new, something made up, or something wrong."""

import logging
import secrets
import traceback
from datetime import datetime, timedelta
from html import escape

import streamlit as st

from dashboards import formats
from warehouse.home import Home

STALE_AFTER = timedelta(hours=24)
_LOG = logging.getLogger(__name__)


def made_up() -> None:
    """The banner of the sandbox: nobody may take these figures for theirs."""
    st.html(
        '<div class="al al-note made-up" role="status" aria-label="Sandbox"><strong>Made-up figures.</strong> '
        "These calls come from the sandbox, not from your providers. Your own appear once your home has a log or a "
        "connection.</div>"
    )


def protected() -> None:
    """The line of protected mode: why no key and no small group is to be found."""
    st.html(
        '<p class="al al-note" role="note" aria-label="Protected mode">Protected mode: keys and persons are not shown, '
        "and neither are groups of fewer than five; the account's sum holds them all.</p>"
    )


def signed_out() -> None:
    """The session of this browser has ended while its page was open: nothing is shown any more."""
    st.html(
        '<div class="al"><div class="al-head"><h1>Signed out</h1></div>'
        '<p>This session has ended. <a href="/sign-in" target="_self">Sign in again</a></p></div>'
    )


def unclaimed() -> None:
    """An account that no label belongs to, or a viewer whose projects have no rows yet."""
    st.html(
        '<div class="al"><div class="al-head"><h1>Nothing here is yours yet</h1></div>'
        "<p>Whoever runs this site says which calls belong to your account: "
        '<code>apiledger account claim</code>. Or <a href="/connections" target="_self">connect a provider</a>. '
        "This page looks for them by itself.</p></div>"
    )


def all_claimed() -> None:
    """The operator of an installation whose every call belongs to somebody's account."""
    st.html(
        '<div class="al"><div class="al-head"><h1>Every call here is somebody\'s</h1></div>'
        "<p>All labels of the logs are claimed, and figures are shown to whom they belong. "
        '<a href="/operator" target="_self">Sums of each account</a> are yours to see, and '
        '<a href="/account" target="_self">one account\'s figures</a> with a reason.</p></div>'
    )


def who() -> None:
    """The way to the account, in the bar of every page; drawn last, so that it takes no room of the page."""
    st.html(
        '<p class="al al-who"><a href="/connections" target="_self">Connections</a>&ensp;'
        '<a href="/account" target="_self">Account</a></p>'
    )


def empty(home: Home) -> None:
    """Nothing has landed yet: the two ways to the first figure."""
    st.html(
        '<div class="al"><div class="al-head"><h1>No calls yet</h1></div>'
        "<p>Give apiledger a log of your calls; the first figures are here seconds later. "
        "This page looks for them by itself.</p></div>"
    )
    file, gateway = st.columns(2, gap="medium")
    with file.container(border=True):
        st.markdown("**Drop a log into the inbox**")
        st.markdown("JSON lines, one call a line, plain or gzipped:")
        st.code(f"cp calls.jsonl {home.inbox / 'gateway_jsonl'}/", language=None, wrap_lines=True)
    with gateway.container(border=True):
        st.markdown("**Or add two lines to LiteLLM**")
        st.markdown("Copy `pipelines/providers/apiledger_litellm.py` beside its config, and add to the config:")
        st.code("litellm_settings:\n  callbacks: apiledger_litellm.writer", language=None)
        st.markdown("Then start it with:")
        st.code(f"APILEDGER_INBOX={home.inbox / 'litellm'}", language=None, wrap_lines=True)
    st.html(
        '<p class="al">Or <a href="/connections" target="_self">connect a provider</a>: its bill is read without a '
        "log.</p>"
    )


def stale(newest: datetime | None, now: datetime) -> None:
    """A calm line where the newest landing is older than a day; `newest` and `now` are UTC."""
    if newest is None or now - newest < STALE_AFTER:
        return
    st.html(
        '<div class="al al-note" role="status" aria-label="Stale data"><strong>Nothing new for '
        f"{escape(formats.age(newest, now).removesuffix(' ago'))}.</strong> The last file landed "
        f"{formats.moment(newest)}. "
        "Look at the inbox, and at the last run with <code>apiledger doctor</code>.</div>"
    )


def withheld() -> None:
    """Somebody is being erased: no figure is shown until a version without them is published."""
    st.html(
        '<div class="al al-note" role="status" aria-label="Figures are withheld"><strong>Somebody is being erased.'
        "</strong> Figures are back once a version without them is published, usually within a minute. If it takes "
        "longer, look at <code>apiledger erase resume</code>.</div>"
    )


def incident(error: BaseException) -> str:
    """Write down what went wrong under a random id and give the id; neither a value nor SQL leaves this function.

    The log gets the error's type and where it arose, without its text, which might repeat what a row says.
    """
    number = secrets.token_hex(4)
    frames = "".join(traceback.format_tb(error.__traceback__)[-6:])
    _LOG.error("incident %s: %s\n%s", number, type(error).__name__, frames)
    return number


def wrong(error: BaseException) -> None:
    """Say that something went wrong, with nothing but the id to look for in the server's log."""
    number = incident(error)
    st.html(
        '<div class="al al-note" role="alert" aria-label="Something went wrong"><strong>This page could not be '
        f"drawn.</strong> Reload it; if it stays so, look for incident <code>{number}</code> in the server's log.</div>"
    )
