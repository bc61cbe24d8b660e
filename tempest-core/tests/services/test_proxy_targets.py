from typing import Any

import pytest

from tempest_pds.protocol.identity.did_document import format_did_document
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.remote.did_resolver import DidResolver
from tempest_pds.remote.errors import DidNotFound
from tempest_pds.remote.safe_fetch import SafeFetch
from tempest_pds.services.errors import InvalidRequest
from tempest_pds.services.proxy_targets import ProxyTargets, Service

APP_VIEW = Service(Did.parse("did:web:appview.example.com"), "https://appview.example.com")
CHAT = Did.parse("did:plc:cccccccccccccccccccccccc")
TIMELINE = "app.bsky.feed.getTimeline"


class OneDid:
    """A directory that knows the chat service alone."""

    async def document(self, did: Did) -> dict[str, Any]:
        if did != CHAT:
            raise DidNotFound("no")
        return format_did_document(did, [], {}, {"bsky_chat": ("BskyChatService", "https://chat.example.com")})


@pytest.fixture
def targets() -> ProxyTargets:
    return ProxyTargets(DidResolver(SafeFetch(), OneDid()), app_view=APP_VIEW)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("#bsky_chat", "no did specified in proxy header"),
        (str(CHAT), "no service id specified in proxy header"),
        (f"{CHAT}#", "no service id specified in proxy header"),
        (f"{CHAT}#a#b", "invalid proxy header format"),
        (f"{CHAT}#a b", "proxy header cannot contain spaces"),
        ("chat#bsky_chat", "invalid proxy header format"),
        ("did:plc:bbbbbbbbbbbbbbbbbbbbbbbb#x", "could not resolve proxy did"),
        (f"{CHAT}#other", "could not resolve proxy did service url"),
    ],
)
async def test_a_header_that_leads_nowhere_is_refused(targets: ProxyTargets, value: str, message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await targets.resolve(TIMELINE, {"atproto-proxy": value})
    assert str(caught.value) == message


def test_a_method_whose_service_is_not_configured_is_refused(targets: ProxyTargets) -> None:
    with pytest.raises(InvalidRequest, match="No service configured"):
        targets.default("tools.ozone.team.listMembers")


async def test_what_a_document_says_of_the_app_view_counts_for_nothing(targets: ProxyTargets) -> None:
    """Its address is the operator's, and it may be on the same machine."""
    target = await targets.resolve("com.example.anything", {"atproto-proxy": f"{APP_VIEW.did}#bsky_appview"})
    assert (target.url, target.configured) == (APP_VIEW.url, True)
    named = await targets.resolve(TIMELINE, {"atproto-proxy": f"{CHAT}#bsky_chat"})
    assert (named.url, named.configured) == ("https://chat.example.com", False)


@pytest.mark.parametrize(
    ("headers", "elsewhere"),
    [
        ({}, False),
        ({"atproto-proxy": f"{APP_VIEW.did}#bsky_appview"}, False),
        ({"atproto-proxy": f"{CHAT}#bsky_appview"}, True),
    ],
)
def test_only_another_app_view_is_elsewhere(targets: ProxyTargets, headers: dict[str, str], elsewhere: bool) -> None:
    assert targets.is_elsewhere(headers) == elsewhere
