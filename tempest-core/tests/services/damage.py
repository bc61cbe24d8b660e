"""Ways in which a repository's file comes to harm."""

from __future__ import annotations

from tempest_pds.stores.actor.store import ActorStore


def change(store: ActorStore, statement: str, *values: object) -> None:
    """Change a file behind the back of the store; something has to change."""
    writer = store.database.writer
    writer.execute("BEGIN")
    changed = writer.execute(statement, values).rowcount
    writer.execute("COMMIT")
    assert changed > 0


def flip_a_byte_in_a_record(store: ActorStore, path: str) -> None:
    found = store.get_record(path)
    assert found is not None
    value = found[1]
    change(store, "UPDATE record SET value = ? WHERE path = ?", value[:-3] + bytes([value[-3] ^ 1]) + value[-2:], path)


def delete_nodes(store: ActorStore) -> None:
    """Delete the top of the tree, and half of the rest."""
    store.checkpoint()
    head = store.head()
    assert head is not None
    middle = store.database.reader.execute("SELECT cid FROM node ORDER BY cid").fetchall()
    change(store, "DELETE FROM node WHERE cid < ? OR cid = ?", middle[len(middle) // 2][0], head.data.raw)
