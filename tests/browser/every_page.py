"""Every page there is, and what is looked at in each: names, labels, contrast, the way of the Tab key."""

from playwright.sync_api import Page, expect
from playwright.sync_api import TimeoutError as TookTooLongError

# Drawn by Streamlit, by address.
FIGURES = (
    "", "spend", "models", "projects", "keys", "allocation", "reconciliation", "changes", "invoices", "budgets",
    "credits", "freshness", "operator",
)  # fmt: skip
# Plain pages, without a session and with one.
OPEN = ("sign-in", "sign-up", "forgot", "reset", "invitation", "address", "link", "privacy")
OWN = (
    "account", "account/rights", "account/help", "account/delete", "connections", "budget", "name", "claims",
    "invoice", "price", "centres",
)  # fmt: skip

# The text's colour and its ground as the browser lays them over each other, and WCAG's contrast of both. Drawings on a
# canvas and in SVG tell their content by their name and are not text here; what is disabled is excepted by WCAG.
_LOOK = r"""() => {
  const faults = [];
  const said = node => (node.getAttribute('aria-label') || node.textContent || '').trim().slice(0, 40);
  const where = node => `${node.tagName.toLowerCase()}${node.id ? '#' + node.id : ''} "${said(node)}"`;
  const seen = node => node.checkVisibility({visibilityProperty: true, opacityProperty: true}) &&
    node.getClientRects().length > 0;
  const every = selector => [...document.querySelectorAll(selector)].filter(seen);
  const headings = every('h1');
  if (headings.length !== 1) faults.push(`${headings.length} headings of level 1`);
  if (!document.documentElement.lang) faults.push('no language');
  if (!document.title) faults.push('no title');
  const named = node => node.getAttribute('aria-label') || (node.getAttribute('aria-labelledby') || '').split(' ')
    .map(id => document.getElementById(id)?.textContent || '').join('').trim();
  for (const field of every('input:not([type=hidden]), select, textarea'))
    if (!field.closest('[aria-hidden=true]') && !named(field) &&
        ![...(field.labels || [])].some(label => label.textContent.trim()))
      faults.push(`no label: ${where(field)}`);
  for (const node of every('button, a[href], [role=button], [role=link], [role=tab], [role=radio], summary'))
    if (!named(node) && !node.textContent.trim() && !node.title && !node.querySelector('img[alt]:not([alt=""])'))
      faults.push(`no name: ${where(node)} ${node.outerHTML.slice(0, 120)}`);
  for (const image of every('img'))
    if (image.getAttribute('alt') === null) faults.push(`no alt: ${image.outerHTML.slice(0, 120)}`);
  for (const node of document.querySelectorAll('[tabindex]'))
    if (node.tabIndex > 0) faults.push(`tabindex ${node.tabIndex}: ${where(node)}`);
  const ids = [...document.querySelectorAll('[id]')].filter(node => !node.closest('svg')).map(node => node.id);
  for (const id of new Set(ids.filter((id, place) => ids.indexOf(id) !== place))) faults.push(`id twice: ${id}`);
  for (const script of document.scripts)
    if (script.src && new URL(script.src).origin !== location.origin) faults.push(`script of another: ${script.src}`);
  for (const one of performance.getEntriesByType('resource'))
    if (!/^(data|blob):/.test(one.name) && new URL(one.name).origin !== location.origin)
      faults.push(`fetched from another: ${one.name}`);
  if (document.scrollingElement.scrollWidth > innerWidth) faults.push('wider than the window');

  const parsed = text => {
    const numbers = text.match(/-?[\d.]+(e-?\d+)?/g).map(Number);
    const rgb = text.startsWith('color(srgb') ? numbers.slice(0, 3).map(part => part * 255) : numbers.slice(0, 3);
    return [...rgb, numbers.length > 3 ? numbers[3] : 1];
  };
  const over = (top, ground) => [0, 1, 2].map(part => top[part] * top[3] + ground[part] * (1 - top[3])).concat(1);
  const ground = node => {
    const layers = [];
    for (let at = node; at; at = at.parentElement) {
      const style = getComputedStyle(at);
      const layer = parsed(style.backgroundColor);
      if (layer[3]) layers.push(layer);
      if (layer[3] === 1) break;
    }
    const scheme = getComputedStyle(document.documentElement).colorScheme;
    const dark = matchMedia('(prefers-color-scheme: dark)').matches && /dark/.test(scheme);
    return layers.reverse().reduce((below, layer) => over(layer, below), dark ? [18, 18, 18, 1] : [255, 255, 255, 1]);
  };
  const light = colour => {
    const [red, green, blue] = colour.slice(0, 3).map(part => part / 255)
      .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const drawings = 'svg, script, style, canvas, noscript, :disabled, [aria-disabled=true], ' +
    '[data-testid=stIconMaterial]';
  const pale = new Map();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text = walker.nextNode(); text; text = walker.nextNode()) {
    const node = text.parentElement;
    if (!text.data.trim() || !node || node.closest(drawings) || !seen(node)) continue;
    const box = node.getBoundingClientRect();
    if (box.width < 2 || box.height < 2) continue;
    const below = ground(node);
    let ink = parsed(getComputedStyle(node).color);
    for (let at = node; at; at = at.parentElement) ink[3] *= Number(getComputedStyle(at).opacity);
    const [dim, bright] = [light(over(ink, below)), light(below)].sort((a, b) => a - b);
    const contrast = (bright + 0.05) / (dim + 0.05);
    if (contrast < 4.5) pale.set(text.data.trim().slice(0, 40), contrast.toFixed(2));
  }
  for (const [text, contrast] of pale) faults.push(`contrast ${contrast}: "${text}"`);
  return faults;
}"""
# What a person may stop at, each with how it and what surrounds it looks while something else has the focus.
_STOPS = r"""() => {
  document.activeElement?.blur();
  const look = node => {
    const told = [];
    for (let at = node, up = 0; at && up < 5; at = at.parentElement, up++) {
      const style = getComputedStyle(at);
      told.push(style.outline, style.boxShadow, style.borderColor, style.backgroundColor, style.textDecoration,
        style.clipPath, style.transform);
    }
    return told.join('|');
  };
  const seen = node => node.checkVisibility({visibilityProperty: true, opacityProperty: true}) &&
    node.getClientRects().length > 0;
  const groups = new Set();
  const can = [...document.querySelectorAll(
    'a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex]')]
    .filter(node => node.tabIndex >= 0 && !node.disabled && seen(node) && !node.closest('[inert]'))
    .filter(node => node.type !== 'radio' || node.checked ||
      ![...document.getElementsByName(node.name)].some(other => other.checked));
  window.looks = look;
  window.before = new Map(can.map(node => [node, look(node)]));
  window.reached = new Set();
  return can.length;
}"""
_REACHED = r"""() => {
  const node = document.activeElement;
  if (!node || node === document.body) return 'gone';
  const before = window.before.get(node);
  const first = !window.reached.has(node);
  window.reached.add(node);
  // A canvas draws its own.
  if (before === undefined || !first || node.tagName === 'CANVAS') return first ? '' : 'again';
  window.at = node;
  return window.looks(node) === before ? `unseen: ${node.outerHTML.slice(0, 160)}` : '';
}"""
# Some let the border fade in.
_SHOWN = "() => window.looks(window.at) !== window.before.get(window.at)"
# Of the choices of one group the arrows reach the others.
_MISSED = r"""() => [...window.before.keys()]
  .filter(node => node.isConnected && !window.reached.has(node))
  .filter(node => ![...window.reached].some(other => node.role === 'radio' && other.role === 'radio' &&
    other.parentElement === node.parentElement))
  .map(node => `not reached by Tab: ${node.outerHTML.slice(0, 160)}`)"""


def drawn(page: Page, url: str, path: str) -> None:
    """Go to a page and wait until its last part is there."""
    page.goto(f"{url}/{path}")
    if path in FIGURES:
        expect(page.get_by_role("region", name="Freshness")).to_be_visible()
        expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)
    else:
        expect(page.get_by_role("heading", level=1)).to_be_visible()


def faults(page: Page) -> list[str]:
    """What the page as it stands lacks: each fault as a sentence's beginning and where."""
    found: list[str] = page.evaluate(_LOOK)
    return found


def lost(page: Page) -> list[str]:
    """What the Tab key does not reach, or reaches without showing where one is."""
    count: int = page.evaluate(_STOPS)
    found: list[str] = []
    # Within a table the key goes from column to column.
    for _ in range(count + 40):
        page.keyboard.press("Tab")
        told: str = page.evaluate(_REACHED)
        if told == "gone":
            break
        if told not in {"", "again"}:
            try:
                page.wait_for_function(_SHOWN, timeout=1_000)
            except TookTooLongError:
                found.append(told)
    return found + list(page.evaluate(_MISSED))
