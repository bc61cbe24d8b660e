"""Repositories: a signed commit over a Merkle search tree of records. Pure; blocks come from a `BlockSource`."""
