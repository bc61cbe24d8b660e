"""Everything that the pages say to people and to the operator, judged as WCAG 2.2 has it.

The walks are in `tests/support/page_walks.py`, the judges in `tests/support/page_faults.py`. The page for a posted
answer is looked at as it is without scripts: with them nobody sees it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import pytest
from tests.support.chromium import Chromium
from tests.support.page_faults import Judge
from tests.support.page_walks import Stop, Walker, install_plugin
from tests.support.server import Tempest
from tests.support.web_app import WebApp

from tempest_pds.http.pages.people.languages import Texts

TEMPLATES = Path(str(files("tempest_pds.http.pages"))) / "templates"
FRAMES = {"layout.html", "account_layout.html", "macros.html"}
NARROW = 320
# What WCAG 2.2 has readers change, 1.4.12, and all text twice as large, 1.4.4.
LARGER = {
    "spaced": "* { line-height: 1.5 !important; letter-spacing: 0.12em !important; word-spacing: 0.16em !important }"
    "p { margin-bottom: 2em !important }",
    "twice as large": ":root { font-size: 200% }",
}
WIDER_THAN_THE_SCREEN = """[...document.querySelectorAll('body *')].filter(e =>
  e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.scroll, .skip, thead'))
  .map(e => e.outerHTML.slice(0, 120))"""


# A browser obeys the first that it can show, when it has drawn the page.
FOCUS_IS_SET = """(first => !first || document.activeElement === first)(
  [...document.querySelectorAll('[autofocus]')].find(e => e.getClientRects().length))"""


@dataclass(frozen=True)
class Sight:
    """What was seen of a page."""

    stop: Stop
    title: str
    heading: str
    faults: list[str]
    too_wide: list[str]


def look(browser: Chromium, judge: Judge, stop: Stop) -> Sight:
    heading = browser.evaluate("document.querySelector('h1').textContent.trim()")
    if not re.fullmatch(heading_of(stop.template, browser.evaluate("document.documentElement.lang")), heading):
        raise AssertionError(f"not at {stop}, but: {browser.evaluate('document.body.innerText')}")
    browser.wait_for(FOCUS_IS_SET)
    faults = judge.faults_in_all_looks(browser)
    too_wide = []
    for change, style in LARGER.items():
        browser.show_as(NARROW * (2 if "large" in change else 1), "light")
        browser.evaluate(
            f"document.adoptedStyleSheets = [new CSSStyleSheet()];document.adoptedStyleSheets[0].replaceSync({style!r})"
        )
        too_wide += [f"{change}: {found}" for found in browser.evaluate(WIDER_THAN_THE_SCREEN)]
    browser.evaluate("document.adoptedStyleSheets = []; 0")
    if folder := os.environ.get("TEMPEST_TEST_PICTURES"):
        for width, scheme in ((1200, "light"), (320, "dark")):
            browser.show_as(width, scheme)
            name = f"{stop.template.removesuffix('.html')}-{stop.state}-{width}".replace("/", "_").replace(" ", "-")
            Path(folder, f"{name}.png").write_bytes(browser.screenshot())
    return Sight(stop, browser.evaluate("document.title"), heading, faults, too_wide)


def heading_of(template: str, language: str) -> str:
    """Return what the heading of a page from a template looks like, as a pattern."""
    translate = Texts(language)
    source = (TEMPLATES / template).read_text()
    [heading] = re.findall(r"<h1>(.*)</h1>|{% block heading %}(.*?){% endblock %}", source)
    parts = re.split(r"{{(.*?)}}", "".join(heading))
    texts = [re.fullmatch(r' t\("(.*)"\) ', part) for part in parts]
    return "".join(
        (re.escape(translate(text[1])) if text else ".+") if number % 2 else re.escape(part)
        for number, (part, text) in enumerate(zip(parts, texts, strict=True))
    )


@pytest.fixture(scope="module")
def sights(browser: Chromium, judge: Judge, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Sight]]:
    folder = tmp_path_factory.mktemp("every-page")
    install_plugin(folder / "site")
    said = {
        "TEMPEST_SERVICE_NAME": "A harbour with a rather long name, for a narrow screen",
        "TEMPEST_CONTACT_EMAIL": "help@example.com",
        "TEMPEST_TERMS_OF_SERVICE_URL": "https://example.com/terms",
        "TEMPEST_PRIVACY_POLICY_URL": "https://example.com/privacy",
        "TEMPEST_INVITE_REQUIRED": "true",
        "TEMPEST_HANDLE_DOMAINS": ".test,.harbour.test",
        "PYTHONPATH": os.pathsep.join(filter(None, (str(folder / "site"), os.environ.get("PYTHONPATH")))),
    }
    with Tempest(folder / "data", **said) as server, WebApp() as app:
        walker = Walker(browser, server, app)
        walks = (
            walker.as_a_stranger(),
            walker.to_an_app(),
            walker.to_a_published_app(),
            walker.at_home(),
            walker.with_a_second_step(),
            walker.as_the_operator(),
        )
        yield [look(browser, judge, stop) for walk in walks for stop in walk]


def test_nothing_on_any_page_is_hard_to_use(sights: list[Sight]) -> None:
    assert [(*sight.stop, fault) for sight in sights for fault in sight.faults] == []


def test_no_page_is_forgotten(sights: list[Sight]) -> None:
    pages = {str(path.relative_to(TEMPLATES)) for path in TEMPLATES.rglob("*.html") if path.name not in FRAMES}
    assert pages - {sight.stop.template for sight in sights} == set()


def test_no_two_pages_have_the_same_title(sights: list[Sight]) -> None:
    headings: dict[str, set[str]] = {}
    for sight in sights:
        headings.setdefault(sight.title, set()).add(sight.heading)
    assert {title: found for title, found in headings.items() if len(found) > 1} == {}


def test_a_title_says_that_something_went_wrong(sights: list[Sight]) -> None:
    wrong = {sight.stop for sight in sights if sight.stop.template.endswith(("problem.html", "refused.html"))}
    assert {sight.stop for sight in sights if sight.title.startswith("Error: ")} >= wrong


def test_every_page_fits_when_its_text_is_twice_as_large_or_spaced(sights: list[Sight]) -> None:
    assert [(*sight.stop, wide) for sight in sights for wide in sight.too_wide] == []
