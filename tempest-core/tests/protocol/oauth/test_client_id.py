"""Who a client is: discoverable and loopback ids."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tempest_pds.protocol.errors import InvalidSyntax
from tempest_pds.protocol.oauth.client_id import DiscoverableClientId, LoopbackClientId, parse_client_id
from tempest_pds.protocol.oauth.errors import InvalidClientId
from tempest_pds.protocol.oauth.web_url import MAX_LENGTH, WebUrl, web_url

LABEL = st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True)
HOST = st.builds(lambda labels: ".".join([*labels, "com"]), st.lists(LABEL, min_size=1, max_size=3))
PATH = st.lists(st.from_regex(r"[a-z0-9_~-]{1,8}(\.json)?", fullmatch=True), min_size=1, max_size=4).map("/".join)


@pytest.mark.parametrize(
    "text",
    [
        "https://app.example.com/client-metadata.json",
        "https://app.example.com/a/b",
        "https://app.example.com:8443/client.json",
        "https://app.example.com/client.json?version=2",
        "https://xn--bcher-kva.example.com/client.json",
    ],
)
def test_an_https_url_of_a_document_is_a_client_id(text: str) -> None:
    assert parse_client_id(text) == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("http://app.example.com/client.json", "loopback"),
        ("ftp://app.example.com/client.json", "https"),
        ("https://app.example.com", "path"),
        ("https://app.example.com/", "path"),
        ("https://app.example.com/a/", "path"),
        ("https://app.example.com/client.json#", "fragment"),
        ("https://app.example.com/a/../client.json", "dot segments"),
        ("https://app.example.com/a/%2E%2e/client.json", "dot segments"),
        ("https://user@app.example.com/client.json", "plain"),
        ("https://bank.example.com@evil.com/client.json", "plain"),
        ("https://app.example.com\\@evil.com/client.json", "plain"),
        ("https://app.example.com/client\n.json", "plain"),
        ("https://app.example.com/client.json\n", "plain"),
        ("https://APP.example.com/client.json", "canonical"),
        ("https://app.example.com:443/client.json", "canonical"),
        ("https://app.example.com:08443/client.json", "canonical"),
        ("https://app.example.com:65536/client.json", "65535"),
        ("https://app.example.com./client.json", "hostname"),
        ("https://8.8.8.8/client.json", "IP address"),
        ("https://[2001:db8::1]/client.json", "IP address"),
        ("https://2130706433/client.json", "IPv4"),
        ("https://0x7f.1/client.json", "IPv4"),
        ("https://127.0.0.1/client.json", "loopback"),
        ("https://localhost/client.json", "loopback"),
        ("https://intranet/client.json", "public name"),
        ("https://printer.local/client.json", "public name"),
        ("https://app.test/client.json", "local one"),
        ("https://app.example.com/" + "a" * MAX_LENGTH, "plain"),
        ("did:web:app.example.com", "plain"),
        ("", "plain"),
    ],
)
def test_what_is_no_client_id_is_told_why(text: str, reason: str) -> None:
    with pytest.raises(InvalidClientId, match=reason):
        parse_client_id(text)


@given(HOST, PATH)
def test_a_discoverable_id_is_kept_as_it_is_written(host: str, path: str) -> None:
    client_id = DiscoverableClientId.parse(f"https://{host}/{path}")
    assert (client_id, client_id.host, client_id.url.path) == (f"https://{host}/{path}", host, f"/{path}")
    assert ".".join(reversed(client_id.private_scheme.split("."))) == host


@given(
    HOST, PATH, st.sampled_from(["\\", " ", "\t", "\n", "\0", "é", "<", '"', "^", "`", "{", "@evil.com/"]), st.data()
)
def test_no_sign_that_readers_take_differently_gets_through(
    host: str, path: str, sign: str, data: st.DataObject
) -> None:
    text = f"{host}/{path}"
    place = data.draw(st.integers(0, len(host)))
    with pytest.raises(InvalidClientId):
        DiscoverableClientId.parse(f"https://{text[:place]}{sign}{text[place:]}")


@given(st.text(max_size=60))
def test_any_text_is_a_client_id_or_refused(text: str) -> None:
    for tried in (text, f"https://{text}", f"https://app.example.com/{text}", f"http://localhost?{text}"):
        with contextlib.suppress(InvalidClientId):
            assert str(parse_client_id(tried)) == tried


def test_a_loopback_id_says_nothing_or_what_its_query_says() -> None:
    for text in ("http://localhost", "http://localhost/", "http://localhost?", "http://localhost/?"):
        client_id = parse_client_id(text)
        assert isinstance(client_id, LoopbackClientId)
        assert (str(client_id), client_id.scope, client_id.redirect_uris) == (text, None, ())
    query = "scope=atproto+repo:*&redirect_uri=http://127.0.0.1/a&redirect_uri=http%3A%2F%2F[::1]:80%2Fb"
    client_id = LoopbackClientId.parse(f"http://localhost?{query}")
    assert client_id.scope == "atproto repo:*"
    assert client_id.redirect_uris == ("http://127.0.0.1/a", "http://[::1]:80/b")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("http://localhost:3000", "port"),
        ("http://localhost/app", "path"),
        ("http://localhost.evil.com", "port nor a path"),
        ("http://127.0.0.1", "http://localhost"),
        ("http://localhost#a", "fragment"),
        ("http://localhost?scope=a&scope=b", "twice"),
        ("http://localhost?scope=a++b", "invalid"),
        ("http://localhost?scope=", "invalid"),
        ("http://localhost?redirect_uri=http://localhost/", "localhost"),
        ("http://localhost?redirect_uri=https://app.example.com/", "127.0.0.1"),
        ("http://localhost?redirect_uri=com.example.app:/cb", "127.0.0.1"),
        ("http://localhost?name=App", "unexpected"),
    ],
)
def test_what_is_no_loopback_id_is_told_why(text: str, reason: str) -> None:
    with pytest.raises(InvalidClientId, match=reason):
        parse_client_id(text)


def test_a_url_knows_its_origin_and_whether_it_is_spelled_canonically() -> None:
    url = WebUrl.parse("https://APP.example.com:443/a?b#c")
    assert (url.origin, url.port, url.path, url.query, url.fragment) == (
        "https://app.example.com",
        None,
        "/a",
        "b",
        "c",
    )
    assert not url.is_canonical
    assert WebUrl.parse("http://[::1]:8080?a").is_canonical
    assert not WebUrl.parse("http://[0::1]:8080/").is_canonical
    assert WebUrl.parse("http://[0::1]:8080/").host == "[::1]"


@pytest.mark.parametrize(
    "text", ["http://app.example.com/", "https://localhost/", "https://[::g]/", "javascript:alert(1)"]
)
def test_a_link_is_https_or_loopback(text: str) -> None:
    assert web_url("http://localhost:80/x").is_loopback
    assert web_url("https://example.com/x").host == "example.com"
    with pytest.raises(InvalidSyntax):
        web_url(text)
