"""Since when an account has a second factor."""

from __future__ import annotations

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.stores.account.account_store import AccountStore


def factor_since(store: AccountStore, did: Did) -> int | None:
    """Tell since when an account has a second factor, in microseconds since 1970; None when it has none.

    Whatever was confirmed before that was confirmed without one.
    """
    secret = store.totp_secrets.get(did)
    times = [passkey.created_at for passkey in store.passkeys.list(did)]
    if secret is not None and secret.confirmed_at is not None:
        times.append(secret.confirmed_at)
    return min(times, default=None)
