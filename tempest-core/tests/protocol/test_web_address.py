"""Where a URL leads: what is fetched and what is compared and shown are read by one reader."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tempest_pds.protocol.errors import InvalidSyntax
from tempest_pds.protocol.oauth.web_url import WebUrl as ShownUrl
from tempest_pds.protocol.syntax.web_address import WebAddress
from tempest_pds.remote.web_url import WebUrl as FetchedUrl


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("https://example.com", ("https", "example.com", None, "")),
        ("HTTP://EXAMPLE.com:080/A?b#c", ("http", "example.com", 80, "/A?b#c")),
        ("https://example.com.?x", ("https", "example.com.", None, "?x")),
        ("https://[0:0::0001]:8443/", ("https", "[::1]", 8443, "/")),
        ("https://my_service#x", ("https", "my_service", None, "#x")),
    ],
)
def test_an_address_is_its_parts(text: str, address: tuple[str, str, int | None, str]) -> None:
    found = WebAddress.parse(text, 100)
    assert (found.scheme, found.host, found.port, found.rest) == address


@pytest.mark.parametrize(
    "text",
    [
        "", "https://", "https:///", "ftp://example.com", "//example.com", "https://a@example.com", "https://a:b@example.com/",
        "https://example.com\\@evil.com", "https://exa mple.com", "https://bücher.com", "https://%65xample.com", "https://a..b/",
        "https://.example.com", "https://127.1/", "https://0x7f.0.0.1/", "https://2130706433/", "https://1.2.3.04/",
        "https://127.0.0.1./", "https://[::1", "https://::1", "https://[127.0.0.1]/", "https://[::1%25eth0]/",
        "https://example.com:", "https://example.com:65536", "https://example.com:x", "https://example.com/\n",
        "https://" + "a" * 64 + ".com", "https://example.com/" + "a" * 100,
    ],
)  # fmt: skip
def test_whatever_could_lead_elsewhere_is_refused(text: str) -> None:
    with pytest.raises(InvalidSyntax):
        WebAddress.parse(text, 100)


PIECES = [*"/example.com127.0.0.1[::1]@\\?#%:&-_ ", "0x7f", ":443", "localhost"]


@given(st.lists(st.sampled_from(PIECES), max_size=30).map(lambda pieces: "https://" + "".join(pieces)))
def test_what_is_shown_is_where_it_is_fetched_from(text: str) -> None:
    try:
        shown = ShownUrl.parse(text)
    except InvalidSyntax:
        return
    if shown.port != 0:
        fetched = FetchedUrl.parse(text)
        assert (fetched.scheme, fetched.host, fetched.port) == (shown.scheme, shown.host.strip("[]"), shown.port or 443)
        assert fetched.target == shown.path + ("" if shown.query is None else f"?{shown.query}")
