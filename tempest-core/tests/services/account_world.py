"""All services of accounts, with the real stores, key files and ledger in a folder, and a clock of their own."""

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.tid import TidClock
from tempest_pds.remote.did_resolver import DidResolver
from tempest_pds.remote.errors import Unreachable
from tempest_pds.remote.handle_resolver import HandleResolver
from tempest_pds.remote.plc_ledger import PlcLedger
from tempest_pds.remote.safe_fetch import SafeFetch
from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.accounts import Accounts
from tempest_pds.services.address_notices import AddressNotices
from tempest_pds.services.announcer import Announcer
from tempest_pds.services.app_passwords import AppPasswords
from tempest_pds.services.credentials import Credentials
from tempest_pds.services.email_codes import EmailCodes
from tempest_pds.services.event_frames import Event
from tempest_pds.services.handle_rules import HandleRules
from tempest_pds.services.hosted_documents import HostedDocuments
from tempest_pds.services.identities import Identities
from tempest_pds.services.identity_resolution import IdentityResolution
from tempest_pds.services.invites import Invites
from tempest_pds.services.mail_texts import MailTexts
from tempest_pds.services.new_account import NewAccount, SignUpRules
from tempest_pds.services.open_repos import OpenRepos
from tempest_pds.services.origin import Origin
from tempest_pds.services.owner_notices import OwnerNotices
from tempest_pds.services.passwords import Passwords
from tempest_pds.services.second_factor.enrolment import Enrolment
from tempest_pds.services.second_factor.guesses import Guesses
from tempest_pds.services.second_factor.passkeys import PasskeyCeremonies
from tempest_pds.services.second_factor.second_factors import SecondFactors
from tempest_pds.services.second_factor.tickets import Tickets
from tempest_pds.services.security_events import SecurityEvents
from tempest_pds.services.sessions import Session, Sessions
from tempest_pds.services.sign_in import SignIn
from tempest_pds.services.sign_up import SignUp
from tempest_pds.services.tokens import Tokens
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.actor.stores import ActorStores
from tempest_pds.stores.key_files import KeyFiles
from tempest_pds.stores.sequencer.store import SequencerStore
from tempest_pds_plugins.mailer import Mail

SERVER = Did.parse("did:web:localhost")
URL = "http://localhost:4000"
PASSWORD = "correct horse battery"
MIGRANT = Did.parse("did:web:migrant.example.com")


class Clock:
    now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


class Log:
    """Takes events as the commit log does."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.batches: list[int] = []
        self.down = False

    async def append(self, events: Sequence[Event]) -> None:
        if self.down:
            raise OSError("the disk is full")
        self.events += events
        self.batches.append(len(events))

    def take(self) -> list[Any]:
        events, self.events = self.events, []
        return events


class Hooks:
    """A plugin that writes down what it is told, and may refuse."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.sign_ins: list[dict[str, object]] = []
        self.asked: list[tuple[str, dict[str, object]]] = []
        self.refusal: str | None = None

    def notify(self, hook_name: str, **kwargs: object) -> None:
        if hook_name == "signed_in":
            self.sign_ins.append(kwargs)
        else:
            self.told.append(f"{kwargs['handle']} {kwargs['change']}")

    def first_refusal(self, hook_name: str, **kwargs: object) -> str | None:
        self.asked.append((hook_name, kwargs))
        return self.refusal


class Outbox:
    """Takes mails as the outbox does."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []

    def add(self, mail: Mail, lifetime_seconds: float = 0.0) -> None:
        self.mails.append(mail)

    def stir(self) -> None:
        """Send nothing."""


class World:
    """A whole server without its HTTP."""

    def __init__(self, folder: Path, **rules: Any) -> None:
        for name in ("repos", "keys"):
            (folder / name).mkdir(exist_ok=True)
        self.clock = Clock()
        self.txt: dict[str, list[str]] = {}
        self.store = AccountStore(folder / "account.sqlite", synchronous="OFF")
        self.sequencer = SequencerStore(folder / "sequencer.sqlite", synchronous="OFF")
        self.keys = KeyFiles(folder / "keys")
        self.repositories = ActorStores(folder / "repos")
        self.writer = AccountWriter()
        self.passwords = Passwords(memory_kib=64)
        self.fetch = SafeFetch(look_up=look_up_nothing)
        self.log = Log()
        self.hooks = Hooks()
        self.outbox = Outbox()
        self.plc = PlcLedger(folder / "plc.jsonl")
        handle_rules = HandleRules([".test"])
        documents = HostedDocuments(self.store, self.keys, handle_rules, SERVER, URL)
        self.documents = documents
        self.dids = DidResolver(self.fetch, self.plc, own=self.own_document)
        self.migrant_document: dict[str, Any] | None = None
        handles = HandleResolver(self.fetch, look_up_txt=self.look_up_txt)
        tokens = Tokens(b"s" * 32, SERVER, self.clock)
        self.events = SecurityEvents(self.store, self.writer)
        self.now = lambda: int(self.clock.now * 1_000_000)
        self.owner_notices = OwnerNotices(
            store=self.store, outbox=self.outbox, texts=MailTexts("localhost"), events=self.events
        )
        self.passkeys = PasskeyCeremonies(URL)
        self.tickets = Tickets(b"s" * 32, self.now)
        self.factors = SecondFactors(
            store=self.store,
            writer=self.writer,
            passkeys=self.passkeys,
            events=self.events,
            notices=self.owner_notices,
            guesses=Guesses(self.clock),
            address_key=lambda address: address,
            now=self.now,
        )
        self.enrolment = Enrolment(
            store=self.store,
            writer=self.writer,
            factors=self.factors,
            passkeys=self.passkeys,
            tickets=self.tickets,
            events=self.events,
            notices=self.owner_notices,
            outbox=self.outbox,
            texts=MailTexts("localhost"),
            server="pds.example.com",
            now=self.now,
        )
        self.sign_in = SignIn(
            store=self.store,
            passwords=self.passwords,
            factors=self.factors,
            tickets=self.tickets,
            hooks=self.hooks,
            events=self.events,
            now=self.now,
        )
        self.sessions = Sessions(self.store, self.writer, tokens, self.sign_in, self.dids, self.events, self.clock)
        self.app_passwords = AppPasswords(self.store, self.writer, self.events, self.owner_notices)
        self.invites = Invites(self.store, self.writer, "pds.example.com")
        self.announcer = Announcer(self.store, self.writer, self.log, self.sequencer.has_commit)
        self.resolution = IdentityResolution(self.store, self.dids, handles, handle_rules)
        self.identities = Identities(
            store=self.store,
            writer=self.writer,
            keys=self.keys,
            plc=self.plc,
            dids=self.dids,
            handles=handles,
            rules=handle_rules,
            documents=documents,
            announcer=self.announcer,
            hooks=self.hooks,
            events=self.events,
            notices=self.owner_notices,
            public_url=URL,
        )
        texts = MailTexts("localhost")
        self.notices = AddressNotices(
            store=self.store,
            writer=self.writer,
            codes=EmailCodes(store=self.store, writer=self.writer, outbox=self.outbox, texts=texts),
            outbox=self.outbox,
            texts=texts,
            events=self.events,
            pause=lambda: 0.0,
        )
        sign_up = SignUp(
            store=self.store,
            writer=self.writer,
            keys=self.keys,
            repositories=self.repositories,
            plc=self.plc,
            dids=self.dids,
            identities=self.identities,
            sessions=self.sessions,
            passwords=self.passwords,
            invites=self.invites,
            announcer=self.announcer,
            notices=self.notices,
            events=self.events,
            hooks=self.hooks,
            revs=TidClock(),
            rules=SignUpRules(public_url=URL, **rules),
        )
        self.accounts = Accounts(
            store=self.store,
            writer=self.writer,
            keys=self.keys,
            repositories=self.repositories,
            identities=self.identities,
            announcer=self.announcer,
            hooks=self.hooks,
            sign_up=sign_up,
            writers=OpenRepos(self.repositories, self.keys),
            outbox=self.outbox,
            texts=texts,
            events=self.events,
        )

    async def look_up_txt(self, name: str) -> list[str]:
        if name not in self.txt:
            raise Unreachable("no name server in tests")
        return self.txt[name]

    def own_document(self, did: Did) -> dict[str, Any] | None:
        return self.migrant_document if did == MIGRANT else self.documents.document(did)

    async def create(self, name: str = "alice", requester: Did | None = None, **changed: Any) -> Session:
        given = {"handle": f"{name}.test", "email": f"{name}@example.com", "password": PASSWORD} | changed
        return await self.accounts.create(NewAccount.from_input(given), requester, Origin(client_ip="192.0.2.1"))

    async def close(self) -> None:
        await self.notices.close()
        await self.fetch.close()
        self.passwords.close()
        self.writer.close()
        self.repositories.close()
        self.store.close()
        self.sequencer.close()


async def look_up_nothing(host: str, port: int) -> list[tuple[str, int]]:
    """Fail as a resolver does that reaches no name server: no test looks a name up in the world outside."""
    raise socket.gaierror(socket.EAI_AGAIN, "no name server in tests")


def refresh_credentials(world: World, session: Session) -> Credentials:
    assert session.tokens is not None
    return world.sessions.verify_refresh(session.tokens.refresh_jwt)


def access(world: World, session: Session) -> Credentials:
    assert session.tokens is not None
    return world.sessions.verify_access(session.tokens.access_jwt)
