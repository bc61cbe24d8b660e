"""The words of the pages for people: each goes through the translation, and each language has all of them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from string import Formatter
from typing import Any

import jinja2
import pytest
from jinja2 import nodes
from markupsafe import Markup

from tempest_pds.http.pages.people import site
from tempest_pds.http.pages.people.languages import DEFAULT, LANGUAGES, Texts, best_language, catalogue
from tempest_pds.http.pages.rendering import Templates

PEOPLE = Path(str(files("tempest_pds.http.pages.people")))
TEMPLATES = PEOPLE.parent / "templates"
OTHERS = [language for language in LANGUAGES if language != DEFAULT]
# Where texts stand that are given to `Texts` by way of a variable.
TABLES = {
    "tempest_pds.http.pages.people.wording.known_names": ("RECORDS", "METHODS", "SERVICES", "FILES"),
    "tempest_pds.http.pages.people.wording.method_actions": ("ACTIONS",),
    "tempest_pds.http.pages.people.authorize.problems": ("PROBLEMS",),
    "tempest_pds.http.pages.people.wording.permissions": ("_WRITES",),
    "tempest_pds.http.pages.people.languages": ("MOMENT", "MONTHS"),
    "tempest_pds.http.pages.people.problems": ("_TEXTS",),
    "tempest_pds.http.pages.people.refusals": ("FORM_TOO_OLD", "NO_SUCH_PAGE", "NOT_THIS_WAY", "TOO_MANY_ATTEMPTS"),
    "tempest_pds.http.pages.people.site": ("_MESSAGES", "_OTHERWISE"),
    "tempest_pds.http.pages.people.email": ("_SENT",),
    "tempest_pds.http.pages.people.devices": ("_SIGNED_OUT",),
    "tempest_pds.services.security_event_kinds": ("TEXTS", "FACTS", "VALUES"),
}
# What reads a text: a function or a method of one of these names.
READERS = {"t", "texts", "say", "_say", "Refusal"}
SAME_IN_ALL = {"Chromium", "localhost", "did", "_atproto", "did=", "UTC"}


def in_templates() -> Iterator[str]:
    environment = jinja2.Environment(autoescape=True)
    for path in sorted((TEMPLATES / "people").rglob("*.html")):
        for call in environment.parse(path.read_text(encoding="utf-8")).find_all(nodes.Call):
            if isinstance(call.node, nodes.Name) and call.node.name == "t":
                for argument in call.args[:1]:
                    yield from (
                        constant.value
                        for constant in [argument, *argument.find_all(nodes.Const)]
                        if isinstance(constant, nodes.Const)
                    )


def in_python() -> Iterator[str]:
    for path in sorted(PEOPLE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            wanted: list[ast.expr] = [keyword.value for keyword in node.keywords if keyword.arg == "notice"]
            if called in READERS:
                wanted += node.args[:2] if called == "Refusal" else node.args[:1]
            for argument in wanted:
                for part in ast.walk(argument):
                    if isinstance(part, ast.Constant) and isinstance(part.value, str):
                        yield part.value


def in_tables() -> Iterator[str]:
    for module, names in TABLES.items():
        for name in names:
            yield from strings(getattr(import_module(module), name))


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from strings(part)
    elif isinstance(value, tuple):
        # Of a pair of a field's name and a text, the text.
        yield from strings(value[-1])


def wanted() -> set[str]:
    return {*in_templates(), *in_python(), *in_tables()} - {""}


@pytest.mark.parametrize("language", OTHERS)
def test_a_language_has_every_text(language: str) -> None:
    assert sorted(wanted() - catalogue(language).keys()) == []


@pytest.mark.parametrize("language", OTHERS)
def test_a_language_has_no_text_that_nothing_says(language: str) -> None:
    assert sorted(catalogue(language).keys() - wanted()) == []


@pytest.mark.parametrize("language", OTHERS)
def test_a_translation_puts_the_same_values_in(language: str) -> None:
    def values(text: str) -> set[str]:
        return {name for _, name, _, _ in Formatter().parse(text) if name is not None}

    assert [text for text, words in catalogue(language).items() if values(text) != values(words)] == []


@pytest.mark.parametrize("language", OTHERS)
def test_two_parts_of_a_catalogue_do_not_disagree(language: str) -> None:
    import json

    seen: dict[str, str] = {}
    for path in sorted((PEOPLE / "texts" / language).glob("*.json")):
        for text, words in json.loads(path.read_text(encoding="utf-8")).items():
            assert seen.setdefault(text, words) == words


class Words(HTMLParser):
    """Collects the words of a template that no `t` gives."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent += tag in {"style", "script"}
        for name, value in attrs:
            if name in {"title", "aria-label", "alt", "placeholder"} and value:
                self.handle_data(value)

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in {"style", "script"}

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.found += [word for word in data.split() if re.search(r"[^\W\d_]{2,}", word)]


@pytest.mark.parametrize("path", sorted((TEMPLATES / "people").rglob("*.html")), ids=lambda path: path.name)
def test_a_template_says_nothing_of_its_own(path: Path) -> None:
    words = Words()
    words.feed(re.sub(r"\{[{%#].*?[}%#]\}", "", path.read_text(encoding="utf-8"), flags=re.DOTALL))
    assert [word for word in words.found if word.strip(".,:") not in SAME_IN_ALL and "=" not in word] == []


@pytest.mark.parametrize(
    ("chosen", "ui_locales", "accepted", "best"),
    [
        (None, None, None, "en"),
        (None, None, "de", "de"),
        (None, None, "de-CH, fr;q=0.9, en;q=0.8", "de"),
        (None, None, "ja, fr;q=0.3, en;q=0.2", "fr"),
        (None, None, "de;q=0, fr;q=0.1", "fr"),
        (None, None, "*", "en"),
        (None, None, "de;q=nonsense", "en"),
        (None, None, "\x00" * 5_000, "en"),
        (None, "fr-CA de", "de", "fr"),
        (None, "ja de", "fr", "de"),
        (None, "ja", "fr", "fr"),
        ("de", "fr", "en", "de"),
        ("xx", "fr", "en", "fr"),
        ("../../etc", None, None, "en"),
    ],
)
def test_the_person_s_choice_goes_before_the_client_s_and_that_before_the_browser_s(
    chosen: str | None, ui_locales: str | None, accepted: str | None, best: str
) -> None:
    assert best_language(chosen, ui_locales, accepted) == best


def test_a_text_that_no_catalogue_has_is_said_in_english() -> None:
    assert Texts("de")("Nobody ever says {what}.", what="this") == "Nobody ever says this."


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "1 March 2024, 09:05 UTC"), ("de", "1. März 2024, 09:05 UTC"), ("fr", "1 mars 2024 à 09:05 UTC")],
)
def test_a_time_is_written_as_its_reader_would(language: str, words: str) -> None:
    assert Texts(language).moment(1_709_283_959_999_999) == words


def test_no_line_ends_before_a_colon() -> None:
    assert Texts("fr")("Since:") == "Depuis\N{NO-BREAK SPACE}:"


def test_markup_in_a_value_is_kept_and_all_else_is_escaped() -> None:
    said = Texts("en")("<{name}> & {host}", name=Markup("<b>x</b>"), host="<i>")
    assert said == Markup("&lt;<b>x</b>&gt; &amp; &lt;i&gt;")


def test_every_page_for_people_can_be_compiled() -> None:
    templates = Templates()
    for path in sorted((TEMPLATES / "people").rglob("*.html")):
        templates._environment.get_template(str(path.relative_to(TEMPLATES)))


def test_what_the_site_itself_says_has_an_answer_for_every_kind_of_error() -> None:
    assert set(site._MESSAGES) <= {403, 404, 413, 500, 502, 503}
