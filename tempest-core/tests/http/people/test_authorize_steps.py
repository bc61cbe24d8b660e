"""What a person is asked next of an authorization request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tempest_pds.http.pages.people.authorize.steps import Deny, Grant, Show, Step, first_step, next_step
from tempest_pds.protocol.oauth.authorization_parameters import AuthorizationParameters, ReplyAddress
from tempest_pds.protocol.oauth.client_id import DiscoverableClientId
from tempest_pds.protocol.oauth.client_metadata import ClientMetadata
from tempest_pds.protocol.oauth.pkce import CodeChallenge
from tempest_pds.protocol.oauth.redirect_uri import RedirectUri
from tempest_pds.protocol.oauth.scope_set import ScopeSet
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.handle import Handle
from tempest_pds.services.browsers import SignedIn
from tempest_pds.services.oauth.client_authentication import ClientAuth
from tempest_pds.services.oauth.clients import Client
from tempest_pds.services.oauth.requests import OpenRequest
from tempest_pds.stores.account.accounts import Account

SECOND = 1_000_000
ASKED_AT = 1_800_000_000 * SECOND
SCOPES = ScopeSet.parse("atproto transition:generic")
ALICE, BOB = Did("did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"), Did("did:plc:bbbbbbbbbbbbbbbbbbbbbbbb")


def asked(
    *, confidential: bool = True, trusted: bool = False, scopes: ScopeSet = SCOPES, **parameters: Any
) -> OpenRequest:
    metadata = ClientMetadata(
        client_id=DiscoverableClientId("https://app.example/client.json"),
        redirect_uris=(RedirectUri("https://app.example/back"),),
        scope="atproto transition:generic",
        application_type="web",
        token_endpoint_auth_method="private_key_jwt" if confidential else "none",
    )
    challenge = CodeChallenge.parse("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "S256")
    reply = ReplyAddress(metadata.redirect_uris[0], "query", None)
    return OpenRequest(
        id="request",
        client=Client(metadata, is_trusted=trusted),
        client_auth=ClientAuth("none"),
        parameters=AuthorizationParameters(
            "https://app.example/client.json", reply, str(SCOPES), challenge, **parameters
        ),
        scopes=scopes,
        permission_sets={},
        created_at=ASKED_AT,
        expires_at=ASKED_AT + 300 * SECOND,
    )


def signed_in(did: Did = ALICE, *, ago: int = 3600, deactivated: bool = False) -> SignedIn:
    account = Account(
        did=did,
        handle=Handle("alice.test" if did == ALICE else "bob.test"),
        email=None,
        email_confirmed_at=None,
        password_hash="",
        created_at=0,
        deactivated_at=1 if deactivated else None,
    )
    at = ASKED_AT - ago * SECOND
    return SignedIn(account=account, signed_in_at=at, confirmed_at=at, remembered=True)


def never(did: Did, client_id: str) -> ScopeSet | None:
    return None


def before(did: Did, client_id: str) -> ScopeSet | None:
    return SCOPES


def less_before(did: Did, client_id: str) -> ScopeSet | None:
    return ScopeSet.parse("atproto")


@pytest.mark.parametrize(
    ("parameters", "accounts", "expected"),
    [
        ({}, [], Show(Step.SIGN_IN)),
        ({}, [ALICE], Show(Step.CONSENT, ALICE)),
        ({}, [ALICE, BOB], Show(Step.CHOOSE)),
        ({"login_hint": Handle("bob.test")}, [ALICE, BOB], Show(Step.CONSENT, BOB)),
        ({"login_hint": BOB}, [ALICE, BOB], Show(Step.CONSENT, BOB)),
        ({"login_hint": BOB}, [ALICE], Show(Step.SIGN_IN)),
        ({"login_hint": BOB}, [], Show(Step.SIGN_IN)),
        ({"prompt": "login"}, [ALICE], Show(Step.SIGN_IN, ALICE)),
        ({"prompt": "consent"}, [ALICE], Show(Step.CONSENT, ALICE)),
        ({"prompt": "select_account"}, [ALICE], Show(Step.CHOOSE)),
        ({"prompt": "select_account", "login_hint": BOB}, [ALICE], Show(Step.CHOOSE)),
        ({"prompt": "select_account"}, [], Show(Step.SIGN_IN)),
        ({"prompt": "create"}, [ALICE], Show(Step.SIGN_UP)),
        ({"prompt": "create"}, [], Show(Step.SIGN_UP)),
        ({"max_age": 60}, [ALICE], Show(Step.SIGN_IN, ALICE)),
        ({"max_age": 7200}, [ALICE], Show(Step.CONSENT, ALICE)),
    ],
)
def test_a_request_begins_with_what_it_asks_for(
    parameters: dict[str, Any], accounts: list[Did], expected: Show
) -> None:
    assert first_step(asked(**parameters), [signed_in(did) for did in accounts], never) == expected


@pytest.mark.parametrize(
    ("prompt", "first"), [("login", Show(Step.SIGN_IN, ALICE)), ("select_account", Show(Step.CHOOSE))]
)
def test_a_public_client_has_the_password_given_or_the_account_chosen_and_then_consent_asked(
    prompt: Any, first: Show
) -> None:
    request = asked(confidential=False, prompt=prompt)
    assert first_step(request, [signed_in()], before) == first
    assert next_step(request, signed_in(ago=-1), before) == Show(Step.CONSENT, ALICE)


@pytest.mark.parametrize(
    ("accounts", "granted", "expected"),
    [
        ([], before, "login_required"),
        ([signed_in(deactivated=True)], before, "login_required"),
        ([signed_in(), signed_in(BOB)], before, "account_selection_required"),
        ([signed_in()], never, "consent_required"),
        ([signed_in()], less_before, "consent_required"),
    ],
)
def test_a_silent_request_is_told_what_keeps_it_from_being_silent(
    accounts: list[SignedIn], granted: Any, expected: str
) -> None:
    step = first_step(asked(prompt="none"), accounts, granted)
    assert isinstance(step, Deny)
    assert step.error == expected


def test_a_silent_request_wants_a_sign_in_as_fresh_as_it_says() -> None:
    step = first_step(asked(prompt="none", max_age=60), [signed_in()], before)
    assert isinstance(step, Deny)
    assert step.error == "login_required"


def test_nobody_is_let_in_unseen_who_gave_the_password_before_there_was_a_factor() -> None:
    stale = replace(signed_in(), lacks_factor=True)
    assert first_step(asked(prompt="none"), [stale], before) == Deny(
        "login_required", "The password was given too long ago"
    )
    assert next_step(asked(), stale, before) == Show(Step.SIGN_IN, ALICE)


def test_a_silent_request_is_granted_for_the_one_account_that_fits() -> None:
    fits = signed_in(BOB)
    assert first_step(asked(prompt="none", login_hint=BOB), [signed_in(), fits], before) == Grant(fits)
    assert first_step(asked(prompt="none"), [fits], before) == Grant(fits)


def test_a_person_who_is_known_to_the_client_is_passed_on_and_nobody_else() -> None:
    alice = signed_in()
    assert first_step(asked(login_hint=ALICE), [alice], before) == Grant(alice)
    assert first_step(asked(), [alice], before) == Show(Step.CHOOSE)
    assert first_step(asked(login_hint=ALICE, prompt="login"), [signed_in(ago=-5)], before) == Show(Step.CHOOSE)


@pytest.mark.parametrize(
    ("client", "granted", "skipped"),
    [
        ({"confidential": True}, before, True),
        ({"confidential": False, "trusted": True}, before, True),
        ({"confidential": False}, before, False),
        ({"confidential": False, "prompt": "create"}, before, False),
        ({"confidential": True, "prompt": "consent"}, before, False),
        ({"confidential": True}, less_before, False),
        ({"confidential": True}, never, False),
    ],
)
def test_consent_is_asked_unless_a_provable_client_wants_no_more_than_it_had(
    client: dict[str, Any], granted: Any, skipped: bool
) -> None:
    alice = signed_in()
    expected = Grant(alice) if skipped else Show(Step.CONSENT, ALICE)
    assert next_step(asked(**client), alice, granted) == expected


def test_whoever_is_not_expected_is_asked() -> None:
    assert next_step(asked(login_hint=BOB), signed_in(), before) == Show(Step.CONSENT, ALICE)


def test_a_deactivated_account_is_never_passed_on() -> None:
    assert next_step(asked(), signed_in(deactivated=True), before) == Show(Step.CONSENT, ALICE)


@pytest.mark.parametrize("parameters", [{"prompt": "login"}, {"max_age": 0}])
def test_a_password_that_was_given_since_the_client_asked_is_fresh_enough(parameters: dict[str, Any]) -> None:
    fresh = signed_in(ago=-1)
    assert next_step(asked(**parameters), fresh, before) == Grant(fresh)
    assert next_step(asked(**parameters), signed_in(ago=1), before) == Show(Step.SIGN_IN, ALICE)


prompts = st.sampled_from([None, "none", "login", "consent", "select_account", "create"])
hints = st.sampled_from([None, ALICE, BOB, Handle("alice.test")])
grants = st.sampled_from([never, before, less_before])


@given(
    prompts,
    hints,
    st.none() | st.integers(min_value=0, max_value=10_000),
    st.lists(st.builds(signed_in, st.sampled_from([ALICE, BOB]), deactivated=st.booleans()), max_size=2, unique_by=str),
    grants,
    st.booleans(),
)
def test_nothing_is_granted_unseen_but_what_was_granted_before(
    prompt: Any,
    hint: Any,
    max_age: int | None,
    accounts: list[SignedIn],
    granted: Callable[[Did, str], ScopeSet | None],
    confidential: bool,
) -> None:
    request = asked(confidential=confidential, prompt=prompt, login_hint=hint, max_age=max_age)
    step = first_step(request, accounts, granted)
    if isinstance(step, Grant):
        assert confidential
        assert granted is before
        assert step.signed_in in accounts
        assert step.signed_in.account.deactivated_at is None
        assert prompt == "none" or (prompt is None and hint is not None)
    if prompt == "none":
        assert not isinstance(step, Show)
    else:
        assert not isinstance(step, Deny)


def test_a_step_is_about_an_account_of_this_browser() -> None:
    step = next_step(replace(asked(), scopes=SCOPES), signed_in(BOB), never)
    assert step == Show(Step.CONSENT, BOB)


@pytest.mark.parametrize(("ago", "step"), [(599, Show(Step.CONSENT, ALICE)), (601, Show(Step.SIGN_IN, ALICE))])
@pytest.mark.parametrize("max_age", [None, 3600])
def test_who_wants_the_whole_identity_has_the_password_given_anew(ago: int, step: Show, max_age: int | None) -> None:
    request = asked(scopes=ScopeSet.parse("atproto identity:*"), max_age=max_age)
    assert next_step(request, signed_in(ago=ago), lambda did, client_id: None) == step
    modest = asked(scopes=ScopeSet.parse("atproto identity:handle"), max_age=max_age)
    assert next_step(modest, signed_in(ago=ago), lambda did, client_id: None) == Show(Step.CONSENT, ALICE)
