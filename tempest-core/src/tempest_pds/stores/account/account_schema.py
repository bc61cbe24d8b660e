"""All tables of `account.sqlite`, and the revision they stand for."""

from __future__ import annotations

from typing import Final

from tempest_pds.stores.account import oauth_tables, sign_in_tables, tables
from tempest_pds.stores.schema import Schema

# Tables are part of the metadata once their module is imported.
assert oauth_tables.OAUTH_SESSION.metadata is sign_in_tables.BROWSER.metadata is tables.METADATA

SCHEMA: Final = Schema("account", tables.METADATA, head="account_0009")
