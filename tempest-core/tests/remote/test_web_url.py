import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from tempest_pds.remote.errors import ForbiddenAddress
from tempest_pds.remote.web_url import WebUrl


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("https://example.com", ("https", "example.com", 443, "/")),
        ("HTTPS://EXAMPLE.com/A", ("https", "example.com", 443, "/A")),
        ("https://example.com:8443/xrpc/a.b.c?x=%2F&y=+#z", ("https", "example.com", 8443, "/xrpc/a.b.c?x=%2F&y=+")),
        ("https://example.com?x", ("https", "example.com", 443, "/?x")),
        ("http://[::1]:80/", ("http", "::1", 80, "/")),
        ("https://1.1.1.1", ("https", "1.1.1.1", 443, "/")),
        ("http://my_service:3000/", ("http", "my_service", 3000, "/")),
    ],
)
def test_a_url_is_its_parts(text: str, parts: tuple[str, str, int, str]) -> None:
    url = WebUrl.parse(text)
    assert (url.scheme, url.host, url.port, url.target) == parts
    assert WebUrl.parse(str(url)) == url


@pytest.mark.parametrize(
    "text",
    [
        "", "example.com", "//example.com/", "ftp://example.com/", "file:///etc/passwd", "https:///", "https://",
        "https:example.com", "https:/example.com", "gopher://example.com/", "unix:///run/x", "data:,x", "javascript:1",
        "https://user@example.com/", "https://a:b@example.com/", "https://@example.com/", "https://example.com@127.0.0.1/",
        "https://example.com:0/", "https://example.com:65536/", "https://example.com:/", "https://example.com:x/",
        "https://example.com:443:80/", "https://example.com\\@127.0.0.1/", "https:\\\\example.com/", "https://exa\tmple.com/",
        "https://example.com/\r\nHost: x", "https://example.com/ x", " https://example.com/", "https://example.com/\x00",
        "https://example.com/\n", "https://[::1/", "https://::1/", "https://[127.0.0.1]/", "https://[fe80::1%25eth0]/",
        "https://[::1%eth0]/", "https://[v1.a]/", "https://%31%32%37.0.0.1/", "https://１２７.0.0.1/", "https://127。0。0。1/",
        "https://bücher.example.com/", "https://ⓛocalhost/", "https://example.com/ä", "https://.example.com/",
        "https://*.example.com/", "https://example.com,127.0.0.1/", "https://" + "a" * 20_000 + ".com/",
    ],
)  # fmt: skip
def test_whatever_could_be_read_in_two_ways_is_no_url(text: str) -> None:
    with pytest.raises(ForbiddenAddress):
        WebUrl.parse(text)


PIECES = [*"https:///example.com127.0.0.1[::1]@\\?#%.:/&= \t\n", "http://", "https://", "@", "localhost"]


@given(st.lists(st.sampled_from(PIECES), max_size=40).map(lambda pieces: "https://" + "".join(pieces)))
def test_the_http_client_reads_a_url_as_it_was_checked(text: str) -> None:
    """Two readers that disagree on where the host ends are a way around every check."""
    try:
        url = WebUrl.parse(text)
    except ForbiddenAddress:
        return
    read = URL(str(url), encoded=True)
    assert (read.scheme, read.raw_host, read.port) == (url.scheme, url.host, url.port)
    # An empty query is none.
    assert read.raw_path_qs in (url.target, url.target.removesuffix("?"))
    assert read.user is None


@pytest.mark.parametrize(
    "text",
    [
        "http://example.com/", "https://example.com:25/", "https://example.com:22/", "https://example.com:80/",
        "https://example.com:1023/", "https://127.0.0.1/", "https://10.1.2.3/", "https://169.254.169.254/latest/meta-data",
        "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/", "https://[::127.0.0.1]/",
        "https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::]/", "https://[fe80::1]/", "https://[fd00::1]/",
        "https://0/", "https://0.0.0.0/", "https://127.1/", "https://127.0.1/", "https://2130706433/",
        "https://0x7f000001/", "https://0x7f.0.0.1/", "https://0177.0.0.1/", "https://017700000001/",
        "https://127.0.0.1./", "https://localhost/", "https://localhost./", "https://LOCALHOST/", "https://x.localhost/",
        "https://printer.local/", "https://metadata.google.internal/", "https://example.com./", "https://com/",
        "https://my_service/",
    ],
)  # fmt: skip
def test_a_stranger_sends_this_server_to_public_web_servers_only(text: str) -> None:
    with pytest.raises(ForbiddenAddress):
        WebUrl.parse(text).require_public()


@pytest.mark.parametrize(
    "text", ["https://example.com/", "https://example.com:8443/", "https://1.1.1.1/", "https://[2606:4700::1]/"]
)
def test_a_public_web_server_may_be_asked(text: str) -> None:
    WebUrl.parse(text).require_public()


@pytest.mark.parametrize(
    ("location", "leads_to"),
    [
        ("/b?c", "https://example.com/b?c"),
        ("b", "https://example.com/a/b"),
        ("//other.example.com/x", "https://other.example.com/x"),
        ("https://other.example.com", "https://other.example.com/"),
        ("http://other.example.com/", "http://other.example.com/"),
    ],
)
def test_a_redirect_is_read_from_where_it_stands(location: str, leads_to: str) -> None:
    assert str(WebUrl.parse("https://example.com/a/x").joined(location)) == leads_to


@pytest.mark.parametrize(
    "location", ["ftp://x/", "https://a@b.example.com/", "https://[::1", "\x00", "/ä", "https://[x]/"]
)
def test_a_redirect_to_no_url_is_refused(location: str) -> None:
    with pytest.raises(ForbiddenAddress):
        WebUrl.parse("https://example.com/").joined(location)


@pytest.mark.parametrize(
    ("text", "site"),
    [
        ("https://example.com/", "example.com"),
        ("https://a.b.example.com/", "example.com"),
        ("https://localhost:8080/", "localhost"),
        ("https://10.0.0.1/", "10.0.0.1"),
        ("https://[::1]/", "::1"),
    ],
)
def test_names_below_one_domain_are_one_site(text: str, site: str) -> None:
    assert WebUrl.parse(text).site == site
