"""What a code in the wrong hands does, beyond being refused: to the browser it went through, and for clients' keys."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from authorizing import signed_in
from oauth_flow import Provider, provider, verdict
from tests.support.app_hosts import confidential
from tests.support.oauth_raw import SigningKey
from whole_server import User

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def there(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Provider]:
    async with provider(tmp_path_factory.mktemp("oauth")) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def alice(there: Provider) -> User:
    return await there.server.sign_up("alice")


async def test_a_code_that_comes_again_signs_its_owner_out_where_it_was_granted(there: Provider, alice: User) -> None:
    bob = await there.server.sign_up("bob")
    granting, other = await signed_in(there.server, bob, alice), await signed_in(there.server, alice)
    cookie = granting.cookies["tempest-browser"]
    client = there.client(browser=hashlib.sha256(cookie.encode()).digest())
    code = await client.code(alice)
    assert (await client.exchange(code)).status_code == 200
    profile = f"/account/{alice.did}"
    assert (await granting.get(profile)).status_code == 200
    assert verdict(await client.exchange(code)) == (400, "invalid_grant")
    assert (await granting.get(profile)).headers["location"].startswith("/account/sign-in?")
    assert (await granting.get(f"/account/{bob.did}")).status_code == 200
    assert (await other.get(profile)).status_code == 200


async def test_a_code_that_was_never_given_signs_nobody_out(there: Provider, alice: User) -> None:
    browser = await signed_in(there.server, alice)
    assert verdict(await there.client().exchange("cod-" + "A" * 43)) == (400, "invalid_grant")
    assert (await browser.get(f"/account/{alice.did}")).status_code == 200


async def test_a_code_is_bound_to_the_key_that_its_client_pushed_the_request_with(there: Provider, alice: User) -> None:
    backend = "https://two-keys.example.net/client.json"
    keys = [SigningKey("one"), SigningKey("two")]
    there.hosts.publish(backend, confidential(backend, [key.jwk for key in keys]))
    client = there.client(backend)
    client.assertion_key = keys[0]
    code = await client.code(alice)
    client.assertion_key = keys[1]
    assert verdict(await client.exchange(code)) == (400, "invalid_grant")
    client.assertion_key = keys[0]
    assert verdict(await client.exchange(code)) == (400, "invalid_grant")
