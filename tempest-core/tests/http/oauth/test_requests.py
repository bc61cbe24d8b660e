"""A request belongs to the browser that opened it, and has one answer."""

from __future__ import annotations

import pytest
from oauth_flow import CONFIDENTIAL, ISSUER, OTHER_BROWSER, PUBLIC, Provider
from whole_server import User

from tempest_pds.protocol.oauth.errors import InvalidRequest
from tempest_pds.protocol.syntax.did import Did

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_request_belongs_to_the_first_browser_that_opens_it(there: Provider, alice: User) -> None:
    client = there.client()
    uri = await client.request_uri()
    asked = {"client_id": PUBLIC, "request_uri": uri}
    request = await client.requests.open(asked, client.browser)
    for attempt in (
        client.requests.open(asked, OTHER_BROWSER),
        client.requests.resume(request.id, OTHER_BROWSER),
        client.requests.grant(request, OTHER_BROWSER, Did(alice.did), request.scopes, client_ip=None),
    ):
        with pytest.raises(InvalidRequest, match="another browser"):
            await attempt
    assert (await client.requests.resume(request.id, client.browser)).id == request.id
    await client.requests.hand_over(client.browser, OTHER_BROWSER)
    assert (await client.requests.resume(request.id, OTHER_BROWSER)).id == request.id


async def test_a_request_that_was_not_opened_cannot_be_gone_on_with(there: Provider) -> None:
    client = there.client()
    uri = await client.request_uri()
    with pytest.raises(InvalidRequest, match="not initiated"):
        await client.requests.resume(uri.rpartition(":")[2], client.browser)


async def test_a_request_is_opened_in_the_name_of_who_pushed_it(there: Provider) -> None:
    client = there.client()
    uri = await client.request_uri()
    with pytest.raises(InvalidRequest, match="another client"):
        await client.requests.open({"client_id": CONFIDENTIAL, "request_uri": uri}, client.browser)
    await client.requests.open({"client_id": PUBLIC, "request_uri": uri}, client.browser)


@pytest.mark.parametrize("first", ["grant", "refuse"])
@pytest.mark.parametrize("second", ["grant", "refuse", "open", "resume"])
async def test_a_request_has_one_answer(there: Provider, alice: User, first: str, second: str) -> None:
    client = there.client()
    uri = await client.request_uri()
    asked = {"client_id": PUBLIC, "request_uri": uri}
    request = await client.requests.open(asked, client.browser)
    answers = {
        "grant": lambda: client.agree(request, alice),
        "refuse": lambda: client.requests.refuse(request, "access_denied", "The owner refused"),
        "open": lambda: client.requests.open(asked, client.browser),
        "resume": lambda: client.requests.resume(request.id, client.browser),
    }
    response = await answers[first]()
    with pytest.raises(InvalidRequest):
        await answers[second]()
    if first == "grant":
        assert (await client.exchange(response.values["code"])).status_code == 200
    else:
        assert response.values == {
            "iss": ISSUER,
            "state": "a state",
            "error": "access_denied",
            "error_description": "The owner refused",
        }


async def test_more_than_was_asked_for_cannot_be_granted(there: Provider, alice: User) -> None:
    client = there.client()
    request = await client.open(scope="atproto")
    wider = (await there.client().open()).scopes
    with pytest.raises(Exception, match="more was granted"):
        await client.requests.grant(request, client.browser, Did(alice.did), wider, client_ip=None)
