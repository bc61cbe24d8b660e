"""The open `account.sqlite`, by noun."""

from __future__ import annotations

from pathlib import Path

from tempest_pds.stores.account.account_deletions import AccountDeletions
from tempest_pds.stores.account.account_schema import SCHEMA
from tempest_pds.stores.account.accounts import Accounts
from tempest_pds.stores.account.app_passwords import AppPasswords
from tempest_pds.stores.account.browsers import Browsers
from tempest_pds.stores.account.email_tokens import EmailTokens
from tempest_pds.stores.account.invite_codes import InviteCodes
from tempest_pds.stores.account.mail_outbox import WaitingMails
from tempest_pds.stores.account.oauth_challenges import OAuthChallenges
from tempest_pds.stores.account.oauth_client_documents import OAuthClientDocuments
from tempest_pds.stores.account.oauth_consents import OAuthConsents
from tempest_pds.stores.account.oauth_permission_sets import OAuthPermissionSets
from tempest_pds.stores.account.oauth_requests import OAuthRequests
from tempest_pds.stores.account.oauth_sessions import OAuthSessions
from tempest_pds.stores.account.passkeys import Passkeys
from tempest_pds.stores.account.pending_events import PendingEvents
from tempest_pds.stores.account.recovery_codes import RecoveryCodes
from tempest_pds.stores.account.refresh_tokens import RefreshTokens
from tempest_pds.stores.account.repo_heads import RepoHeads
from tempest_pds.stores.account.reserved_handles import ReservedHandles
from tempest_pds.stores.account.security_events import SecurityEvents
from tempest_pds.stores.account.totp_secrets import TotpSecrets
from tempest_pds.stores.database import Database, QueryObserver, Synchronous, Transaction


class AccountStore:
    """What this server knows of its accounts. All of it is synchronous.

    Reads take some 10 µs and may run on the event loop. Writes wait for the disk, and belong in the one thread that
    writes accounts; several of them become one transaction in a `with store.transaction():` block.
    """

    def __init__(self, path: Path, *, synchronous: Synchronous = "FULL", observe: QueryObserver | None = None) -> None:
        self.database = Database(path, SCHEMA, synchronous=synchronous, cache_kib=2048, observe=observe)
        self.accounts = Accounts(self.database)
        self.account_deletions = AccountDeletions(self.database)
        self.refresh_tokens = RefreshTokens(self.database)
        self.app_passwords = AppPasswords(self.database, self.refresh_tokens)
        self.browsers = Browsers(self.database)
        self.invite_codes = InviteCodes(self.database)
        self.email_tokens = EmailTokens(self.database)
        self.reserved_handles = ReservedHandles(self.database)
        self.pending_events = PendingEvents(self.database)
        self.waiting_mails = WaitingMails(self.database)
        self.repo_heads = RepoHeads(self.database)
        self.totp_secrets = TotpSecrets(self.database)
        self.recovery_codes = RecoveryCodes(self.database)
        self.passkeys = Passkeys(self.database)
        self.oauth_requests = OAuthRequests(self.database)
        self.oauth_challenges = OAuthChallenges(self.database)
        self.oauth_sessions = OAuthSessions(self.database)
        self.oauth_consents = OAuthConsents(self.database)
        self.oauth_client_documents = OAuthClientDocuments(self.database)
        self.oauth_permission_sets = OAuthPermissionSets(self.database)
        self.security_events = SecurityEvents(self.database)

    def transaction(self) -> Transaction:
        """Make everything written in the `with` block happen together or not at all."""
        return self.database.transaction()

    def end_sessions(self, did: str) -> None:
        """End every session of an account, whatever kind, and what would become one.

        An app that was allowed something would become one without asking: by whoever had the account until now.
        """
        with self.database.transaction():
            self.refresh_tokens.revoke_all(did)
            self.oauth_requests.delete_all(did)
            self.oauth_sessions.delete_all(did)
            self.oauth_consents.delete_all(did)
            self.browsers.remove_everywhere(did)

    def checkpoint(self) -> bool:
        """Move the write-ahead log into the file; in the thread that writes, from time to time."""
        return self.database.checkpoint()

    def close(self) -> None:
        """Close the file."""
        self.database.close()
