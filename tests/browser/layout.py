"""Measurements that every generated page must pass in each width and colour scheme: nothing is cut.

A page is opened with `opened` in one of `VIEWS`. Each `find_` function returns what is wrong, as text; a test asserts
that there is nothing. `save_screenshot` keeps a picture for people under `var/screenshots`, which git ignores.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

#: width of the window in pixels -> its height: a desktop window and a phone
HEIGHTS: Final = {1280: 800, 390: 844}
#: colour scheme and width of each view that a page is looked at in
VIEWS: Final = tuple((scheme, width) for width in HEIGHTS for scheme in ("light", "dark"))
#: where screenshots are kept
SCREENSHOTS: Final = Path(__file__).resolve().parents[2] / "var" / "screenshots"
#: smallest legible text in a picture, in pixels of the screen
MIN_TEXT_HEIGHT_PX: Final = 9

# An element is cut if its contents are wider than it is and it does not show them all without scrolling.
_CUT: Final = """() => {
  const found = [], unseen = new Set();
  const name = (one) => {
    const id = one.id ? '#' + one.id : '';
    const kind = typeof one.className === 'string' && one.className ? '.' + one.className.split(' ').join('.') : '';
    return one.tagName.toLowerCase() + id + kind + ' "' + (one.textContent || '').trim().slice(0, 40) + '"';
  };
  const page = document.documentElement;
  if (page.scrollWidth > page.clientWidth) found.push(`page: ${page.scrollWidth} > ${page.clientWidth}`);
  for (const one of document.body.querySelectorAll('*')) {
    if (one.closest('svg') || !one.checkVisibility()) continue;
    const style = getComputedStyle(one);
    const box = one.getBoundingClientRect();
    if (unseen.has(one.parentElement) || (box.width <= 1 && box.height <= 1)) {  // for screen readers alone
      unseen.add(one);
      continue;
    }
    if (box.left < -1 || box.right > page.clientWidth + 1) found.push(`${name(one)} leaves the page`);
    if (style.display === 'inline' || ['SELECT', 'INPUT'].includes(one.tagName)) continue;
    if (one.scrollWidth > one.clientWidth + 1)
      found.push(`${name(one)} is ${one.scrollWidth} wide in ${one.clientWidth}`);
    if (style.overflowY === 'hidden' && one.scrollHeight > one.clientHeight + 1)
      found.push(`${name(one)} is ${one.scrollHeight} high in ${one.clientHeight}`);
  }
  return found;
}"""

# A select shows its chosen option on one line, without a way to scroll.
_FIELDS: Final = """() => [...document.querySelectorAll('select')].flatMap((one) => {
  if (!one.checkVisibility()) return [];
  const pen = document.createElement('canvas').getContext('2d');
  pen.font = getComputedStyle(one).font;
  const chosen = one.selectedOptions[0]?.textContent ?? '';
  const style = getComputedStyle(one);
  const room = one.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
  return pen.measureText(chosen).width > room + 1 ? [`select ${one.name}: "${chosen}" does not fit`] : [];
})"""

# `.state` are the boxes of states, `text.in` their names, `text.on` the labels of arrows.
_DIAGRAMS: Final = """(least) => {
  const found = [];
  const inside = (one, whole, slack) => one.left >= whole.left - slack && one.right <= whole.right + slack
    && one.top >= whole.top - slack && one.bottom <= whole.bottom + slack;
  const meets = (one, other) => one.left < other.right - 2 && one.right > other.left + 2
    && one.top < other.bottom - 2 && one.bottom > other.top + 2;
  for (const svg of document.querySelectorAll('svg')) {
    if (!svg.checkVisibility()) continue;
    const title = svg.querySelector('title')?.textContent ?? '';
    if (svg.getAttribute('aria-hidden') !== 'true' && !title) found.push('a picture without a title');
    const whole = svg.getBoundingClientRect();
    const states = [...svg.querySelectorAll('.state')].map((one) => one.getBoundingClientRect());
    const scale = (svg.getScreenCTM() ?? {a: 1}).a;
    const labels = [];
    for (const text of svg.querySelectorAll('text')) {
      const words = `${title}: "${text.textContent}"`;
      const box = text.getBoundingClientRect();
      const height = parseFloat(getComputedStyle(text).fontSize) * scale;
      if (height < least) found.push(`${words} is ${height.toFixed(1)} px high`);
      if (!inside(box, whole, 1)) found.push(`${words} is outside of its picture`);
      if (text.classList.contains('in') && !states.some((one) => inside(box, one, 1)))
        found.push(`${words} is wider than its state`);
      if (text.classList.contains('on')) {
        if (states.some((one) => meets(box, one))) found.push(`${words} lies on a state`);
        for (const [other, label] of labels) if (meets(box, other)) found.push(`${words} lies on "${label}"`);
        labels.push([box, text.textContent]);
      }
    }
    states.forEach((one, place) => {
      if (!inside(one, whole, 1)) found.push(`${title}: state ${place} is outside of its picture`);
      if (states.slice(0, place).some((other) => meets(one, other)))
        found.push(`${title}: state ${place} lies on another`);
    });
  }
  return found;
}"""

_TOP: Final = "(one) => one.getBoundingClientRect().top + window.scrollY"


@contextmanager
def opened(browser: Browser, address: str, scheme: str, width: int) -> Iterator[Page]:
    """Open a page in a window of one width and colour scheme; scripts of the test may run beside its own."""
    context = browser.new_context(
        color_scheme=scheme,  # type: ignore[arg-type]  # one of its words
        viewport={"width": width, "height": HEIGHTS.get(width, 800)},
        bypass_csp=True,
    )
    try:
        tab = context.new_page()
        tab.goto(address)
        yield tab
    finally:
        context.close()


def find_cut(tab: Page) -> list[str]:
    """Return the visible elements that are wider than their place, or whose text is cut or must be scrolled to."""
    found: Any = tab.evaluate(_CUT)
    fields: Any = tab.evaluate(_FIELDS)
    return [*found, *fields]


def find_diagram_faults(tab: Page) -> list[str]:
    """Return the words of inline pictures that are illegible, outside, or on top of a state or of each other."""
    found: Any = tab.evaluate(_DIAGRAMS, MIN_TEXT_HEIGHT_PX)
    return list(found)


def find_violations(tab: Page, axe: str) -> list[str]:
    """Return what axe objects to, contrast included."""
    tab.add_script_tag(content=axe)
    found: Any = tab.evaluate("axe.run()")
    assert len(found["passes"]) > 15, "axe looked at the page"
    return [
        f"{one['id']}: {node['html'][:120]} {node.get('failureSummary', '')[:200]}"
        for one in found["violations"]
        for node in one["nodes"][:3]
    ]


def measure_top(tab: Page, selector: str) -> float:
    """Return the distance of the first visible match from the top of the page, in pixels."""
    top: Any = tab.locator(selector).locator("visible=true").first.evaluate(_TOP)
    return float(top)


def is_above_fold(tab: Page, selector: str) -> bool:
    """Return whether the first visible match begins within the first screen, with room for a line of text."""
    size = tab.viewport_size
    assert size is not None
    return measure_top(tab, selector) <= size["height"] - 60


def save_screenshot(tab: Page, page: str, scheme: str) -> Path:
    """Save a picture of the whole page, named after the page, the scheme and the width of the window."""
    size = tab.viewport_size
    assert size is not None
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    file = SCREENSHOTS / f"{page}-{scheme}-{size['width']}.png"
    tab.screenshot(path=file, full_page=True)
    return file
