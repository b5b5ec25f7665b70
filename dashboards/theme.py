"""How the pages look: colours for light and dark, one colour a provider, and the style sheet of the project's own HTML.

No file is fetched: the typeface is the one Streamlit serves itself, and every colour is written here.
"""

from collections.abc import Sequence
from html import escape
from unicodedata import east_asian_width
from zlib import crc32

OTHER = "Other"
CALM = "#5f9c8d"
_GREY = "#98a0a8"
# Mid tones that hold on a light and on a dark ground alike.
_PALETTE = ("#2a9d8f", "#d97757", "#5186d8", "#d9a441", "#8d79c9", "#c9647f", "#7fa650", "#5d8aa8")
_PROVIDERS = {
    "openai": "#1f9e83",
    "anthropic": "#d97757",
    "google": "#5186d8",
    "deepseek": "#8a70d0",
    "openrouter": "#ca84ca",
    "mistral": "#d9a441",
    "cohere": "#c9647f",
    "xai": "#7d6f5f",
    "azure": "#3fa9c9",
    "aws": "#a26620",
    "meta": "#7a6698",
    "groq": "#ca3e48",
}
# For a provider without a colour of its own: none of these is taken for a known one's, nor for another of these.
_SPARE = ("#84c052", "#c03e8e", "#707a2a", "#c0acde", "#a25c52", "#c0ac7a", "#de9898", "#b6b63e")

_LIGHT = {
    "primaryColor": "#23705d",
    "backgroundColor": "#fcfcfb",
    "secondaryBackgroundColor": "#f3f4f2",
    "textColor": "#1d2125",
    "borderColor": "#e3e5e1",
    "linkColor": "#23705d",
    "dataframeBorderColor": "#e8eae6",
    "dataframeHeaderBackgroundColor": "#f3f4f2",
}
_DARK = {
    "primaryColor": "#35a58a",
    "backgroundColor": "#14171a",
    "secondaryBackgroundColor": "#1d2125",
    "textColor": "#e7e9eb",
    "borderColor": "#2c3238",
    "linkColor": "#7fd1ba",
    "dataframeBorderColor": "#262c31",
    "dataframeHeaderBackgroundColor": "#1d2125",
}


def options() -> dict[str, object]:
    """The theme as Streamlit's own options, for light and dark; the browser's setting chooses between them."""
    both: dict[str, object] = {
        "theme.font": "sans-serif",
        "theme.baseFontSize": 15,
        "theme.baseRadius": "6px",
        "theme.headingFontWeights": [650, 620, 600],
        "theme.headingFontSizes": ["1.55rem", "1.1rem", "1rem"],
        "theme.showWidgetBorder": True,
        "theme.chartCategoricalColors": list(_PALETTE),
    }
    for scheme, colours in (("light", _LIGHT), ("dark", _DARK)):
        both |= {f"theme.{scheme}.{name}": colour for name, colour in colours.items()}
    return both


def colours(dimension: str, names: Sequence[str]) -> list[str]:
    """One colour a name, in the order given: a known provider keeps its own on every page, the rest is grey.

    Another provider gets a spare one, the same on every page as long as no other in the chart has the same.
    """
    if dimension != "provider":
        free = iter(_PALETTE)
        return [_GREY if name == OTHER else next(free, _GREY) for name in names]
    given = {OTHER: _GREY} | _PROVIDERS
    for name in names:
        if name not in given:
            first = crc32(name.encode()) % len(_SPARE)
            turned = _SPARE[first:] + _SPARE[:first]
            given[name] = next((colour for colour in turned if colour not in given.values()), _GREY)
    return [given[name] for name in names]


def legend(series: Sequence[tuple[str, str]]) -> str:
    """Names with their colours as HTML that wraps; names are escaped."""
    items = "".join(f'<li><i style="background:{colour}"></i>{escape(name)}</li>' for name, colour in series)
    return f'<ul class="al al-legend" aria-label="Series">{items}</ul>'


def card(title: str, figure: str, said: str) -> str:
    """A figure with its title and a line beneath, as HTML; texts are escaped here."""
    return (
        f'<section class="al-card" aria-label="{escape(title)}"><h2>{escape(title)}</h2>'
        f'<div class="al-figure">{escape(figure)}</div><p class="dim">{escape(said)}</p></section>'
    )


# The mark of the project, as an image of its own: Streamlit fetches its named icons for a tab from another host.
_BARS = (
    '<rect width="24" height="24" rx="5" fill="#23705d"/>'
    '<g stroke="#fff" stroke-width="2.2" stroke-linecap="round"><path d="M6 17V12M12 17V7M18 17V10"/></g></svg>'
)
MARK = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24">{_BARS}'


def mark(name: str) -> str:
    """The mark with a name beside it, as an image for the bar of every page; the name is escaped here."""
    width = round(sum(_width(one) for one in name))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {34 + width} 24" width="{34 + width}" height="24">'
        "<style>text{fill:#23705d}@media(prefers-color-scheme:dark){text{fill:#7fd1ba}}</style>"
        f'<text x="33" y="17.5" font-family="system-ui,sans-serif" font-size="16" font-weight="650" '
        f'textLength="{width}" lengthAdjust="spacingAndGlyphs">{escape(name)}</text>{_BARS}'
    )


def _width(letter: str) -> float:
    """About how wide a letter is; `textLength` makes it fit whichever typeface a machine has."""
    if east_asian_width(letter) in {"F", "W"}:
        return 16
    return 14 if letter in "mwMW@" else 4.8 if letter in "fijltI.,'| " else 9.2


# `currentColor` and its mixtures follow the theme without a second set of rules for dark.
STYLE = """
<style>
.al { font-variant-numeric: tabular-nums; line-height: 1.35; }
.al .dim, .al.dim { color: color-mix(in srgb, currentColor 66%, transparent); }
.al-head { display: flex; flex-wrap: wrap; align-items: baseline; justify-content: space-between; gap: .15rem 1rem; }
.al-head h1 { font-size: 1.55rem; font-weight: 650; letter-spacing: -.015em; margin: 0; padding: 0; }
.al-cards { display: grid; grid-template-columns: minmax(17rem, 1.7fr) repeat(4, minmax(9.5rem, 1fr)); gap: .75rem; }
.al-card { border: 1px solid color-mix(in srgb, currentColor 14%, transparent); border-radius: 8px;
  padding: .8rem .95rem .75rem; min-width: 0; }
.al h2 { font-size: 1.1rem; font-weight: 620; }
.al-card h2 { font-size: .82rem; font-weight: 550; margin: 0 0 .3rem; padding: 0; letter-spacing: 0;
  color: color-mix(in srgb, currentColor 66%, transparent); }
.al-card h2 .dim { color: inherit; }
.al-title { font-size: 1.1rem; font-weight: 620; margin: 0; padding: .4rem 0 .2rem; }
.al-note.calm { border-left-color: #2a9d8f; background: #2a9d8f1c; }
.al-note ul { margin: .4rem 0 0; padding-left: 1.1rem; }
.al-figure { font-size: 1.45rem; font-weight: 620; letter-spacing: -.02em; line-height: 1.15; white-space: nowrap; }
.al-figure.words { white-space: normal; overflow-wrap: anywhere; }
.al-hero .al-figure { font-size: 2.5rem; font-weight: 660; letter-spacing: -.03em; }
.al-card p { margin: .35rem 0 0; font-size: .84rem; }
.al-card p + p { margin-top: .1rem; }
.al-chip { display: inline-block; border-radius: 4px; padding: 0 .4em; font-weight: 600; white-space: nowrap;
  background: color-mix(in srgb, currentColor 6%, transparent); }
.al-chip.up { color: light-dark(#a3461f, #e08a68); background: #d9775722; }
.al-chip.down { color: light-dark(#1c6b58, #3fb59a); background: #2a9d8f22; }
.al ul.al-shares { list-style: none; margin: 0; padding: 0; }
.al ul.al-shares li { margin: 0 0 .5rem; padding: 0; font-size: .88rem; }
.al-shares .row { display: flex; gap: .75rem; justify-content: space-between; align-items: baseline; }
.al-shares .name { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; min-width: 0; }
.al-shares .cost { white-space: nowrap; font-weight: 560; }
.al-shares .bar { height: 4px; border-radius: 2px; margin-top: .22rem;
  background: color-mix(in srgb, currentColor 9%, transparent); }
.al-shares .bar i { display: block; height: 4px; border-radius: 2px; min-width: 2px; }
.al-three { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(18rem, 100%), 1fr)); gap: .75rem; }
.al-pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(22rem, 100%), 1fr)); gap: .75rem; }
.al-gauge { position: relative; height: 10px; margin: .55rem 0 .2rem; border-radius: 3px; overflow: hidden;
  background: color-mix(in srgb, currentColor 9%, transparent); }
.al-gauge i { position: absolute; left: 0; top: 0; bottom: 0; }
.al-gauge .ends { background: #5f9c8d73; }
.al-gauge .used { background: #2a9d8f; }
.al-gauge.over .used { background: #d97757; }
.al-gauge .line { width: 3px; background: currentColor; }
.al p a, .al p a:visited, .al td a { color: #2a9d8f; color: light-dark(#23705d, #7fd1ba); }
.al-few { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(10rem, 100%), 1fr)); gap: .75rem; }
ul.al-legend { display: flex; flex-wrap: wrap; gap: .1rem 1rem; list-style: none; margin: 0; padding: 0; }
ul.al-legend li { display: flex; align-items: center; gap: .4em; margin: 0; padding: 0; font-size: .84rem;
  overflow: hidden; text-overflow: ellipsis; white-space: nowrap; max-width: 20rem; }
ul.al-legend i { flex: none; width: .7em; height: .7em; border-radius: 2px; }
.al-note { border-left: 3px solid #d9a441; background: #d9a4411c; border-radius: 0 6px 6px 0; padding: .5rem .8rem;
  font-size: .9rem; }
.al-note.made-up { border-left-color: #8d79c9; background: #8d79c91f; }
.al-note code, .al code { font-size: .85em; }
.al-table { width: 100%; border-collapse: collapse; font-size: .86rem; }
.al-table th { text-align: left; font-weight: 550; padding: .2rem .9rem .3rem 0;
  color: color-mix(in srgb, currentColor 66%, transparent); }
.al-table td { padding: .32rem .9rem .32rem 0; white-space: nowrap;
  border-top: 1px solid color-mix(in srgb, currentColor 11%, transparent); }
.al-table .n { text-align: right; }
.al-table .n + :not(.n) { padding-left: .9rem; }
.al-table .said { white-space: normal; }
.al-scroll { overflow-x: auto; }
@media (max-width: 1100px) {
  .al-cards { grid-template-columns: repeat(4, minmax(0, 1fr)); }
  .al-hero { grid-column: 1 / -1; }
}
@media (max-width: 640px) {
  .al-cards { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: .5rem; }
  .al-card { padding: .65rem .75rem; }
  .al-figure { font-size: 1.25rem; }
  .al-hero .al-figure { font-size: 2.2rem; }
}
.al-who { position: fixed; top: 1.05rem; right: 3.4rem; z-index: 1000000; font-size: .9rem; margin: 0; }
.al-who a, .al-who a:visited { color: light-dark(#23705d, #7fd1ba); }
.al-unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
[data-testid="stHeaderLogo"] { object-fit: contain; object-position: left; max-width: 14rem; }
@media (max-width: 640px) { [data-testid="stHeaderLogo"] { max-width: 7rem; } }
.stApp a:focus-visible, .stApp button:focus-visible { outline: 2px solid #35a58a; outline-offset: 1px; }
.stApp main:focus-visible { outline: 2px solid #35a58a; outline-offset: -2px; }
.stApp [data-testid="stCaptionContainer"] { color: light-dark(#565b60, #a9adb1); opacity: 1; }
.stApp [data-testid="stMultiSelect"] [data-tag] * { color: light-dark(#fff, #08110e); }
[data-testid="stMainBlockContainer"] { max-width: 84rem; padding: 4.25rem 2.25rem 2rem; }
@media (max-width: 640px) { [data-testid="stMainBlockContainer"] { padding: 4rem 1rem 1.5rem; } }
</style>
"""

# On a phone there is room for the mark and not for the name beside it, which would shrink with it.
MARK_ALONE = """
<style>
@media (max-width: 640px) { [data-testid="stHeaderLogo"] { width: 1.5rem; object-fit: cover; } }
</style>
"""
