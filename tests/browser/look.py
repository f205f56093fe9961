"""Open a page in Chromium as people do, and list what is wrong with it."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ARGUMENTS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run",
)  # fmt: skip
REQUIRED = "BREAKWATER_BROWSER"  # "required": without a browser these tests fail
DESK, PHONE = 1280, 390
MOST_BYTES = 2_000_000
_FAULTS = (Path(__file__).parent / "faults.js").read_text(encoding="utf-8")
_SETTLED = """() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(
  () => done(typeof drawing === "undefined" ? null : drawing))))"""
_FOCUSED = """() => {
  const e = document.activeElement;
  if (!e || e === document.body) return null;
  e.dataset.visited = "yes";
  const s = getComputedStyle(e), box = e.getBoundingClientRect();
  const ring = s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2;
  const name = `<${e.tagName.toLowerCase()}> "${(e.textContent || "").trim().slice(0, 40)}"`;
  return [name, ring && box.width > 0 && box.height > 0];
}"""
_NOT_VISITED = """() => [...document.querySelectorAll("body *")].filter((e) => {
  if (e.closest("svg") || !e.checkVisibility() || e.closest("[data-visited]")) return false;
  if (e.matches("a[href], button, summary, input, select, [tabindex='0'], [onclick]")) return true;
  return getComputedStyle(e).cursor === "pointer";
}).map((e) => `<${e.tagName.toLowerCase()}> "${(e.textContent || "").trim().slice(0, 40)}"`)"""
_DRAGGED = """() => [...document.querySelectorAll("[data-figure]:not([tabindex])")].filter((e) =>
  [...e.querySelectorAll(".draglayer .drag")].some((d) => getComputedStyle(d).cursor !== "auto"
    && getComputedStyle(d).pointerEvents !== "none" && /drag|resize|crosshair|move|grab/.test(
    getComputedStyle(d).cursor))).map((e) => e.id)"""


def chromium() -> str:
    """Return where Chromium is; without it the test is skipped, or fails where it is required."""
    missing = []
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        missing.append("no Chromium: apt-get install chromium")
    if importlib.util.find_spec("playwright") is None:
        missing.append("no playwright: pip install 'breakwater[test]'")
    if path is not None and not missing:
        return path
    why = "; ".join(missing)
    if os.environ.get(REQUIRED) == "required":
        pytest.fail(f"{why} ({REQUIRED}=required)", pytrace=False)
    pytest.skip(why)


@contextmanager
def browser_page() -> Iterator[Any]:
    """Yield a page of a running Chromium; one serves many files, which saves most of the time."""
    path = chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        running = play.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        try:
            yield running.new_page(reduced_motion="reduce")
        finally:
            running.close()


def faults(page: Any, path: Path, widths: Sequence[int] = (DESK, PHONE)) -> list[str]:
    """Return what is wrong with the file at `path`: on a desk and a phone, light and dark."""
    found = [f"size: {size:,} bytes"] if (size := path.stat().st_size) > MOST_BYTES else []
    told = _Told(page, path.as_uri())
    for width in widths:
        first, second = ("light", "dark") if width == DESK else ("dark", "light")
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=first)
        page.goto(path.as_uri())
        if page.query_selector("[data-figure]"):
            page.wait_for_selector("html[data-drawn]", state="attached")
        for scheme in (first, second):
            page.emulate_media(color_scheme=scheme)
            page.evaluate(_SETTLED)
            told += [f"{f} ({width} px, {scheme})" for f in page.evaluate(_FAULTS)]
        if width == DESK:
            told += _by_keyboard(page)
            told += _on_paper(page)
    told.end(page)
    return list(dict.fromkeys([*found, *told]))


class _Told(list[str]):
    """What a page complains of, and what it asks for, while it is listened to."""

    def __init__(self, page: Any, own: str) -> None:
        super().__init__()
        self.own = own
        self.heard = {
            "console": self._message, "pageerror": self._thrown, "request": self._request,
        }  # fmt: skip
        for event, hear in self.heard.items():
            page.on(event, hear)

    def end(self, page: Any) -> None:
        for event, hear in self.heard.items():
            page.remove_listener(event, hear)

    def _message(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.append(f"console: {message.text}")

    def _thrown(self, error: Any) -> None:
        self.append(f"console: {error}")

    def _request(self, request: Any) -> None:
        if request.url != self.own and not request.url.startswith(("data:", "blob:")):
            self.append(f"request: {request.url[:120]}")


def _on_paper(page: Any) -> list[str]:
    """Return what is wrong with a page as it is printed by somebody who reads it in the dark."""
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("() => { dispatchEvent(new Event('beforeprint')); }")
    page.evaluate(_SETTLED)
    found = [f"{fault} (on paper)" for fault in page.evaluate(_FAULTS)]
    page.emulate_media(media="screen")
    return found


def _by_keyboard(page: Any) -> list[str]:
    """Go through a page by the Tab key; return what cannot be seen in focus, or not be reached."""
    found, most = [], 400
    for _ in range(most):
        page.keyboard.press("Tab")
        focused = page.evaluate(_FOCUSED)
        if focused is None:
            break
        name, ring = focused
        if not ring:
            found.append(f"focus: {name} does not show it")
    found += [f"keyboard: {name} is not reached" for name in page.evaluate(_NOT_VISITED)]
    return found + [f"keyboard: {name} can be dragged only" for name in page.evaluate(_DRAGGED)]
