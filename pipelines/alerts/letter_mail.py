"""What a letter says: a link that is good once."""

from email.message import EmailMessage
from html import escape

from pipelines.alerts import mail, mail_sheet
from pipelines.services import dashboard_address
from warehouse import branding
from warehouse.control.letter import MAIL_CLASS, Kind, Letter
from warehouse.control.ticket import LASTS
from warehouse.home import Home

_LINE = "margin:0 0 12px;font-size:15px;line-height:23px"
_BUTTON = (
    "display:inline-block;padding:10px 20px;border-radius:6px;background:#23705d;color:#ffffff;"
    "font-size:15px;font-weight:600;text-decoration:none"
)
_SMALL = "margin:14px 0 0;font-size:12px;line-height:18px;color:#5d666d;word-break:break-all"
_FOOT = "You get this because somebody asked for it with your address."
# Of each kind: the headline, its lines before the link, the button.
_SAID: dict[Kind, tuple[str, tuple[str, ...], str]] = {
    "reset": (
        "Set a new password",
        (
            "Somebody asked for a new password for the account of this address.",
            "If it was not you, leave this mail: nothing changes.",
        ),
        "Set a new password",
    ),
    "invitation": (
        "You are invited to {name}",
        ("It shows what AI services cost your team. Accept, choose a password, and you see what you are given.",),
        "Accept the invitation",
    ),
    "address": (
        "Confirm this address",
        ("A member of {name} wants to sign in with this address from now on. If it was not you, leave this mail.",),
        "Confirm this address",
    ),
}


def message(home: Home, said: Letter, *, sender: str, message_id: str) -> EmailMessage:
    """The mail of a letter; what stands in it is ours but for the link and the site's name."""
    name = branding.shown(home).name
    headline, lines, button = _SAID[said.kind]
    headline, lines = headline.replace("{name}", name), tuple(line.replace("{name}", name) for line in lines)
    moment = f"Asked for on {said.asked_at:%d %b %Y at %H:%M} UTC."
    made_up = ["Made-up data: this is the sandbox.", ""] if home.is_sandbox else []
    text, html = (
        [*made_up, f"{headline}.", "", *lines],
        "".join(f'<p style="{_LINE}">{escape(line)}</p>' for line in lines),
    )
    if said.token is not None:
        link = dashboard_address.link(home, said.kind, said.token)
        good = f"The link is good once, for {_lasts(said.kind)}."
        text += ["", link, "", good]
        html += (
            f'<p style="margin:18px 0"><a href="{escape(link)}" style="{_BUTTON}">{button}</a></p>'
            f'<p style="{_LINE}">{good}</p><p class="soft" style="{_SMALL}">{escape(link)}</p>'
        )
    return mail.compose(
        MAIL_CLASS,
        sender=sender,
        receiver=said.receiver,
        subject=f"{'[made-up data] ' if home.is_sandbox else ''}{headline}",
        message_id=message_id,
        dated=said.asked_at,
        text="\n".join([*text, moment, "", _FOOT]) + "\n",
        html=mail_sheet.page(headline, f'{html}<p style="{_LINE}">{moment}</p>', _FOOT, sandbox=home.is_sandbox),
    )


def _lasts(kind: Kind) -> str:
    lasts = LASTS[kind]
    return f"{lasts.days} days" if lasts.days else f"{lasts.seconds // 60} minutes"
