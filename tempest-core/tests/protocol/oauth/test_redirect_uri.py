"""Where an answer may go."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tempest_pds.protocol.oauth.errors import InvalidRedirectUri
from tempest_pds.protocol.oauth.redirect_uri import RedirectUri

PORT = st.integers(1, 65535)
PATH = st.from_regex(r"(/[a-z0-9]{0,5}){0,3}(\?[a-z=]{1,6})?", fullmatch=True)
LOOPBACK = st.sampled_from(["127.0.0.1", "[::1]"])
URIS = st.one_of(
    st.builds("http://{}:{}{}".format, LOOPBACK, PORT, PATH),
    st.builds("http://{}{}".format, LOOPBACK, PATH),
    st.builds("https://app.example.com{}".format, PATH),
    st.builds("https://app.example.com:{}{}".format, PORT, PATH),
    st.builds("com.example.app:/{}".format, st.from_regex(r"[a-z]{0,5}", fullmatch=True)),
).map(RedirectUri.parse)


@pytest.mark.parametrize(
    ("text", "is_loopback", "scheme"),
    [
        ("https://app.example.com/cb?a=b", False, None),
        ("https://app.example.com", False, None),
        ("https://8.8.8.8:8443/cb", False, None),
        ("http://127.0.0.1", True, None),
        ("http://[::1]:8080/cb", True, None),
        ("com.example.app:/callback", False, "com.example.app"),
        ("Com.Example.App:/callback", False, "com.example.app"),
        ("com.example.app:callback", False, "com.example.app"),
    ],
)
def test_three_kinds_exist(text: str, is_loopback: bool, scheme: str | None) -> None:
    uri = RedirectUri.parse(text)
    assert (uri, uri.is_loopback, uri.private_scheme) == (text, is_loopback, scheme)
    assert (uri.url is None) == (scheme is not None)


@pytest.mark.parametrize(
    "text",
    [
        "http://app.example.com/cb",
        "http://localhost/cb",
        "http://127.0.0.2/cb",
        "http://127.1/cb",
        "https://localhost/cb",
        "https://app.test/cb",
        "https://intranet/cb",
        "https://user:pw@app.example.com/cb",
        "https://app.example.com/cb#",
        "https://app.example.com/a/../cb",
        "https://app.example.com/*\r\nSet-Cookie: a=b",
        "com.example.app://callback",
        "com.example.app:/a#b",
        "com.example.app:/a\nb",
        "local.app:/cb",
        "app:/cb",
        "javascript:alert(1)",
        "data:text/html,x",
        "//app.example.com/cb",
        "/cb",
        "",
    ],
)
def test_nothing_else_is_a_redirect_uri(text: str) -> None:
    with pytest.raises(InvalidRedirectUri, match="redirect_uri"):
        RedirectUri.parse(text)


@given(URIS, URIS)
def test_a_uri_admits_itself_and_else_only_loopback_ones(registered: RedirectUri, requested: RedirectUri) -> None:
    assert registered.admits(registered)
    if registered != requested and registered.admits(requested):
        assert registered.is_loopback
        assert requested.is_loopback


@given(LOOPBACK, PATH, PORT, PORT)
def test_a_loopback_uri_admits_every_port_unless_it_names_one(host: str, path: str, one: int, other: int) -> None:
    free = RedirectUri.parse(f"http://{host}{path}")
    bound = RedirectUri.parse(f"http://{host}:{one}{path}")
    assert free.admits(bound)
    assert bound.admits(free) == (one == 80)
    assert bound.admits(RedirectUri.parse(f"http://{host}:{other}{path}")) == (one in (80, other))


def test_only_the_port_of_a_loopback_uri_is_free() -> None:
    registered = RedirectUri.parse("http://127.0.0.1/cb?a=b")
    assert registered.admits(RedirectUri.parse("http://127.0.0.1:9/cb?a=b"))
    for other in (
        "http://[::1]:9/cb?a=b",
        "http://127.0.0.1:9/cb",
        "http://127.0.0.1:9/cb/?a=b",
        "https://a.com/cb?a=b",
    ):
        assert not registered.admits(RedirectUri.parse(other))
    assert RedirectUri.parse("http://127.0.0.1").admits(RedirectUri.parse("http://127.0.0.1:9/"))


@example("\N{KELVIN SIGN}")
@given(st.text(max_size=40))
def test_any_text_is_a_redirect_uri_or_refused(text: str) -> None:
    for tried in (text, f"https://{text}", f"http://127.0.0.1{text}", f"com.example.app:{text}"):
        try:
            uri = RedirectUri.parse(tried)
        except InvalidRedirectUri:
            continue
        assert uri.isascii()
        assert uri.isprintable()
        assert uri.admits(uri)
