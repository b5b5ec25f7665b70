"""The sheet that every mail is written on: one column of HTML that fetches nothing, for light and dark ground."""

from html import escape
from string import Template


def page(headline: str, body: str, foot: str, *, sandbox: bool) -> str:
    """A whole page: no picture, no link, no script. `body` is HTML; the other texts are escaped here."""
    made_up = f'<p class="soft" style="{_SMALL}">Made-up data: this is the sandbox.</p>' if sandbox else ""
    return _SHEET.substitute(made_up=made_up, headline=escape(headline), body=body, foot=escape(foot.replace("`", "")))


_SMALL = "margin:0 0 8px;font-size:13px;line-height:19px;color:#5d666d"
# Mail programs without style sheets show the light form, which every element carries by itself.
_SHEET = Template("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>$headline</title>
<style>
:root { color-scheme: light dark; }
@media (prefers-color-scheme: dark) {
  .ground { background: #14171a !important; }
  .sheet { background: #1d2125 !important; border-color: #2c3238 !important; color: #e7e9eb !important; }
  .soft { color: #9aa3aa !important; }
  .used { background: #35a58a !important; }
  .over { background: #e0705d !important; }
  .rest { background: #2c3238 !important; }
  .note { background: #332b18 !important; color: #f0dfb6 !important; }
  .facts { border-color: #2c3238 !important; }
}
</style>
</head>
<body class="ground" style="margin:0;padding:0;background:#f3f4f2">
<table role="presentation" class="ground" width="100%" cellpadding="0" cellspacing="0" style="background:#f3f4f2">
<tr><td align="center" style="padding:28px 12px">
<table role="presentation" class="sheet" width="100%" cellpadding="0" cellspacing="0" style="max-width:520px;\
background:#ffffff;border:1px solid #e3e5e1;border-radius:10px;border-collapse:separate;color:#1d2125;\
font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif">
<tr><td style="padding:28px 28px 24px">
$made_up<h1 style="margin:0 0 20px;font-size:19px;line-height:27px;font-weight:600;word-break:break-word">$headline</h1>
$body
</td></tr></table>
<p class="soft" style="max-width:520px;margin:16px auto 0;font-size:12px;line-height:18px;color:#5d666d;\
font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif">$foot</p>
</td></tr></table>
</body>
</html>
""")
