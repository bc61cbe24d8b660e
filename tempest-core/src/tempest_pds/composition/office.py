"""What the administrator and moderators work with, made in one place."""

from __future__ import annotations

from dataclasses import dataclass

from tempest_pds.composition.data import OpenedData
from tempest_pds.remote.did_resolver import DidResolver
from tempest_pds.services.account_deletion import AccountDeletion
from tempest_pds.services.account_hooks import AccountHooks
from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.accounts import Accounts
from tempest_pds.services.administration import Administration, Outbox
from tempest_pds.services.announcer import Announcer
from tempest_pds.services.blobs import Blobs
from tempest_pds.services.commit_log import CommitLog
from tempest_pds.services.due_deletions import DueDeletions
from tempest_pds.services.email_codes import EmailCodes
from tempest_pds.services.firehose import Firehose
from tempest_pds.services.hosted_documents import HostedDocuments
from tempest_pds.services.identities import Identities
from tempest_pds.services.mail_texts import MailTexts
from tempest_pds.services.moderation import Moderation
from tempest_pds.services.owner_deletion import OwnerDeletion
from tempest_pds.services.passwords import Passwords
from tempest_pds.services.quarantine import Quarantine
from tempest_pds.services.repos import Repos
from tempest_pds.services.security_events import SecurityEvents
from tempest_pds.services.sign_in import SignIn
from tempest_pds.services.withdrawn_events import WithdrawnEvents
from tempest_pds_plugins.blob_store import BlobStore


@dataclass(frozen=True, slots=True)
class Office:
    """The services of those who run the server, rather than use it."""

    administration: Administration
    moderation: Moderation
    deletion: AccountDeletion
    owner_deletion: OwnerDeletion
    due_deletions: DueDeletions
    quarantine: Quarantine


def make_office(
    *,
    data: OpenedData,
    writer: AccountWriter,
    passwords: Passwords,
    identities: Identities,
    accounts: Accounts,
    announcer: Announcer,
    hooks: AccountHooks,
    log: CommitLog,
    firehose: Firehose,
    blobs: Blobs,
    blob_store: BlobStore,
    repos: Repos,
    dids: DidResolver,
    documents: HostedDocuments,
    outbox: Outbox,
    texts: MailTexts,
    codes: EmailCodes,
    sign_in: SignIn,
    events: SecurityEvents,
) -> Office:
    """Make the office; nothing is opened."""
    quarantine = Quarantine(stores=data.stores, log=log, blobs=blobs, blob_store=blob_store)
    deletion = AccountDeletion(
        store=data.accounts,
        writer=writer,
        repos=repos,
        log=log,
        sequencer=data.sequencer,
        firehose=firehose,
        announcer=announcer,
        dids=dids,
        documents=documents,
        hooks=hooks,
        outbox=outbox,
    )
    return Office(
        administration=Administration(
            store=data.accounts,
            writer=writer,
            passwords=passwords,
            identities=identities,
            hooks=hooks,
            codes=codes,
            outbox=outbox,
            texts=texts,
            events=events,
        ),
        moderation=Moderation(
            store=data.accounts,
            writer=writer,
            accounts=accounts,
            announcer=announcer,
            hooks=hooks,
            stores=data.stores,
            log=log,
            quarantine=quarantine,
            withdrawn=WithdrawnEvents(data.accounts, data.sequencer, firehose),
        ),
        deletion=deletion,
        owner_deletion=OwnerDeletion(
            store=data.accounts,
            writer=writer,
            sign_in=sign_in,
            codes=codes,
            deletion=deletion,
            outbox=outbox,
            texts=texts,
            events=events,
        ),
        due_deletions=DueDeletions(store=data.accounts, deletion=deletion, outbox=outbox, texts=texts),
        quarantine=quarantine,
    )
