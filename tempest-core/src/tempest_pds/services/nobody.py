"""The account that is looked at and written to where there is none, so that strangers cannot tell by the work."""

from typing import Final

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.stores.account.accounts import Account

NOBODY: Final = Account(
    did=Did("did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"), handle=None, created_at=0, email="nobody@localhost.invalid"
)
"""Stands for an account where there is none, so that the same work is done."""
