"""What serves the owners of accounts, made in one place. Part of the composition root."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from tempest_pds.composition.data import OpenedData
from tempest_pds.composition.network import Network
from tempest_pds.http.client_address import limit_key
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.tid import TidClock
from tempest_pds.services.account_hooks import AccountHooks
from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.accounts import Accounts
from tempest_pds.services.address_notices import AddressNotices
from tempest_pds.services.announcer import Announcer
from tempest_pds.services.api_sessions import ApiSessions
from tempest_pds.services.app_passwords import AppPasswords
from tempest_pds.services.browsers import Browsers
from tempest_pds.services.email_addresses import EmailAddresses
from tempest_pds.services.email_codes import EmailCodes
from tempest_pds.services.email_rules import EmailRules
from tempest_pds.services.identities import Identities
from tempest_pds.services.identity_resolution import IdentityResolution
from tempest_pds.services.invites import Invites
from tempest_pds.services.mail_outbox import MailOutbox
from tempest_pds.services.mail_texts import MailTexts
from tempest_pds.services.new_account import SignUpRules
from tempest_pds.services.open_repos import OpenRepos
from tempest_pds.services.owner_notices import OwnerNotices
from tempest_pds.services.password_change import PasswordChange
from tempest_pds.services.password_reset import PasswordReset
from tempest_pds.services.passwords import Passwords
from tempest_pds.services.plc_operations import PlcOperations
from tempest_pds.services.second_factor.enrolment import Enrolment
from tempest_pds.services.second_factor.guesses import Guesses
from tempest_pds.services.second_factor.passkeys import PasskeyCeremonies
from tempest_pds.services.second_factor.second_factors import SecondFactors
from tempest_pds.services.second_factor.step_up import StepUp
from tempest_pds.services.second_factor.tickets import Tickets
from tempest_pds.services.security_events import SecurityEvents
from tempest_pds.services.sessions import Sessions
from tempest_pds.services.sign_in import SignIn
from tempest_pds.services.sign_up import SignUp
from tempest_pds.services.tokens import Tokens
from tempest_pds.settings import Settings
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.key_files import KeyFiles


@dataclass(frozen=True, slots=True)
class AccountServices:
    """The services of those who have an account, or want one.

    Attributes:
        page_key: what the forms of the pages are sealed with.
    """

    accounts: Accounts
    sign_in: SignIn
    second_factors: SecondFactors
    enrolment: Enrolment
    step_up: StepUp
    sessions: Sessions
    app_passwords: AppPasswords
    browsers: Browsers
    api_sessions: ApiSessions
    invites: Invites
    identities: Identities
    resolution: IdentityResolution
    mail_texts: MailTexts
    email_codes: EmailCodes
    email_addresses: EmailAddresses
    password_reset: PasswordReset
    password_change: PasswordChange
    plc_operations: PlcOperations
    sign_up: SignUp
    page_key: bytes
    security_events: SecurityEvents
    address_notices: AddressNotices


def make_accounts(
    settings: Settings,
    data: OpenedData,
    network: Network,
    *,
    writer: AccountWriter,
    passwords: Passwords,
    announcer: Announcer,
    hooks: AccountHooks,
    outbox: MailOutbox,
    writers: OpenRepos,
    revs: TidClock,
    mail_goes_out: bool,
) -> AccountServices:
    """Make the services; nothing is opened."""
    texts = MailTexts(settings.hostname, settings.contact_email)
    secret = token_secret(settings, data.keys)
    tokens = Tokens(secret, Did.parse(settings.service_did))
    events = SecurityEvents(data.accounts, writer)
    told = OwnerNotices(store=data.accounts, outbox=outbox, texts=texts, events=events)
    doors = _make_doors(settings, data.accounts, writer, passwords, hooks, events, told, secret, outbox, texts)
    sessions = Sessions(data.accounts, writer, tokens, doors.sign_in, network.dids, events)
    invites = Invites(data.accounts, writer, settings.hostname)
    identities = Identities(
        store=data.accounts,
        writer=writer,
        keys=data.keys,
        plc=network.plc,
        dids=network.dids,
        handles=network.handles,
        rules=network.rules,
        documents=network.documents,
        announcer=announcer,
        hooks=hooks,
        events=events,
        notices=told,
        public_url=settings.public_url,
    )
    emails = EmailRules(settings.email_blocked_domains, settings.email_allowed_domains)
    email_codes = EmailCodes(
        store=data.accounts, writer=writer, outbox=outbox, texts=texts, mail_goes_out=mail_goes_out
    )
    notices = AddressNotices(
        store=data.accounts, writer=writer, codes=email_codes, outbox=outbox, texts=texts, events=events
    )
    sign_up = SignUp(
        store=data.accounts,
        writer=writer,
        keys=data.keys,
        repositories=data.stores,
        plc=network.plc,
        dids=network.dids,
        identities=identities,
        sessions=sessions,
        passwords=passwords,
        invites=invites,
        announcer=announcer,
        notices=notices,
        events=events,
        hooks=hooks,
        revs=revs,
        rules=SignUpRules(
            public_url=settings.public_url,
            invite_required=settings.invite_required,
            operator_key=settings.plc_recovery_key,
            did_method=settings.hosted_did_method,
            emails=emails,
        ),
    )
    accounts = Accounts(
        store=data.accounts,
        writer=writer,
        keys=data.keys,
        repositories=data.stores,
        identities=identities,
        announcer=announcer,
        hooks=hooks,
        sign_up=sign_up,
        writers=writers,
        outbox=outbox,
        texts=texts,
        events=events,
    )
    email_addresses = EmailAddresses(
        store=data.accounts,
        writer=writer,
        codes=email_codes,
        outbox=outbox,
        texts=texts,
        rules=emails,
        hooks=hooks,
        notices=notices,
        events=events,
    )
    password_reset = PasswordReset(
        store=data.accounts,
        writer=writer,
        codes=email_codes,
        passwords=passwords,
        outbox=outbox,
        texts=texts,
        hooks=hooks,
        events=events,
    )
    password_change = PasswordChange(store=data.accounts, writer=writer, passwords=passwords, notices=told, hooks=hooks)
    plc_operations = PlcOperations(
        store=data.accounts,
        writer=writer,
        keys=data.keys,
        plc=network.plc,
        dids=network.dids,
        email_codes=email_codes,
        announcer=announcer,
        hooks=hooks,
        events=events,
        public_url=settings.public_url,
        operator_key=settings.plc_recovery_key,
    )
    return AccountServices(
        accounts=accounts,
        sign_in=doors.sign_in,
        second_factors=doors.factors,
        enrolment=doors.enrolment,
        step_up=StepUp(doors.factors),
        sessions=sessions,
        app_passwords=AppPasswords(data.accounts, writer, events, told),
        browsers=Browsers(data.accounts, writer, events),
        api_sessions=ApiSessions(data.accounts, writer, events),
        invites=invites,
        identities=identities,
        mail_texts=texts,
        email_codes=email_codes,
        email_addresses=email_addresses,
        password_reset=password_reset,
        password_change=password_change,
        plc_operations=plc_operations,
        sign_up=sign_up,
        page_key=hmac.new(secret, b"pages for people", "sha256").digest(),
        security_events=events,
        address_notices=notices,
        resolution=IdentityResolution(data.accounts, network.dids, network.handles, network.rules),
    )


@dataclass(frozen=True, slots=True)
class _Doors:
    """What takes passwords and second factors."""

    sign_in: SignIn
    factors: SecondFactors
    enrolment: Enrolment


def _make_doors(
    settings: Settings,
    store: AccountStore,
    writer: AccountWriter,
    passwords: Passwords,
    hooks: AccountHooks,
    events: SecurityEvents,
    told: OwnerNotices,
    secret: bytes,
    outbox: MailOutbox,
    texts: MailTexts,
) -> _Doors:
    passkeys = PasskeyCeremonies(settings.public_url)
    tickets = Tickets(secret)
    factors = SecondFactors(
        store=store,
        writer=writer,
        passkeys=passkeys,
        events=events,
        notices=told,
        guesses=Guesses(),
        address_key=limit_key,
    )
    return _Doors(
        sign_in=SignIn(store=store, passwords=passwords, factors=factors, tickets=tickets, hooks=hooks, events=events),
        factors=factors,
        enrolment=Enrolment(
            store=store,
            writer=writer,
            factors=factors,
            passkeys=passkeys,
            tickets=tickets,
            events=events,
            notices=told,
            outbox=outbox,
            texts=texts,
            server=settings.hostname,
        ),
    )


def token_secret(settings: Settings, keys: KeyFiles) -> bytes:
    """Give the secret that tokens of sessions are made with; it is not in the database."""
    if settings.secret_key_base is not None:
        return settings.secret_key_base.encode()
    return keys.load_or_create("secret_key_base")
