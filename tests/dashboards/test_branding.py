"""The owner's own name and logo: what is taken, and what is refused with a sentence and never shown."""

import base64
import os
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from pipelines.alerts import letter_mail, mail
from pipelines.commands import branding_health
from tests.dashboards.people_site import Site, now
from warehouse import branding
from warehouse.branding import Branding, BrandingError
from warehouse.control.letter import Letter
from warehouse.home import Home

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><path d="M0 0h8v8z"/></svg>'
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)


def said(home: Home, text: str, logo: str | bytes = "", name: str = "logo.svg") -> Home:
    """The owner's words and, where there is one, the logo."""
    home.make()
    (home.root / branding.FILE).write_text(text, encoding="utf-8")
    if logo:
        (home.root / name).write_bytes(logo if isinstance(logo, bytes) else logo.encode())
    return home


def test_without_a_file_it_is_our_own(home: Home) -> None:
    """Nothing is asked for."""
    assert branding.load(home) == Branding(name="apiledger", sender_name="apiledger", logo=None)


def test_a_name_is_the_senders_until_there_is_another(home: Home) -> None:
    """And what is written anew is shown at once, without a restart."""
    assert branding.load(said(home, 'name = "Kosten bei Müller & Co"')).sender_name == "Kosten bei Müller & Co"
    found = branding.load(said(home, 'name = "Costs"\nsender_name = "Acme finance"\nlogo = "logo.svg"', SVG))
    assert (found.name, found.sender_name) == ("Costs", "Acme finance")
    assert found.logo == f"data:image/svg+xml;base64,{base64.b64encode(SVG.encode()).decode()}"
    found = branding.load(said(home, 'name = "Costs"\nlogo = "logo.png"', PNG, "logo.png"))
    assert (found.logo or "").startswith("data:image/png;base64,iVBORw0KGgo")


@pytest.mark.parametrize(
    ("text", "logo", "why"),
    [
        ("name = ", "", "cannot be read"),
        ("nome = 'x'", "", "nome"),
        ("name = 7", "", "name"),
        ("name = ''", "", "name"),
        ("name = '" + "x" * 61 + "'", "", "name"),
        ('name = "Costs\\r\\nBcc: all@team.example"', "", "one line"),
        ('sender_name = "Costs\\u202e"', "", "one line"),
        ("logo = '../../secret.png'", "", "logo"),
        ("logo = 'control.sqlite'", "", "logo"),
        ("logo = 'logo.svg'", "", "cannot be read"),
        ("logo = 'logo.svg'", "<html/>", "is no SVG"),
        ("logo = 'logo.svg'", b"\xff\xfe<", "is no SVG"),
        ("logo = 'logo.svg'", SVG.replace("<path", "<script>alert(1)</script><path"), "script"),
        ("logo = 'logo.svg'", SVG.replace("<path", '<path onload="alert(1)"'), "onload"),
        ("logo = 'logo.svg'", SVG.replace("<path", '<image href="https://a.example/b.png"/><path'), "href"),
        ("logo = 'logo.svg'", f'<!DOCTYPE svg [<!ENTITY a "b">]>{SVG}', "DOCTYPE"),
        ("logo = 'logo.svg'", SVG + " " * branding.LOGO_BYTES, "32,768"),
    ],
)
def test_what_cannot_be_shown_is_said_and_ours_is_shown(home: Home, text: str, logo: str | bytes, why: str) -> None:
    """One finding of the doctor with the file in it; no page and no mail fails."""
    said(home, text, logo)
    with pytest.raises(BrandingError, match=why):
        branding.load(home)
    assert branding.shown(home) == Branding()
    (found,) = branding_health.findings(home)
    assert str(home.root) in found.what
    assert not found.warning


def test_a_logo_is_a_small_picture_in_the_home(home: Home, tmp_path: Path) -> None:
    """No link out of it, no pipe that would wait, nothing that unpacks to a wall."""
    said(home, "logo = 'logo.png'", PNG[:16] + (50_000).to_bytes(4) * 2 + PNG[24:], "logo.png")
    with pytest.raises(BrandingError, match="50000 x 50000 pixels"):
        branding.load(home)
    logo = home.root / "logo.png"
    logo.unlink()
    (tmp_path / "picture.png").write_bytes(PNG)
    logo.symlink_to(tmp_path / "picture.png")
    with pytest.raises(BrandingError, match="no link"):
        branding.load(home)
    logo.unlink()
    os.mkfifo(logo)
    with pytest.raises(BrandingError, match="no file"):
        branding.load(home)


def test_pages_and_mails_carry_it_as_text(site: Site) -> None:
    """In a page's head and title, on /privacy, in an invitation and as the sender; markup is text in all of them."""
    said(site.home, 'name = "<b>Costs</b>, Müller"\nlogo = "logo.svg"', SVG)
    for path in ("/sign-in", "/privacy"):
        status, headers, text = site.ask("GET", path)
        assert status == 200
        assert "· &lt;b&gt;Costs&lt;/b&gt;, Müller</title>" in text
        assert f'<img class="logo" src="{branding.load(site.home).logo}" alt="">&lt;b&gt;Costs' in text
        assert "<b>Costs" not in text
        assert "img-src data:" in headers["content-security-policy"]
    assert "<p>&lt;b&gt;Costs&lt;/b&gt;, Müller · version" in text
    letter = Letter(kind="invitation", receiver="lee@team.example", asked_at=now(), token="t")
    made = letter_mail.message(site.home, letter, sender="from@costs.example", message_id="<1@x.invalid>")
    read = message_from_bytes(
        mail.signed(made, branding.shown(site.home).sender_name).as_bytes(policy=policy.SMTP), policy=policy.default
    )
    assert str(read["Subject"]) == "You are invited to <b>Costs</b>, Müller"
    (sender,) = read["From"].addresses
    assert (sender.display_name, sender.addr_spec) == ("<b>Costs</b>, Müller", "from@costs.example")
    assert "<b>" not in str(read.get_body(("html",)).get_content())  # type: ignore[union-attr]  # it has an HTML part
