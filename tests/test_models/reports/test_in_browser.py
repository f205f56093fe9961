"""Every report page in a real browser: a desk and a phone, light and dark; and nothing is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.look import DESK, REQUIRED, browser_page, chromium, faults
from tests.test_models.reports.gallery import write_gallery

PAGES = (
    "backtest", "no trade", "target", "no forecast", "compare", "cascades", "claims", "crowding",
    "exposure", "maker", "hedge", "stress", "number", "scenarios", "no engine", "validate",
    "venues", "drift", "outlook", "silent", "no reports", "index",
)  # fmt: skip


@pytest.fixture(scope="module")
def running() -> Iterator[Any]:
    with browser_page() as found:
        yield found


@pytest.fixture(scope="module")
def gallery(running: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_gallery(tmp_path_factory.mktemp("reports"))


def test_gallery_when_written_then_every_kind_is_looked_at(gallery: dict[str, Path]) -> None:
    assert tuple(gallery) == PAGES


@pytest.mark.parametrize("name", PAGES)
def test_page_when_opened_then_nothing_is_wrong(
    running: Any, gallery: dict[str, Path], name: str
) -> None:
    assert faults(running, gallery[name]) == []


def test_plot_when_keys_are_pressed_then_it_zooms_moves_and_shows_all_again(
    running: Any, gallery: dict[str, Path]
) -> None:
    opened(running, gallery["backtest"])
    whole = shown_span(running)
    running.focus("#fig-equity")
    running.keyboard.press("+")
    closer = shown_span(running)
    assert whole[0] < closer[0] < closer[1] < whole[1]
    running.keyboard.press("ArrowRight")
    moved = shown_span(running)
    assert moved[0] > closer[0]
    assert moved[1] - moved[0] == pytest.approx(closer[1] - closer[0], rel=1e-3)
    running.keyboard.press("0")
    assert shown_span(running) == pytest.approx(whole)


def test_legend_when_a_line_is_switched_off_then_it_stays_off_in_the_dark(
    running: Any, gallery: dict[str, Path]
) -> None:
    opened(running, gallery["backtest"])
    button = running.locator(".figure:has(#fig-equity) .legend button", has_text="buy and hold")
    button.focus()
    running.keyboard.press("Enter")
    assert button.get_attribute("aria-pressed") == "false"
    before = colours(running)
    running.emulate_media(color_scheme="dark")
    running.evaluate("() => new Promise((done) => setTimeout(() => done(drawing), 50))")
    assert len(colours(running)) == len(before)
    assert set(colours(running)).isdisjoint(before)
    assert button.get_attribute("aria-pressed") == "false"


def test_slider_when_moved_by_keys_then_the_lines_end_there_and_words_say_what_is_shown(
    running: Any, gallery: dict[str, Path]
) -> None:
    opened(running, gallery["venues"])
    words = running.locator(".scrub output")
    last, whole = words.inner_text(), shown_points(running)
    running.focus("#scrub-loop")
    running.keyboard.press("Home")
    assert shown_points(running) == 1
    assert words.inner_text() != last
    assert running.locator("#scrub-loop").get_attribute("aria-valuetext") == words.inner_text()
    running.keyboard.press("ArrowRight")
    at, said = shown_points(running), words.inner_text()
    assert 1 < at < whole
    running.emulate_media(color_scheme="dark")
    running.evaluate("() => new Promise((done) => setTimeout(() => done(drawing), 50))")
    assert (shown_points(running), words.inner_text()) == (at, said)
    running.keyboard.press("End")
    assert (shown_points(running), words.inner_text()) == (whole, last)


def shown_points(page: Any) -> int:
    """How many points the slider's first line has."""
    found: int = page.evaluate("() => document.getElementById('fig-loop').data[0].x.length")
    return found


def opened(page: Any, path: Path) -> None:
    page.emulate_media(color_scheme="light", media="screen")
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-drawn=yes]", state="attached")


def shown_span(page: Any) -> list[float]:
    """The first and last moment that a plot shows, milliseconds."""
    axis = 'document.getElementById("fig-equity")._fullLayout.xaxis'
    span: list[float] = page.evaluate(f"() => {axis}.range.map((t) => {axis}.r2l(t))")
    return span


def colours(page: Any) -> list[str]:
    """The colours of the lines that a plot draws."""
    lines = 'document.querySelectorAll("#fig-equity .scatterlayer .js-line")'
    drawn: list[str] = page.evaluate(f"() => [...{lines}].map((l) => l.style.stroke)")
    return drawn


# -- the looking itself: a page with nothing wrong, and with one thing each -----------------------

SOUND = (Path(__file__).parent / "sound.html").read_text(encoding="utf-8")
PLANTED = {
    "wide": ("<p>Words", '<div style="width: 3000px">&nbsp;</div><p>Words'),
    "overlap of drawn text": ('x="80"', 'x="20"'),
    "overlap of a turned word": ('x="80" y="20"', 'x="12" y="20" transform="rotate(20)"'),
    "overlap of written text": ("<p>Words", '<p style="margin: 0 0 -34px">Words</p><p>Words'),
    "overlap on paper": ("</style>", "@media print { p { margin-bottom: -34px; } }</style>"),
    "contrast on paper": ("</style>", "@media print { body { background: #000; } }</style>"),
    "cut at the figure's edge": ('x="80"', 'x="185"'),
    "cut by its box": ("<p>Words", '<p style="width: 9px; overflow: hidden">Unwieldy</p><p>Words'),
    "console error": ("/*here*/", 'console.error("a fault");'),
    "console thrown": ("/*here*/", 'setTimeout(() => { throw new Error("a fault"); });'),
    "request of a picture": ("</main>", '<img alt="x" src="http://127.0.0.1:9/x.png"></main>'),
    "request of a script": ("</main>", '<script src="beside.js"></script></main>'),
    "caption": ("<caption>Numbers</caption>", ""),
    "caption heads": (' scope="col"', ""),
    "label of a plot": (' aria-label="A line"', ""),
    "label of a drawing": (' class="main-svg" aria-hidden="true"', ' class="main-svg"'),
    "label not drawn": (' class="main-svg"', ""),
    "document language": (' lang="en"', ""),
    "document title": ("<title>Sound</title>", "<title> </title>"),
    "document main": ("<main>", "<div>"),
    "document header": ("<header>", "<div>"),
    "document footer": ("<footer>End</footer>", "End"),
    "document nav": (' aria-label="Sections"', ""),
    "document link": ('<h2 id="one">', "<h2>"),
    "document ids": ("<p>Words", '<p id="one">Words'),
    "headings": ("<h2 id", "<h4 id"),
    "contrast of words": ("color: #222", "color: #999"),
    "contrast in the dark": ("color: #eee", "color: #555"),
    "contrast of drawn words": ('y="20" fill="currentColor">left', 'y="20" fill="#aaaaaa">left'),
    "contrast of a line": (".swatch { color: #0072b2; }", ".swatch { color: #cbd5e1; }"),
    "focus": (":focus-visible { outline: 3px solid #00629b; }", ":focus { outline: none; }"),
    "keyboard left out": ("<p>Words", '<p onclick="0">Press</p><p>Words'),
    "keyboard taken away": ('<a href="#one">again', '<a tabindex="-1" href="#one">again'),
    "keyboard pointer": ("<p>Words", '<p style="cursor: pointer">Press</p><p>Words'),
    "keyboard of a box": (
        'tabindex="0" role="region" aria-label="Numbers"><table>',
        '><table style="width: 3000px">',
    ),
    "keyboard drag": (
        '<svg class="main-svg"',
        '<div class="draglayer"><div class="drag" style="cursor: crosshair">&nbsp;</div></div>'
        '<svg class="main-svg"',
    ),
    "size": ("<footer>", f"<!--{'x' * 2_000_001}--><footer>"),
}  # fmt: skip


def test_looking_when_a_page_is_sound_then_it_finds_nothing(running: Any, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(SOUND, encoding="utf-8")
    assert faults(running, tmp_path / "page.html") == []


@pytest.mark.parametrize("what", PLANTED)
def test_looking_when_one_thing_is_wrong_then_it_is_found(
    running: Any, tmp_path: Path, what: str
) -> None:
    sound, wrong = PLANTED[what]
    assert SOUND.count(sound) >= 1
    (tmp_path / "page.html").write_text(SOUND.replace(sound, wrong, 1), encoding="utf-8")
    checks = {line.split(":")[0] for line in faults(running, tmp_path / "page.html", [DESK])}
    assert what.split()[0] in checks


@pytest.mark.parametrize("required", [True, False])
def test_browser_when_it_is_missing_then_the_cure_is_told(
    monkeypatch: pytest.MonkeyPatch, required: bool
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv(REQUIRED, "required" if required else "")
    outcome = pytest.fail.Exception if required else pytest.skip.Exception
    with pytest.raises(outcome, match="apt-get install chromium"):
        chromium()
