"""The one table of who may call what: each method that this server answers, and what it takes of its callers.

Methods take it from here and nowhere else, and a server with a method that has no row, or with a row that has no
method, does not start. What a row means is in `access` and `oauth_needs`; `docs/endpoints.md` shows it in words.

Rows are the reference server's. Who holds a session may do what `scopes` says, and there is nothing to grant; an app
that holds an OAuth token may do what its owner has granted, and what the password stands for is not among it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tempest_pds.http.access import (
    ACCESS,
    ACCESS_OR_SERVICE,
    ADMIN,
    FULL,
    MODERATOR,
    NONE,
    OPTIONAL,
    OPTIONAL_SERVICE,
    REFRESH,
    REFRESH_EVEN_EXPIRED,
    Access,
)
from tempest_pds.http.oauth_needs import (
    ANY_APP,
    ASKS_SERVICE,
    CHANGES_HANDLE,
    CHANGES_IDENTITY,
    CREATES,
    DELETES,
    MANAGES_EMAIL,
    MANAGES_REPO,
    NO_APP,
    NO_APP_CHANGES_EMAIL,
    PASSED_ON,
    PUTS,
    SERVICE_TOKEN,
    UPLOADS,
    WRITES,
)
from tempest_pds.services.credentials import Scope

_QUEUED: Final = Scope.SIGNUP_QUEUED
_DOWN: Final = Scope.TAKENDOWN

METHOD_ACCESS: Final[Mapping[str, Access]] = {
    # What apps keep with the account, and views that the caller's newest records are merged into
    "app.bsky.actor.getPreferences": ACCESS.also(_DOWN).apps(ASKS_SERVICE),
    "app.bsky.actor.getProfile": ACCESS.apps(ASKS_SERVICE),
    "app.bsky.actor.getProfiles": ACCESS.apps(ASKS_SERVICE),
    "app.bsky.actor.putPreferences": ACCESS.refusing_takendown().apps(ASKS_SERVICE),
    "app.bsky.feed.getActorLikes": ACCESS.apps(ASKS_SERVICE),
    "app.bsky.feed.getAuthorFeed": ACCESS.apps(ASKS_SERVICE),
    "app.bsky.feed.getPostThread": ACCESS.apps(ASKS_SERVICE),
    "app.bsky.feed.getTimeline": ACCESS.apps(ASKS_SERVICE),
    # Administration and moderation
    "com.atproto.admin.deleteAccount": ADMIN,
    "com.atproto.admin.disableAccountInvites": MODERATOR,
    "com.atproto.admin.disableInviteCodes": MODERATOR,
    "com.atproto.admin.enableAccountInvites": MODERATOR,
    "com.atproto.admin.getAccountInfo": MODERATOR,
    "com.atproto.admin.getAccountInfos": MODERATOR,
    "com.atproto.admin.getInviteCodes": MODERATOR,
    "com.atproto.admin.getSubjectStatus": MODERATOR,
    "com.atproto.admin.searchAccounts": MODERATOR,
    "com.atproto.admin.sendEmail": MODERATOR,
    "com.atproto.admin.updateAccountEmail": ADMIN,
    "com.atproto.admin.updateAccountHandle": ADMIN,
    "com.atproto.admin.updateAccountPassword": ADMIN,
    "com.atproto.admin.updateSubjectStatus": MODERATOR,
    # Who is who, and what an owner changes of it
    "com.atproto.identity.getRecommendedDidCredentials": ACCESS.apps(ANY_APP),
    "com.atproto.identity.refreshIdentity": NONE,
    "com.atproto.identity.requestPlcOperationSignature": FULL.also(_DOWN).apps(CHANGES_IDENTITY),
    "com.atproto.identity.resolveDid": NONE,
    "com.atproto.identity.resolveHandle": NONE,
    "com.atproto.identity.resolveIdentity": NONE,
    "com.atproto.identity.signPlcOperation": FULL.also(_DOWN).apps(CHANGES_IDENTITY),
    "com.atproto.identity.submitPlcOperation": ACCESS.apps(CHANGES_IDENTITY),
    "com.atproto.identity.updateHandle": ACCESS.refusing_takendown().apps(CHANGES_HANDLE),
    "com.atproto.lexicon.resolveLexicon": NONE,
    # Records, blobs, repositories
    "com.atproto.repo.applyWrites": ACCESS.apps(WRITES),
    "com.atproto.repo.createRecord": ACCESS.apps(CREATES),
    "com.atproto.repo.deleteRecord": ACCESS.apps(DELETES),
    "com.atproto.repo.describeRepo": NONE,
    "com.atproto.repo.getRecord": NONE,
    "com.atproto.repo.importRepo": FULL.refusing_takendown().apps(MANAGES_REPO),
    "com.atproto.repo.listMissingBlobs": ACCESS.apps(ANY_APP),
    "com.atproto.repo.listRecords": NONE,
    "com.atproto.repo.putRecord": ACCESS.apps(PUTS),
    "com.atproto.repo.uploadBlob": ACCESS_OR_SERVICE.refusing_takendown().apps(UPLOADS),
    # Accounts
    "com.atproto.server.activateAccount": FULL.apps(NO_APP),
    "com.atproto.server.checkAccountStatus": ACCESS.apps(ANY_APP),
    "com.atproto.server.createAccount": OPTIONAL_SERVICE,
    "com.atproto.server.deactivateAccount": FULL.also(_DOWN).apps(NO_APP),
    "com.atproto.server.deleteAccount": NONE,
    "com.atproto.server.describeServer": NONE,
    "com.atproto.server.requestAccountDelete": FULL.refusing_takendown().apps(NO_APP),
    "com.atproto.server.reserveSigningKey": NONE,
    # Passwords, addresses, codes
    "com.atproto.server.confirmEmail": ACCESS.refusing_takendown().apps(MANAGES_EMAIL),
    "com.atproto.server.createAppPassword": FULL.refusing_takendown().apps(NO_APP),
    "com.atproto.server.createInviteCode": ADMIN,
    "com.atproto.server.createInviteCodes": ADMIN,
    "com.atproto.server.getAccountInviteCodes": FULL.refusing_takendown().apps(NO_APP),
    "com.atproto.server.listAppPasswords": ACCESS.apps(NO_APP),
    "com.atproto.server.requestEmailConfirmation": ACCESS.refusing_takendown().apps(MANAGES_EMAIL),
    "com.atproto.server.requestEmailUpdate": FULL.refusing_takendown().apps(NO_APP_CHANGES_EMAIL),
    "com.atproto.server.requestPasswordReset": NONE,
    "com.atproto.server.resetPassword": NONE,
    "com.atproto.server.revokeAppPassword": ACCESS.apps(NO_APP),
    "com.atproto.server.updateEmail": FULL.refusing_takendown().apps(NO_APP_CHANGES_EMAIL),
    # Sessions and tokens. Of getSession's answer an app gets the e-mail address by `account:email` only.
    "com.atproto.server.createSession": NONE,
    "com.atproto.server.deleteSession": REFRESH_EVEN_EXPIRED,
    "com.atproto.server.getServiceAuth": ACCESS.also(_DOWN).apps(SERVICE_TOKEN),
    "com.atproto.server.getSession": ACCESS.also(_QUEUED).apps(ANY_APP),
    "com.atproto.server.refreshSession": REFRESH,
    # Replication
    "com.atproto.sync.getBlob": OPTIONAL.also(_DOWN).apps(ANY_APP),
    "com.atproto.sync.getBlocks": OPTIONAL.apps(ANY_APP),
    "com.atproto.sync.getCheckout": OPTIONAL.apps(ANY_APP),
    "com.atproto.sync.getHead": OPTIONAL.apps(ANY_APP),
    "com.atproto.sync.getLatestCommit": OPTIONAL.apps(ANY_APP),
    "com.atproto.sync.getRecord": OPTIONAL.apps(ANY_APP),
    "com.atproto.sync.getRepo": OPTIONAL.also(_DOWN).apps(ANY_APP),
    "com.atproto.sync.getRepoStatus": NONE,
    "com.atproto.sync.listBlobs": OPTIONAL.also(_DOWN).apps(ANY_APP),
    "com.atproto.sync.listRepos": NONE,
    "com.atproto.sync.subscribeRepos": NONE,
    "com.atproto.temp.checkHandleAvailability": NONE,
    "com.atproto.temp.checkSignupQueue": ACCESS.also(_QUEUED).apps(NO_APP),
}

# What is not answered here goes to another service. The proxy narrows what the session of an account that was taken
# down may have passed on.
PASSED_ON_ACCESS: Final = ACCESS.also(_DOWN).apps(PASSED_ON)
