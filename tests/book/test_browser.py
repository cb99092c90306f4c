"""The built site in a browser: nothing is cut or scrolls sideways, no console error, no foreign host, and axe agrees.

Skipped where there is no Chromium or no site; ``make look`` builds the site first.
"""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SITE = ROOT / "_build" / "html"
PAGES = sorted(str(path.relative_to(SITE)) for path in SITE.rglob("*.html") if not {"_static", "lite"} & {*path.parts})
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DESKTOP, PHONE = 1400, 390  # pixels that a page is wide
THEMES = ("dark", "light")
COLOURS = "color-contrast"  # the rule that takes longest; a phone has the colours of a desktop
AXE: dict[tuple[int, str], dict[str, Any]] = {  # what it looks at; a theme is colours and no more
    (DESKTOP, "dark"): {"rules": {COLOURS: {"enabled": True}}},
    (DESKTOP, "light"): {"runOnly": [COLOURS]},
    (PHONE, "dark"): {"rules": {COLOURS: {"enabled": False}}},
}
LARGEST = 8_000_000  # bytes that a page may load, uncompressed; MathJax and the theme's scripts are four of them
WIDER_THAN_THE_PAGE = """() => [...document.querySelectorAll('.bd-article *')].filter(
    box => box.getBoundingClientRect().right > innerWidth + 1
        && !box.closest('.text_html, .scrolls, .pst-scrollable-table-container, pre, .math, mjx-container')
).slice(0, 3).map(box => `${box.tagName} ${box.textContent.trim().slice(0, 40)}`)"""
CUT = """() => [...document.querySelectorAll('.bd-article div.cell_input pre')].filter(
    box => box.scrollWidth > box.clientWidth + 1
).map(box => box.textContent.trim().slice(0, 60))"""
# Entries of the reference are alike: to look at the colours of some thousands takes a minute a page. A phone has all.
LEAVE_FIVE_MODULES = """() => {
    const modules = [...document.querySelectorAll('.bd-article > section > section:has(dl.py)')];
    for (const module of modules.slice(5)) {
        document.querySelector(`.page-toc li:has(> a[href="#${module.id}"])`)?.remove();
        module.remove();
    }
}"""

pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium on the path; install it to look at the site with it"),
    pytest.mark.skipif(not PAGES, reason="no site in _build/html; build it with make book"),
]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *words: Any) -> None:
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(SITE)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@contextmanager
def opened(browser: Any, url: str, width: int) -> Iterator[tuple[Any, dict[str, list[str]]]]:
    """A page that has loaded, and what it asked for and complained of on the way."""
    seen: dict[str, list[str]] = {"requests": [], "errors": []}
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=THEMES[0], reduced_motion="reduce")
    page.on("request", lambda request: seen["requests"].append(request.url))
    page.on("console", lambda message: seen["errors"].append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: seen["errors"].append(str(error)))
    page.goto(url, wait_until="networkidle")
    yield page, seen
    page.close()


def turn(page: Any, theme: str) -> None:
    """Turn a page to a theme, as a reader's system does at dusk; with reduced motion, no colour is on its way."""
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    page.wait_for_function("theme => document.documentElement.dataset.theme === theme", arg=theme)


@pytest.mark.parametrize("width", [DESKTOP, PHONE])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_whole(name: str, width: int, address: str, browser: Any) -> None:
    from axe_playwright_python.sync_playwright import Axe

    with opened(browser, address + name, width) as (page, seen):
        assert not seen["errors"]
        assert not [url for url in seen["requests"] if not url.startswith((address, "data:"))]
        files = {SITE / url.removeprefix(address).partition("?")[0].partition("#")[0] for url in seen["requests"]}
        assert sum(file.stat().st_size for file in files if file.is_file()) < LARGEST
        for theme in THEMES:
            turn(page, theme)
            assert not page.evaluate(WIDER_THAN_THE_PAGE)
            assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
            if width == DESKTOP:
                assert not page.evaluate(CUT)
        if width == DESKTOP:
            page.evaluate(LEAVE_FIVE_MODULES)
        for theme in THEMES:
            if options := AXE.get((width, theme)):
                turn(page, theme)
                found = Axe().run(page, options={"resultTypes": ["violations"], **options}).response["violations"]
                grave = [violation for violation in found if violation["impact"] in ("serious", "critical")]
                assert not [(theme, violation["id"], violation["nodes"][0]["html"]) for violation in grave]


def test_a_cut_box_and_a_page_that_scrolls_sideways_are_seen(browser: Any) -> None:
    """The gate's own control: what it looks for, planted."""
    page = browser.new_page(viewport={"width": 390, "height": 900})
    page.set_content(
        "<main class='bd-article'><p style='width: 600px'>wide</p>"
        f"<div class='cell_input'><pre style='overflow: auto'>{'x' * 200}</pre></div></main>"
    )
    assert page.evaluate(WIDER_THAN_THE_PAGE)[0].startswith("P wide")
    assert len(page.evaluate(CUT)) == 1
    page.close()


def test_the_figure_to_play_with_answers_to_the_keyboard(address: str, browser: Any) -> None:
    page = browser.new_page(viewport={"width": PHONE, "height": 900}, reduced_motion="reduce")
    page.goto(f"{address}notebooks/clusterability.html", wait_until="networkidle")
    status = page.locator(".explorable [role=status]")
    before = status.inner_text()
    assert before.startswith("n-cut")
    page.locator(".explorable input[data-of=strength]").focus()
    page.keyboard.press("End")
    assert status.inner_text() != before
    assert page.locator(".explorable output[data-of=strength]").inner_text() == "1"
    circles = page.locator(".explorable svg circle").count()
    named = page.locator(".explorable svg circle + text").count()
    assert named == circles > 50, "a number says what a colour says"
    page.close()
