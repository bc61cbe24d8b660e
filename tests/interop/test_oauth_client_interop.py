"""Clients of OAuth and their requests: the verdicts of `@atproto/oauth-types` and of the reference's provider.

Where Tempest refuses what the reference takes, `is_unplain`, `is_stricter_here` and remarks below say so and why.
"""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.conftest import RunNode
from tests.interop.oauth_client_cases import (
    CLIENT_ID,
    CONFIDENTIAL,
    GOOD,
    KEY,
    REQUEST,
    REQUEST_VALUES,
    documents,
    is_stricter_here,
    key_sets,
    shows_a_secret,
)
from tests.interop.oauth_url_cases import PRIVATE, each_part, is_unplain, urls

from tempest_pds.protocol.errors import ProtocolError
from tempest_pds.protocol.oauth.authorization_parameters import check_parameters
from tempest_pds.protocol.oauth.client_id import DiscoverableClientId, LoopbackClientId
from tempest_pds.protocol.oauth.client_metadata import ClientMetadata, read_client_metadata
from tempest_pds.protocol.oauth.loopback_client import loopback_client_metadata
from tempest_pds.protocol.oauth.redirect_uri import RedirectUri
from tempest_pds.protocol.oauth.server_metadata import authorization_server_metadata, protected_resource_metadata

SCRIPT = Path(__file__).parent / "oauth_client_verdicts.mjs"
REFUSED = "refused"
ISSUER = "https://pds.example.com"


def verdict_of(judge: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    try:
        return judge(*arguments, **named)
    except ProtocolError:
        return REFUSED


def read_client_id(text: str) -> str:
    return DiscoverableClientId.parse(text).host


def read_loopback_client(text: str) -> dict[str, Any]:
    return summary(loopback_client_metadata(LoopbackClientId.parse(text)))


def read_document(document: Any) -> dict[str, Any]:
    return summary(read_client_metadata(DiscoverableClientId(CLIENT_ID), document))


def test_discoverable_client_ids_are_judged_alike(run_node: RunNode) -> None:
    texts = [*each_part(), *urls(random.Random(1), 1500)]
    taken = 0
    for text, verdict in zip(
        texts, run_node(SCRIPT, [{"do": "discoverable", "id": text} for text in texts]), strict=True
    ):
        found = verdict_of(read_client_id, text)
        theirs = verdict.get("ok", REFUSED)
        taken += found != REFUSED
        if found != theirs:
            # One spelling a client: no capitals in the host, no port that https implies, no empty fragment.
            assert found == REFUSED, text
            assert is_unplain(text) or "APP" in text or ":443" in text or "#" in text, text
    assert taken > 30


def test_redirect_uris_are_judged_alike(run_node: RunNode) -> None:
    texts = [*PRIVATE, *each_part(), *urls(random.Random(2), 1500)]
    cases = [{"do": "redirect", "uri": text} for text in texts]
    taken = 0
    for text, verdict in zip(texts, run_node(SCRIPT, cases), strict=True):
        found = verdict_of(RedirectUri.parse, text)
        theirs = verdict.get("ok", REFUSED)
        taken += found != REFUSED
        if found != theirs:
            # Local names and IPv6 hosts: the reference refuses them a step later. Fragments: RFC 6749, 3.1.2.
            local = any(name in text for name in (".test", ".localhost", ".invalid", "app.example/", "[2001"))
            local = local or text.partition("//")[2].startswith(("app.example:", "app.example?", "app.example#"))
            local = local or text.endswith("app.example")
            assert found == REFUSED, text
            assert is_unplain(text) or local or "#" in text, text
    assert taken > 60


def test_redirect_uris_are_compared_alike(run_node: RunNode) -> None:
    chance = random.Random(3)
    texts = [
        f"{start}{port}{path}{query}"
        for start in ("http://127.0.0.1", "http://[::1]", "https://app.example.com")
        for port in ("", ":80", ":8080", ":9090", ":443")
        for path in ("", "/", "/cb", "/cb/")
        for query in ("", "?", "?a=b", "?a=c")
    ]
    texts += ["com.example.app:/cb", "com.example.app:/cb?a", "com.example.app:/"]
    cases = [
        {"do": "compare", "registered": chance.choice(texts), "requested": chance.choice(texts)} for _ in range(3000)
    ]
    cases += [{"do": "compare", "registered": one, "requested": one} for one in texts]
    cases += [{"do": "compare", "registered": one, "requested": other} for one in texts[:40] for other in texts[:40]]
    admitted = 0
    for case, verdict in zip(cases, run_node(SCRIPT, cases), strict=True):
        found = RedirectUri.parse(case["registered"]).admits(RedirectUri.parse(case["requested"]))
        admitted += found
        assert found == verdict["ok"], case
    assert admitted > 200


def test_loopback_clients_are_judged_alike(run_node: RunNode) -> None:
    queries = [
        "",
        "scope=atproto",
        "scope=atproto+transition:generic",
        "scope=atproto%20repo:*",
        "scope=",
        "scope=other",
        "scope=a&scope=atproto",
        "redirect_uri=http://127.0.0.1/cb",
        "redirect_uri=http%3A%2F%2F127.0.0.1%3A80%2Fcb",
        "redirect_uri=http://[::1]:90/cb&redirect_uri=http://127.0.0.1/",
        "redirect_uri=http://localhost/cb",
        "redirect_uri=https://app.example.com/",
        "redirect_uri=",
        "redirect_uri=com.example.app:/cb",
        "x=y",
        "scope",
        "&&",
        "scope=atproto&redirect_uri=http://127.0.0.1",
        "scope=atproto++x",
        "scope=%ff",
        "scope=%22",
        "scope=atproto%2Bx",
        "scope=atproto+atproto",
        "redirect_uri=http://127.0.0.2/",
        "a;scope=atproto",
        "scope=atproto;x",
    ]
    starts = [
        "http://localhost",
        "http://localhost/",
        "http://localhost:80",
        "http://localhost/a",
        "http://LOCALHOST",
        "https://localhost",
        "http://localhost.com",
        "http://127.0.0.1",
        "http://localhost//",
    ]
    texts = [f"{start}?{query}" for start in starts for query in queries] + starts
    texts += ["http://localhost?scope=atproto#x", "http://localhost#", "http://localhost?#", "localhost", ""]
    taken = 0
    for text, verdict in zip(texts, run_node(SCRIPT, [{"do": "loopback", "id": text} for text in texts]), strict=True):
        found = verdict_of(read_loopback_client, text)
        assert found == (their_summary(verdict["ok"]) if "ok" in verdict else REFUSED), (text, verdict)
        taken += found != REFUSED
    assert taken > 15


def summary(client: ClientMetadata) -> dict[str, Any]:
    return {
        "client_id": str(client.client_id),
        "redirect_uris": list(client.redirect_uris),
        "scope": client.scope,
        "grant_types": list(client.grant_types),
        "response_types": list(client.response_types),
        "application_type": client.application_type,
        "token_endpoint_auth_method": client.token_endpoint_auth_method,
        "jwks": None if client.jwks is None else [key.kid for key in client.jwks.keys if key.kid],
    }


def their_summary(found: dict[str, Any]) -> dict[str, Any]:
    names = ("client_id", "redirect_uris", "scope", "grant_types", "response_types", "application_type")
    return {
        **{name: found[name] for name in names},
        "token_endpoint_auth_method": found["token_endpoint_auth_method"],
        "jwks": [key["kid"] for key in found["jwks"]["keys"]] if "jwks" in found else None,
    }


def test_metadata_documents_are_judged_alike(run_node: RunNode) -> None:
    found = documents(random.Random(4))
    cases = [{"do": "document", "id": CLIENT_ID, "document": document} for document in found]
    taken = 0
    for document, verdict in zip(found, run_node(SCRIPT, cases), strict=True):
        mine = verdict_of(read_document, document)
        theirs = their_summary(verdict["ok"]) if "ok" in verdict else REFUSED
        taken += mine != REFUSED
        if mine != theirs:
            assert mine == REFUSED, (document, verdict)
            assert is_stricter_here(document), (document, verdict)
    assert 100 < taken < len(found) - 500


def test_key_sets_are_sifted_alike(run_node: RunNode) -> None:
    found = [{**GOOD, **CONFIDENTIAL, "jwks": keys} for keys in key_sets()]
    cases = [{"do": "document", "id": CLIENT_ID, "document": document} for document in found]
    for document, verdict in zip(found, run_node(SCRIPT, cases), strict=True):
        key, mine = document["jwks"]["keys"][0], verdict_of(read_document, document)
        if shows_a_secret(document):
            assert mine == REFUSED, key
        elif mine != their_summary(verdict["ok"]):
            # The reference keeps what no assertion can be signed with: keys to encrypt with, keys of a curve that is
            # not in its list, and a point of one curve that is said to be of another.
            assert mine["jwks"] == [KEY["kid"]], key
            assert key.get("use") == "enc" or key["crv"] in ("Ed448", "P-384"), key


def test_requests_are_judged_alike(run_node: RunNode) -> None:
    chance = random.Random(5)
    public = {**GOOD, "redirect_uris": ["https://app.example.com/cb", "https://app.example.com/other"]}
    clients = [GOOD, public, {**GOOD, **CONFIDENTIAL, "jwks": {"keys": [KEY]}}]
    found: list[dict[str, Any]] = [REQUEST]
    found += [{**REQUEST, name: value} for name in REQUEST_VALUES for value in [*REQUEST_VALUES[name], None, 1, [], {}]]
    found += [{name: value for name, value in REQUEST.items() if name != gone} for gone in REQUEST]
    for _ in range(400):
        names = chance.sample(sorted(REQUEST_VALUES), 3)
        found.append(
            {**REQUEST, **{name: chance.choice(REQUEST_VALUES[name]) for name in names if REQUEST_VALUES[name]}}
        )
    cases = [
        {"do": "request", "id": CLIENT_ID, "document": document, "fields": fields, "trusted": trusted}
        for document in clients
        for trusted in (False, True)
        for fields in found
    ]
    taken = 0
    for case, verdict in zip(cases, run_node(SCRIPT, cases), strict=True):
        client = read_client_metadata(DiscoverableClientId(CLIENT_ID), case["document"])
        mine = verdict_of(check_parameters, case["fields"], client, trusted=case["trusted"])
        assert (mine != REFUSED) == ("ok" in verdict), (case, verdict)
        if mine == REFUSED:
            continue
        taken += 1
        theirs = verdict["ok"]
        assert mine.reply.redirect_uri == theirs["redirect_uri"]
        if mine.prompt in ("login", "select_account") and not (client.is_confidential or case["trusted"]):
            # The reference has a public client ask for consent instead; here consent is asked besides.
            assert theirs["prompt"] == "consent"
        else:
            assert mine.prompt == theirs.get("prompt")
        assert mine.login_hint == theirs.get("login_hint")
        assert mine.max_age == theirs.get("max_age")
        # What the reference drops of unknown scopes is the scopes' own matter.
        assert set(theirs["scope"].split(" ")) <= set(mine.scopes)
    assert 200 < taken < len(cases) - 500


def test_the_discovery_documents_are_those_of_the_reference(run_node: RunNode) -> None:
    server, resource = authorization_server_metadata(ISSUER), protected_resource_metadata(ISSUER)
    theirs, server_read, resource_read = run_node(
        SCRIPT,
        [{"do": "discovery"}, {"do": "server", "document": server}, {"do": "resource", "document": resource}],
    )
    # Ours lists what is verified here, EdDSA with it, which the reference verifies and does not list.
    for name, found in theirs["ok"].items():
        mine = server[name]
        if name.endswith("_signing_alg_values_supported"):
            assert isinstance(mine, list)
            assert set(mine) == {*found, "EdDSA"}, name
        else:
            assert mine == found, name
    assert server.keys() == theirs["ok"].keys()
    assert server_read["ok"] == server
    assert resource_read["ok"] == resource
