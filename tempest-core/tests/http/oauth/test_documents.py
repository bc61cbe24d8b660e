"""The documents of the OAuth provider: what it says of itself, and the keys of its tokens."""

from __future__ import annotations

import jwt as pyjwt
import pytest
from oauth_flow import APP, DOCUMENTS, ISSUER, Provider

from tempest_pds.protocol.oauth.jwk import JwkSet
from tempest_pds.protocol.oauth.server_metadata import authorization_server_metadata, protected_resource_metadata

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_the_documents_are_those_of_the_protocol(there: Provider) -> None:
    resource, server = [(await there.server.http.get(path)).json() for path in DOCUMENTS[:2]]
    assert resource == protected_resource_metadata(ISSUER)
    assert server == authorization_server_metadata(ISSUER, ui_locales=("en", "de", "fr"), introspection=True)


async def test_every_endpoint_that_is_announced_is_there(there: Provider) -> None:
    server = (await there.server.http.get(DOCUMENTS[1])).json()
    for name in ("token", "revocation", "introspection", "pushed_authorization_request"):
        path = server[f"{name}_endpoint"].removeprefix(ISSUER)
        assert (await there.server.http.post(path)).status_code == 415, name
    assert (await there.server.http.get(server["jwks_uri"].removeprefix(ISSUER))).status_code == 200


async def test_tokens_verify_with_the_keys_that_are_published(there: Provider) -> None:
    alice = await there.server.sign_up("alice")
    token = (await there.client().sign_in(alice))["access_token"]
    keys = (await there.server.http.get(DOCUMENTS[2])).json()
    assert JwkSet.parse(keys).keys
    assert all("d" not in key for key in keys["keys"])
    kid = pyjwt.get_unverified_header(token)["kid"]
    claims = pyjwt.decode(
        token,
        pyjwt.PyJWKSet.from_dict(keys)[kid].key,
        algorithms=["ES256"],
        audience=there.server.services.server.did,
        issuer=ISSUER,
    )
    assert claims["sub"] == alice.did


@pytest.mark.parametrize("path", DOCUMENTS)
async def test_documents_are_for_everybody_and_for_a_while(there: Provider, path: str) -> None:
    answer = await there.server.http.get(path, headers=APP)
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.headers["cache-control"] == "max-age=300"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert (await there.server.http.head(path)).status_code == 200
    refused = await there.server.http.post(path)
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
