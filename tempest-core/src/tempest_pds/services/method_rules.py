"""Which methods may be passed on to other servers in an account's name, and by whom.

Method names are compared without regard to case, because some servers route them so.
"""

from typing import Final

# Whoever holds a service token for one of these could take the account over: they are called here directly, or not at
# all.
_PROTECTED: Final = frozenset(
    name.lower()
    for name in (
        "com.atproto.admin.sendEmail",
        "com.atproto.identity.requestPlcOperationSignature",
        "com.atproto.identity.signPlcOperation",
        "com.atproto.identity.submitPlcOperation",
        "com.atproto.identity.updateHandle",
        "com.atproto.server.activateAccount",
        "com.atproto.server.confirmEmail",
        "com.atproto.server.createAppPassword",
        "com.atproto.server.createSession",
        "com.atproto.server.deactivateAccount",
        "com.atproto.server.deleteAccount",
        "com.atproto.server.deleteSession",
        "com.atproto.server.getAccountInviteCodes",
        "com.atproto.server.getServiceAuth",
        "com.atproto.server.getSession",
        "com.atproto.server.listAppPasswords",
        "com.atproto.server.refreshSession",
        "com.atproto.server.requestAccountDelete",
        "com.atproto.server.requestEmailConfirmation",
        "com.atproto.server.requestEmailUpdate",
        "com.atproto.server.requestPasswordReset",
        "com.atproto.server.resetPassword",
        "com.atproto.server.revokeAppPassword",
        "com.atproto.server.updateEmail",
    )
)

# What a PDS does itself: without a named service there is nobody else to ask for these.
_OWN_FAMILIES: Final = (
    "com.atproto.admin.",
    "com.atproto.identity.",
    "com.atproto.repo.",
    "com.atproto.server.",
    "com.atproto.sync.",
    "com.atproto.temp.",
)

CREATE_ACCOUNT: Final = "com.atproto.server.createAccount"
CREATE_REPORT: Final = "com.atproto.moderation.createReport"
GET_FEED: Final = "app.bsky.feed.getFeed"
GET_FEED_SKELETON: Final = "app.bsky.feed.getFeedSkeleton"
_PUSH: Final = frozenset(("app.bsky.notification.registerpush", "app.bsky.notification.unregisterpush"))


def is_protected(method: str) -> bool:
    """Tell whether a method is never passed on, and no token is ever made for it."""
    return method.lower() in _PROTECTED


def is_privileged(method: str) -> bool:
    """Tell whether a method needs the account's password or a privileged app password: messages, and moving out."""
    folded = method.lower()
    return folded.startswith("chat.bsky.") or folded == CREATE_ACCOUNT.lower()


def is_own(method: str) -> bool:
    """Tell whether a method is a PDS's own affair, never the default service's."""
    return method.lower().startswith(_OWN_FAMILIES) or is_protected(method)


def is_push(method: str) -> bool:
    """Tell whether a method goes to the push service that its body names."""
    return method.lower() in _PUSH


def is_open_to_takendown(method: str) -> bool:
    """Tell whether an account keeps this method after a takedown."""
    return method == CREATE_REPORT
