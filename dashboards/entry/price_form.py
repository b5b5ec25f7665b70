"""Pricing a model that no list knows, by the operator: its rates, with those of the nearest known model to begin with.

A suggestion is never a price: nothing is priced until somebody has read the rates and sent them. They go into
prices.toml of the home, and no other price is touched.
"""

import threading
from collections.abc import Mapping, Sequence
from decimal import Decimal
from html import escape
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboards import formats
from dashboards.access import operating, session
from dashboards.entry import typed_price
from dashboards.entry.typed_price import LONG, RARE, USUAL
from dashboards.figures import marts, price_figures, viewer
from dashboards.forms import form
from dashboards.forms.form import Fields
from warehouse import database, price_entry
from warehouse.control import audit, reprice_wish
from warehouse.control.session import Session
from warehouse.errors import WarehouseError
from warehouse.home import Home
from warehouse.price_missing import Unpriced
from warehouse.price_suggestion import Suggestion, nearest, rates_of
from warehouse.prices import PriceBook

_SAID = {
    "priced": "The price is written down. Calls from now on have it.",
    "again": "The price is written down. Calls from now on have it, and the next pass prices those of before.",
}
# The file is read, added to and replaced: one at a time.
_writing = threading.Lock()


def link() -> str:
    """The way to the form, for the operator."""
    return '<a href="/price" target="_self">Price them</a>'


def _missing(found: Session) -> list[Unpriced]:
    if marts.version() is None:
        return []
    return marts.once(price_figures.unpriced, None, lambda: viewer.of(found.lookup))


def _picked(listed: Sequence[Unpriced], asked: Mapping[str, str]) -> Unpriced | None:
    named = tuple(asked.get(name, "") for name in ("provider", "model", "tier"))
    return next((one for one in listed if (one.provider, one.model, one.service_tier or "") == named), None)


def _page(request: Request, *, wrong: str = "", status: int = 200, typed: Fields | None = None) -> Response:
    if session.find(session.token_of(request.cookies)) is None:
        return form.turned("/sign-in?to=/price")
    found = operating.who(request)
    if found is None:
        return form.missing(request)
    listed = _missing(found)
    asked = typed or request.query_params
    one = _picked(listed, asked)
    if one is None:
        if asked.get("model"):
            return form.missing(request)
        body, title = _list(listed), "Models without a price"
    else:
        body, title = _asked(one, asked, typed), "Price a model"
    return form.page(
        request,
        title,
        lambda hidden: body.replace("@form@", hidden),
        said="" if wrong else _SAID.get(request.query_params.get("said", ""), ""),
        wrong=wrong,
        status=status,
    )


def _list(listed: Sequence[Unpriced]) -> str:
    book, now = PriceBook.of_home(Home.own().root), session.now()
    waits = {one for one in listed if book.listed(one.provider, one.model, one.service_tier, now)}
    rows = "".join(
        f'<tr><td><a href="/price?{escape(_query(one))}">{escape(_name(one))}</a>'
        f"<small>{formats.days(one.first_day, one.last_day)}, {one.last_day.year}"
        f"{'; it has a price for calls to come' if one in waits else ''}</small></td>"
        f'<td class="n">{formats.count(one.requests)}</td><td class="n">{formats.tokens(one.tokens)}</td></tr>'
        for one in listed
    )
    head = '<tr><th>Model</th><th class="n">Calls</th><th class="n">Tokens</th></tr>'
    table = f'<div class="scroll"><table aria-label="Models without a price">{head}{rows}</table></div>'
    return (
        f'<p><a href="/models">Back to the models</a></p>{table if rows else "<p>Every call has a price.</p>"}'
        "<p><small>Of accounts that others hold, <code>apiledger prices unpriced</code> tells as well.</small></p>"
    )


def _query(one: Unpriced, like: str = "") -> str:
    named = {"provider": one.provider, "model": one.model, "tier": one.service_tier or ""}
    return urlencode(named | ({"like": like} if like else {}))


def _name(one: Unpriced) -> str:
    return f"{one.provider}/{one.model}{f' {one.service_tier}' if one.service_tier else ''}"


def _asked(one: Unpriced, asked: Mapping[str, str], typed: Fields | None) -> str:
    book = PriceBook.of_home(Home.own().root)
    known = nearest(book, one.provider, one.model)
    like = asked.get("like") or (known[0] if known else "")
    suggestion = None
    if like in known:
        provider, _, model = like.partition("/")
        suggestion = rates_of(book, provider, model, one.service_tier, session.now())
    value = _filled(suggestion) | {"since": str(one.first_day), "again": "yes"} if typed is None else dict(typed)
    return (
        f'<p><a href="/price">All without a price</a></p><p><strong>{escape(_name(one))}</strong>: '
        f"{formats.counted(one.requests, 'call')} of {formats.counted(one.days, 'day')} without a price.</p>"
        f'{_known(one, known, like if suggestion else "")}<form method="post" action="/price">@form@'
        + "".join(
            f'<input type="hidden" name="{name}" value="{escape(text)}">'
            for name, text in (
                ("provider", one.provider),
                ("model", one.model),
                ("tier", one.service_tier or ""),
                ("like", like),
            )
        )
        + "<p>USD per million tokens.</p>"
        + _rates(USUAL, value, "", required="input_mtok")
        + f"<details{_opened(value, RARE, '')}><summary>More rates</summary>{_rates(RARE, value, '')}</details>"
        + f"<details{_opened(value, ('above_tokens',), '')}><summary>Long calls</summary>{_long(value)}</details>"
        + form.field("since", "From", "date", value=value.get("since", ""), hint="The UTC day from which it holds.")
        + form.field("source", "Read where", value=value.get("source", ""), hint="Such as the provider's price page.")
        + '<label class="check"><input type="checkbox" name="again" value="yes"'
        f"{' checked' if value.get('again') else ''}> Price the calls of before as well, from that day on, with the "
        "next pass; the page Changes shows what moved</label>"
        f"{form.button('Set the price')}</form>"
    )


def _known(one: Unpriced, known: Sequence[str], like: str) -> str:
    if not known:
        return "<p>No known model has a name like it.</p>"
    links = ", ".join(
        f"<strong>{escape(name)}</strong>"
        if name == like
        else f'<a href="/price?{escape(_query(one, name))}">{escape(name)}</a>'
        for name in known
    )
    said = "" if not like else f" The rates below are those of {escape(like)} today: hold them against your provider's."
    return f'<p class="note">Is it one of these? {links}.{said}</p>'


def _filled(suggestion: Suggestion | None) -> dict[str, str]:
    if suggestion is None:
        return {}
    filled = {name: _plain(rate) for name, rate in suggestion.rates.items()}
    if suggestion.above_tokens is None:
        return filled
    long = {f"long_{name}": _plain(rate) for name, rate in suggestion.long_rates.items() if name in LONG}
    return filled | long | {"above_tokens": str(suggestion.above_tokens)}


def _plain(rate: Decimal) -> str:
    return f"{rate.normalize():f}"


def _rates(rates: Mapping[str, tuple[str, str]], value: Mapping[str, str], prefix: str, required: str = "") -> str:
    return "".join(
        form.field(
            prefix + name,
            title,
            value=value.get(prefix + name, ""),
            hint=f"Left empty: {otherwise}." if otherwise else "",
            more='inputmode="decimal" autocomplete="off"',
            is_required=name == required,
        )
        for name, (title, otherwise) in rates.items()
    )


def _long(value: Mapping[str, str]) -> str:
    above = form.field(
        "above_tokens",
        "Above so many input tokens",
        value=value.get("above_tokens", ""),
        hint="The whole of such a call costs:",
        more='inputmode="numeric" autocomplete="off"',
        is_required=False,
    )
    return above + _rates({name: (f"{title}, long", "as usual") for name, title in LONG.items()}, value, "long_")


def _opened(value: Mapping[str, str], names: Sequence[str] | Mapping[str, object], prefix: str) -> str:
    return " open" if any(value.get(prefix + name) for name in names) else ""


def _price(request: Request, fields: Fields) -> Response:
    found = operating.who(request)
    if found is None:
        return form.missing(request)
    one, home, now = _picked(_missing(found), fields), Home.own(), session.now().replace(microsecond=0)
    if one is None:
        return form.missing(request)
    try:
        price = typed_price.read(fields)
        with _writing:
            price_entry.add(
                home,
                one.provider,
                one.model,
                price.rates,
                price.since,
                now,
                tier=one.service_tier,
                source=price.source,
                long_context=price.long_context,
            )
    except WarehouseError as error:
        return _page(request, wrong=f"Nothing was set: {error}.", status=422, typed=fields)
    again = fields.get("again") == "yes"
    with database.control(home) as control:
        if again:
            reprice_wish.put(control, one.model, price.since, now)
        audit.note(control, "price.set", now, actor_no=found.member.member_no)
    return form.turned(f"/price?said={'again' if again else 'priced'}")


ROUTES = [
    Route("/price", _page, methods=["GET"]),
    Route("/price", form.posted(_price), methods=["POST"]),
]
