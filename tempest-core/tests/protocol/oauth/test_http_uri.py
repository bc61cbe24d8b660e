"""The normal form of a request's URI."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tempest_pds.protocol.errors import InvalidSyntax
from tempest_pds.protocol.oauth.http_uri import normalize_http_uri


@pytest.mark.parametrize(
    ("uri", "normal"),
    [
        ("https://pds.example", "https://pds.example/"),
        ("HTTPS://PDS.Example/A", "https://pds.example/A"),
        ("https://pds.example:443/", "https://pds.example/"),
        ("https://pds.example:/", "https://pds.example/"),
        ("http://pds.example:80/", "http://pds.example/"),
        ("http://pds.example:443/", "http://pds.example:443/"),
        ("http://localhost:02583/xrpc", "http://localhost:2583/xrpc"),
        ("https://pds.example/a?b=c#d", "https://pds.example/a"),
        ("https://pds.example?b=/../c", "https://pds.example/"),
        ("https://pds.example/a#b?c", "https://pds.example/a"),
        ("https://pds.example/%7euser/%2f%e9", "https://pds.example/~user/%2F%E9"),
        ("https://pds.example/a/b/c/./../../g", "https://pds.example/a/g"),
        ("https://pds.example/../a/.", "https://pds.example/a/"),
        ("https://pds.example/a/..", "https://pds.example/"),
        ("https://pds.example/a/%2E%2e/b", "https://pds.example/b"),
        ("https://pds.example//a//b/", "https://pds.example//a//b/"),
        ("http://[::1]:8080/a", "http://[::1]:8080/a"),
    ],
)
def test_each_spelling_has_one_normal_form(uri: str, normal: str) -> None:
    assert normalize_http_uri(uri) == normal
    assert normalize_http_uri(normal) == normal


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "/oauth/token",
        "//pds.example/",
        "ftp://pds.example/",
        "https:pds.example",
        "https:///a",
        "https://user@pds.example/",
        "https://user:secret@pds.example/",
        "https://pds.example:port/",
        "https://pds.example:123456/",
        "https://pds.example/a b",
        "https://pds.example/%zz",
        "https://pds.example/%4",
        "https://pds.example/é",
        "https://pds.example\\@evil.example/",
        "https://pds.example/\n",
        " https://pds.example/",
        "https://pds%2Eexample%2F/",
        "https://pds.example/" + "a" * 9000,
    ],
)
def test_other_texts_are_refused(uri: str) -> None:
    with pytest.raises(InvalidSyntax):
        normalize_http_uri(uri)


@given(st.text("ab./%2eE~?#:@", max_size=20))
def test_a_normal_form_is_normal(path: str) -> None:
    try:
        normal = normalize_http_uri("https://pds.example/" + path)
    except InvalidSyntax:
        return
    assert normalize_http_uri(normal) == normal
    assert "/./" not in normal
    assert "/../" not in normal
    assert "?" not in normal
    assert "#" not in normal
