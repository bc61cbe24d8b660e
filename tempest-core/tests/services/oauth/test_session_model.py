"""Codes and refresh tokens against a plain model of what they may do, whatever comes in whatever order."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from tempest_pds.protocol.oauth.authorization_parameters import AuthorizationParameters, ReplyAddress
from tempest_pds.protocol.oauth.client_id import DiscoverableClientId
from tempest_pds.protocol.oauth.client_metadata import ClientMetadata
from tempest_pds.protocol.oauth.errors import OAuthError
from tempest_pds.protocol.oauth.permission_set import PermissionSet
from tempest_pds.protocol.oauth.pkce import CodeChallenge, make_challenge
from tempest_pds.protocol.oauth.redirect_uri import RedirectUri
from tempest_pds.protocol.oauth.scope_set import ScopeSet
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.oauth.client_authentication import ClientAuth
from tempest_pds.services.oauth.clients import Client
from tempest_pds.services.oauth.code_grant import CodeGrant
from tempest_pds.services.oauth.permission_sets import PermissionSetUnavailable
from tempest_pds.services.oauth.refresh_grant import GRACE_SECONDS, RefreshGrant
from tempest_pds.services.oauth.refresh_tokens import RefreshTokens
from tempest_pds.services.oauth.requests import CODE_SECONDS, hash_secret
from tempest_pds.services.oauth.sessions import OAuthSessions
from tempest_pds.services.oauth.stored_parameters import write_parameters
from tempest_pds.services.security_events import SecurityEvents
from tempest_pds.services.timestamps import SECOND
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.accounts import Account
from tempest_pds.stores.account.oauth_requests import OAuthRequest

DAY = 86_400
AGES = (0, 0, 0, 0, 0, 1, 1, 2, 3)
"""Of refresh tokens, in generations: most clients use the newest."""
WAITS = (0, 0, 1, GRACE_SECONDS - 1, GRACE_SECONDS, GRACE_SECONDS + 1, 6 * DAY)
ALICE = Did("did:plc:aaaaaaaaaaaaaaaaaaaaaaaa")
REDIRECT = RedirectUri("https://app.example.net/callback")
PUBLIC = ClientAuth("none")


def client(name: str = "app") -> Client:
    return Client(
        ClientMetadata(
            client_id=DiscoverableClientId(f"https://{name}.example.net/client.json"),
            redirect_uris=(REDIRECT,),
            scope="atproto",
            application_type="web",
            token_endpoint_auth_method="none",
            grant_types=("authorization_code", "refresh_token"),
        )
    )


class Bound:
    """Takes every client for what it says."""

    async def check_bound(self, *_: object) -> None:
        pass


class Publishers:
    """Those of permission sets, who may be out: nothing must depend on that."""

    are_out = False

    async def find_granted(self, _: ScopeSet) -> dict[str, PermissionSet]:
        if self.are_out:
            raise PermissionSetUnavailable("cannot be had now")
        return {}


@dataclass
class Session:
    """What the model knows of a session."""

    id: str
    key: str
    generation: int
    refreshed_at: int
    created_at: int
    issued: int = 0
    alive: bool = True


Token = tuple[Session, int]
"""A refresh token that was given out: of which session and which generation."""


@dataclass
class Code:
    """A code; `session` once it has led to one, `spent` once it can lead to none."""

    text: str
    verifier: str
    expires_at: int
    spent: bool = False
    session: Session | None = None


class SessionMachine(RuleBasedStateMachine):
    codes: Bundle[Code] = Bundle("codes")
    tokens: Bundle[Token] = Bundle("tokens")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.store = AccountStore(Path(self.folder.name) / "account.sqlite", synchronous="OFF")
        self.writer = AccountWriter()
        self.runner = asyncio.Runner()
        self.now = 1_700_000_000 * SECOND
        self.made = 0
        self.refresh_tokens = RefreshTokens(b"k" * 32)
        bound: Any = Bound()
        self.publishers = Publishers()
        sets: Any = self.publishers
        events = SecurityEvents(self.store, self.writer, lambda: self.now)
        hooks: Any = None  # asked at the wishes of owners, and there are none here
        sessions = OAuthSessions(self.store, self.writer, hooks, events, lambda: self.now)
        self.code_grant = CodeGrant(self.store, self.writer, sessions, bound, lambda: self.now)
        self.refresh_grant = RefreshGrant(
            self.store, self.writer, sessions, self.refresh_tokens, bound, sets, lambda: self.now
        )
        self.sessions: list[Session] = []

    @initialize()
    def sign_up(self) -> None:
        self.store.accounts.create(Account(did=ALICE, handle=None, email=None, password_hash=None, created_at=1))

    def teardown(self) -> None:
        self.runner.close()
        self.writer.close()
        self.store.close()
        self.folder.cleanup()

    def granted(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Return what a grant gives, None when it is refused."""

        async def attempt() -> Any:
            try:
                return await work
            except OAuthError as error:
                return None if error.code == "invalid_grant" else error

        return self.runner.run(attempt())

    @rule(target=codes)
    def agree(self) -> Code:
        self.made += 1
        verifier = f"{self.made:0>43}"
        code = Code(f"cod-{self.made}", verifier, self.now + CODE_SECONDS * SECOND)
        parameters = AuthorizationParameters(
            client_id=client().client_id,
            reply=ReplyAddress(REDIRECT, "query", None),
            scope="atproto",
            code_challenge=CodeChallenge(make_challenge(verifier)),
        )
        self.store.oauth_requests.add(
            OAuthRequest(
                id_hash=hash_secret(f"request {self.made}"),
                client_id=client().client_id,
                client_auth=PUBLIC.to_json(),
                parameters=write_parameters(parameters),
                created_at=self.now,
                expires_at=code.expires_at,
                did=ALICE,
                scope="atproto",
                code_hash=hash_secret(code.text),
            )
        )
        return code

    @rule(target=tokens, code=codes, right=st.sampled_from([True, True, True, False]))
    def exchange(self, code: Code, right: bool) -> Any:
        fields = {
            "code": code.text,
            "redirect_uri": REDIRECT,
            "code_verifier": code.verifier if right else "x" * 43,
        }
        key = f"key of {code.text}"
        session = self.granted(self.code_grant.exchange(fields, client(), PUBLIC, key))
        expected = right and not code.spent and code.expires_at > self.now
        assert (session is not None) == expected
        if code.session is not None:
            code.session.alive = False
        code.spent = True
        if session is None:
            return multiple()
        code.session = Session(session.id, key, 0, self.now, self.now)
        self.sessions.append(code.session)
        return code.session, 0

    @rule(token=tokens)
    def refresh(self, token: Token) -> None:
        self.use(*token)

    @rule(target=tokens, steps=st.lists(st.tuples(st.sampled_from(AGES), st.sampled_from(WAITS)), min_size=3))
    def use_a_session_for_a_while(self, steps: list[tuple[int, int]]) -> Token:
        """Refresh it with tokens of some age, again and again, with pauses."""
        session, _ = self.exchange(self.agree(), True)
        for age, seconds in steps:
            self.use(session, max(0, session.generation - age))
            if not session.alive:
                break
            self.now += seconds * SECOND
        return session, 0

    @rule(token=tokens, mistake=st.sampled_from(["key", "client"]))
    def misuse(self, token: Token, mistake: str) -> None:
        self.use(*token, mistake=mistake)

    def use(self, session: Session, generation: int, mistake: str | None = None) -> None:
        found = self.granted(
            self.refresh_grant.refresh(
                {"refresh_token": self.refresh_tokens.make(session.id, generation)},
                client("other" if mistake == "client" else "app"),
                PUBLIC,
                "another key" if mistake == "key" else session.key,
            )
        )
        in_grace = generation == session.generation - 1 and self.now - session.refreshed_at <= GRACE_SECONDS * SECOND
        in_time = self.now - session.created_at < 14 * DAY * SECOND
        good = session.alive and mistake is None and in_time and (generation >= session.generation or in_grace)
        assert (found is not None) == good
        if not good:
            session.alive = False
            return
        if generation >= session.generation:
            session.generation, session.refreshed_at = generation + 1, self.now
        session.issued = max(session.issued, session.generation)
        assert found.generation == session.generation

    @rule(seconds=st.sampled_from([*WAITS, CODE_SECONDS]))
    def wait(self, seconds: int) -> None:
        self.now += seconds * SECOND

    @rule(data=st.data())
    def restore_an_older_database(self, data: st.DataObject) -> None:
        alive = [session for session in self.sessions if session.alive and session.generation > 0]
        if not alive:
            return
        session = data.draw(st.sampled_from(alive))
        session.generation = data.draw(st.integers(0, session.generation - 1))
        row = self.store.oauth_sessions.get(session.id)
        assert row is not None
        self.store.oauth_sessions.refresh(replace(row, generation=session.generation))
        self.use(session, data.draw(st.integers(session.generation, session.issued)))

    @rule()
    def let_publishers_go_or_come_back(self) -> None:
        self.publishers.are_out = not self.publishers.are_out

    @rule(data=st.data())
    def revoke(self, data: st.DataObject) -> None:
        if self.sessions:
            session = data.draw(st.sampled_from(self.sessions))
            self.store.oauth_sessions.delete(session.id)
            session.alive = False

    @invariant()
    def the_sessions_are_those_of_the_model(self) -> None:
        stored = {session.id: session.generation for session in self.store.oauth_sessions.of_account(ALICE)}
        assert stored == {session.id: session.generation for session in self.sessions if session.alive}


TestSessions = pytest.mark.filterwarnings("ignore::ResourceWarning")(SessionMachine.TestCase)
TestSessions.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
