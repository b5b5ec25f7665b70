"""What a budget mail says, in plain text and in HTML that fetches nothing and holds on light and on dark ground."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_DOWN, Decimal
from email.message import EmailMessage
from html import escape
from string import Template

from pipelines.alerts import mail, mail_sheet
from warehouse import money

MAIL_CLASS = "budget"
_SUBJECT_NAME = 60
_WORD_JOINER = "\u2060"
# Percent of the bar's width that a sliver needs to be seen.
_LEAST_BAR = 1


@dataclass(frozen=True)
class Telling:
    """Everything a budget mail tells. `thresholds` are those just reached, in percent; moments are UTC."""

    kind: str
    name: str
    account: str
    monthly_usd: Decimal
    spent_usd: Decimal
    unpriced_requests: int
    thresholds: tuple[int, ...]
    period_start: date
    crossed_at: datetime
    sandbox: bool

    @property
    def percent(self) -> int:
        """Whole percents of the budget that are spent, rounded down: 99.99 % is not 100 %."""
        share = money.CONTEXT.divide(money.CONTEXT.multiply(self.spent_usd, Decimal(100)), self.monthly_usd)
        return int(share.to_integral_value(ROUND_DOWN))


def message(told: Telling, *, sender: str, receiver: str, message_id: str) -> EmailMessage:
    """The mail to `receiver`; the same telling gives the same bytes but for the parts' boundary."""
    made_up = "[made-up data] " if told.sandbox else ""
    subject = f"{made_up}{_short(told.name)}: {told.percent} % of {money.shown(told.monthly_usd)} for {_month(told)}"
    return mail.compose(
        MAIL_CLASS,
        sender=sender,
        receiver=receiver,
        subject=subject,
        message_id=message_id,
        dated=told.crossed_at,
        text=text(told),
        html=html(told),
    )


def _short(name: str) -> str:
    line = mail.one_line(name)
    return line if len(line) <= _SUBJECT_NAME else f"{line[: _SUBJECT_NAME - 1]}…"


def _unlinked(name: str) -> str:
    """A name in which no mail program finds an address to make a link of."""
    return "".join(f"{c}{_WORD_JOINER}" if c in ".:/@" else c for c in mail.one_line(name))


def _month(told: Telling) -> str:
    return f"{told.period_start:%B %Y}"


def _last_day(told: Telling) -> int:
    return monthrange(told.period_start.year, told.period_start.month)[1]


def _headline(told: Telling) -> str:
    verb = "has gone past" if told.spent_usd > told.monthly_usd else "has reached"
    reached = 100 if told.spent_usd > told.monthly_usd else max(told.thresholds)
    share = "its budget" if reached == 100 else f"{reached} % of its budget"
    return f"{told.kind.capitalize()} {_unlinked(told.name)} {verb} {share} for {_month(told)}"


def _figure(told: Telling) -> str:
    least = "at least " if told.unpriced_requests else ""
    return f"{least}{money.shown(told.spent_usd)} of {money.shown(told.monthly_usd)}"


def _unpriced(told: Telling) -> str:
    calls = "1 call" if told.unpriced_requests == 1 else f"{told.unpriced_requests:,} calls"
    verb = "is" if told.unpriced_requests == 1 else "are"
    return f"At least {money.shown(told.spent_usd)}; {calls} without a known price {verb} not in it."


def _facts(told: Telling) -> list[tuple[str, str]]:
    left = told.monthly_usd - told.spent_usd
    reached = ", ".join(f"{threshold} %" for threshold in told.thresholds)
    return [
        ("Reached now", reached),
        (
            "Over by" if left < 0 else "Left",
            ("" if left < 0 or not told.unpriced_requests else "at most ") + money.shown(left.copy_abs()),
        ),
        *([("Account", _unlinked(told.account))] if told.kind == "project" else []),
        ("Period", f"1 to {_last_day(told)} {_month(told)}, UTC"),
        ("As of", f"{told.crossed_at:%d %b %Y, %H:%M} UTC"),
    ]


def text(told: Telling) -> str:
    """The plain text."""
    lines = [
        *(["Made-up data: this is the sandbox.", ""] if told.sandbox else []),
        f"{_headline(told)}.",
        "",
        f"Spent {_figure(told)} ({told.percent} %).",
        *([_unpriced(told)] if told.unpriced_requests else []),
        "",
        *(f"{name + ':':<13} {value}" for name, value in _facts(told)),
        "",
        _FOOT,
    ]
    return "\n".join(lines) + "\n"


def html(told: Telling) -> str:
    """The HTML, on the sheet of every mail; every text from outside is escaped."""
    filled = min(100, max(_LEAST_BAR, told.percent))
    over = told.spent_usd > told.monthly_usd
    bar = f'<td class="{"over" if over else "used"}" width="{filled}%" style="{_OVER if over else _USED}">&nbsp;</td>'
    rest = '<td class="rest" style="background:#e6e9e5">&nbsp;</td>' if filled < 100 else ""
    facts = "".join(
        f'<tr><td class="soft" style="{_NAME}">{escape(name)}</td><td style="{_VALUE}">{escape(value)}</td></tr>'
        for name, value in _facts(told)
    )
    note = f'<p class="note" style="{_NOTE}">{escape(_unpriced(told))}</p>' if told.unpriced_requests else ""
    body = _BODY.substitute(
        least="at least " if told.unpriced_requests else "",
        spent=escape(money.shown(told.spent_usd)),
        monthly=escape(money.shown(told.monthly_usd)),
        percent=told.percent,
        bar=bar + rest,
        note=note,
        facts=facts,
    )
    return mail_sheet.page(_headline(told), body, _FOOT, sandbox=told.sandbox)


_FOOT = "You get this because your address is set for this budget. `apiledger budget remove` ends it."
_USED = "background:#23705d;border-radius:4px;font-size:0;line-height:8px"
_OVER = "background:#b3402f;border-radius:4px;font-size:0;line-height:8px"
_NAME = "padding:7px 16px 7px 0;color:#5d666d;white-space:nowrap;vertical-align:top"
_VALUE = "padding:7px 0;text-align:right;word-break:break-word"
_NOTE = "margin:14px 0 0;padding:10px 14px;font-size:14px;line-height:20px;background:#faf3e3;border-radius:6px"
_BODY = Template("""\
<p style="margin:0 0 10px;font-size:15px;line-height:36px"><span class="soft" style="color:#5d666d">$least</span>\
<span style="font-size:32px;font-weight:650;letter-spacing:-0.5px">$spent</span>
<span class="soft" style="color:#5d666d">of $monthly, $percent&nbsp;%</span></p>
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" style="border-radius:4px"><tr \
style="font-size:0;line-height:8px;height:8px">$bar</tr></table>
$note
<table role="presentation" class="facts" width="100%" cellpadding="0" cellspacing="0" style="margin-top:20px;\
padding-top:8px;border-top:1px solid #e3e5e1;font-size:14px;line-height:20px">$facts</table>\
""")
