"""`tempest oauth`: the keys that access tokens are signed with, while a server runs and while none does."""

import json

from tests.cli.conftest import Site
from tests.support.command import command, refused
from tests.support.process import json_request

KEYS = "/xrpc/_admin/oauth/keys"


def kept(site: Site) -> dict[str, str | None]:
    """Read the keys from the disk: their names, with the private half of the one that has it."""
    keys = json.loads((site.server.folder / "oauth_jwks.json").read_text())["keys"]
    return {key["kid"]: key.get("d") for key in keys}


def test_a_rotation_keeps_the_former_key_for_an_hour_and_tells_nobody_the_new_one(site: Site) -> None:
    before = kept(site)
    made = command(site.server, "oauth", "rotate-keys").split()[0]
    assert list(kept(site)) == [*before, made]
    shown = command(site.server, "oauth", "keys")
    *former, last = shown.splitlines()
    assert last.split()[0] == made
    assert last.endswith("signs")
    assert [line.split()[0] for line in former] == list(before)
    assert all("verifies until" in line for line in former)
    secret = kept(site)[made]
    assert secret is not None
    assert secret not in shown
    assert secret not in site.server.log.read_text()


def test_a_rotation_now_drops_the_former_keys_and_asks_before(site: Site) -> None:
    before = kept(site)
    assert "give --yes" in refused(site.server, "oauth", "rotate-keys", "--now")
    assert kept(site) == before
    made = command(site.server, "oauth", "rotate-keys", "--now", "--yes").split()[0]
    assert list(kept(site)) == [made]
    assert [key["kid"] for key in json.loads(command(site.server, "oauth", "keys", "--json"))["keys"]] == [made]


def test_only_the_administrator_sees_or_replaces_them(site: Site) -> None:
    if not site.server.running:
        return
    for path, body in ((KEYS, None), (f"{KEYS}/rotate", {"now": True})):
        for headers in ({}, {"Authorization": f"Bearer {site.alice.access}"}):
            assert json_request(f"{site.server.url}{path}", body, headers=headers)[0] in (401, 403)
