"""com.atproto.admin as its clients use it, beside what the comparison with the reference server covers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from whole_server import PASSWORD, PNG, POST, User, WholeServer, verdict, whole_server

from tempest_pds.http.method_access import METHOD_ACCESS
from tempest_pds.http.methods import load_methods
from tempest_pds.protocol.syntax.did import Did

ADMIN, SERVER, REPO = "com.atproto.admin", "com.atproto.server", "com.atproto.repo"
SECRETS = ("a-new-password", "new@example.com", "the text of a mail", PASSWORD)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[WholeServer]:
    async with whole_server(tmp_path) as server:
        yield server


_MAIL, _HTML = "a mail, not sent", "its HTML"


def lines_of(server: WholeServer, event: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in server.log_text().splitlines()]
    return [line for line in lines if line["event"] == event]


async def names(server: WholeServer, **params: Any) -> tuple[list[str], str | None]:
    answer = (await server.administer(f"{ADMIN}.searchAccounts", **params)).json()
    return [account["handle"] for account in answer["accounts"]], answer.get("cursor")


async def test_accounts_are_found_by_a_part_of_their_address_or_handle_or_by_did(server: WholeServer) -> None:
    alice = await server.sign_up("alice", email="first@mail.example.com")
    await server.sign_up("bob_is_no_handle".replace("_", "-"), email="a_b%c@example.org")
    assert (await names(server, email="MAIL.example"))[0] == ["alice.test"]
    assert (await names(server, email="alic"))[0] == ["alice.test"]
    assert (await names(server, email=alice.did))[0] == ["alice.test"]
    assert (await names(server, email="b%c"))[0] == ["bob-is-no-handle.test"]
    assert (await names(server, email="%"))[0] == ["bob-is-no-handle.test"]
    assert (await names(server, email="nobody"))[0] == []


async def test_a_search_without_a_text_pages_through_all_accounts(server: WholeServer) -> None:
    made = [(await server.sign_up(f"user{number}")).handle for number in range(5)]
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page, after = await names(server, limit=2, **cursor)
        found += page
        if after is None:
            break
        cursor = {"cursor": after}
    assert found == made
    refused = await server.administer(f"{ADMIN}.searchAccounts", cursor="rubbish")
    assert verdict(refused) == (400, "InvalidRequest")


async def test_info_tells_of_invitations(server: WholeServer) -> None:
    alice = await server.sign_up("alice")
    given = {"useCount": 1, "forAccount": alice.did}
    code = (await server.administer(f"{SERVER}.createInviteCode", given)).json()["code"]
    bob = await server.sign_up("bob", inviteCode=code)
    await server.administer(f"{ADMIN}.disableAccountInvites", {"account": alice.did, "note": "spam"})
    answer = await server.administer(f"{ADMIN}.getAccountInfos", dids=[bob.did, alice.did, bob.did])
    of_bob, of_alice = answer.json()["infos"]
    assert of_bob["invitedBy"]["code"] == code
    assert of_bob["invitedBy"]["uses"][0]["usedBy"] == bob.did
    assert (of_bob["invites"], of_bob["invitesDisabled"]) == ([], False)
    assert [invite["code"] for invite in of_alice["invites"]] == [code]
    assert (of_alice["invitesDisabled"], of_alice["inviteNote"]) == (True, "spam")


async def test_an_account_that_may_not_invite_has_codes_that_are_worth_nothing(server: WholeServer) -> None:
    alice = await server.sign_up("alice")
    given = {"useCount": 5, "forAccount": alice.did}
    code = (await server.administer(f"{SERVER}.createInviteCode", given)).json()["code"]

    async def sign_up(name: str) -> tuple[int, str]:
        given = {"handle": f"{name}.test", "email": f"{name}@example.com", "password": PASSWORD, "inviteCode": code}
        return verdict(await server.http.post(f"/xrpc/{SERVER}.createAccount", json=given))

    await server.administer(f"{ADMIN}.disableAccountInvites", {"account": alice.did})
    assert await sign_up("bob") == (400, "InvalidInviteCode")
    await server.administer(f"{ADMIN}.enableAccountInvites", {"account": alice.did})
    assert await sign_up("bob") == (200, "")
    await server.administer(f"{ADMIN}.disableInviteCodes", {"codes": [code]})
    assert await sign_up("carol") == (400, "InvalidInviteCode")


@pytest.mark.parametrize("sort", ["recent", "usage"])
async def test_codes_are_paged_in_either_order(server: WholeServer, sort: str) -> None:
    made = []
    for uses in range(5):
        code = (await server.administer(f"{SERVER}.createInviteCode", {"useCount": 9})).json()["code"]
        made.append(code)
        for number in range(uses):
            await server.sign_up(f"user{uses}{number}", inviteCode=code)
    found: list[str] = []
    more: dict[str, str] = {}
    while True:
        answer = (await server.administer(f"{ADMIN}.getInviteCodes", sort=sort, limit=2, **more)).json()
        found += [code["code"] for code in answer["codes"]]
        if "cursor" not in answer:
            break
        more = {"cursor": answer["cursor"]}
    # Later codes are used more often, so both orders are this one.
    assert found == made[::-1]


async def test_a_new_password_ends_sessions_but_not_app_passwords(server: WholeServer) -> None:
    alice = await server.sign_up("alice")
    app = (await alice.post(f"{SERVER}.createAppPassword", {"name": "app"})).json()["password"]
    given = {"did": alice.did, "password": "a-new-password"}
    assert (await server.administer(f"{ADMIN}.updateAccountPassword", given)).status_code == 200

    async def login(password: str) -> tuple[int, str]:
        given = {"identifier": alice.did, "password": password}
        return verdict(await server.http.post(f"/xrpc/{SERVER}.createSession", json=given))

    assert await login(PASSWORD) == (401, "AuthenticationRequired")
    assert await login("a-new-password") == (200, "")
    assert await login(app) == (200, "")
    refreshed = await server.http.post(
        f"/xrpc/{SERVER}.refreshSession", headers={"Authorization": f"Bearer {alice.refresh}"}
    )
    assert verdict(refreshed) == (400, "ExpiredToken")


async def test_a_new_address_is_not_confirmed(server: WholeServer) -> None:
    alice = await server.sign_up("alice")
    accounts, writer = server.services.accounts._store.accounts, server.services.accounts._writer
    await writer.run(accounts.confirm_email, alice.did, 1)
    given = {"account": alice.handle, "email": "NEW@example.com"}
    assert (await server.administer(f"{ADMIN}.updateAccountEmail", given)).status_code == 200
    session = (await alice.get(f"{SERVER}.getSession")).json()
    assert (session["email"], session["emailConfirmed"]) == ("new@example.com", False)


async def test_the_administrator_gives_reserved_names_away(server: WholeServer) -> None:
    alice = await server.sign_up("alice")
    assert verdict(await alice.post("com.atproto.identity.updateHandle", {"handle": "support.test"})) == (
        400,
        "HandleNotAvailable",
    )
    given = {"did": alice.did, "handle": "support.test"}
    assert (await server.administer(f"{ADMIN}.updateAccountHandle", given)).status_code == 200
    assert (await alice.get(f"{SERVER}.getSession")).json()["handle"] == "support.test"


async def test_a_handle_can_be_taken_from_an_account_that_is_down(server: WholeServer) -> None:
    alice = await server.sign_up("offensive")
    await server.take_down(alice)
    given = {"did": alice.did, "handle": "alice.test"}
    assert (await server.administer(f"{ADMIN}.updateAccountHandle", given)).status_code == 200
    assert (await server.administer(f"{ADMIN}.getAccountInfo", did=alice.did)).json()["handle"] == "alice.test"


# Mail


async def mailed(server: WholeServer, content: str, **more: str) -> tuple[str, str, str]:
    """Send a mail as a moderator does, and give its subject and its two forms as the log mailer shows them."""
    alice = await server.sign_up("alice")
    given = {"recipientDid": alice.did, "senderDid": alice.did, "content": content, **more}
    answer = await server.administer(f"{ADMIN}.sendEmail", given)
    assert (answer.status_code, answer.json()) == (200, {"sent": True}), answer.text
    for _ in range(1000):
        if html := lines_of(server, _HTML):
            break
        await asyncio.sleep(0.01)
    (mail,) = lines_of(server, _MAIL)
    assert mail["to"] == "alice@example.com"
    return mail["subject"], mail["text"], html[0]["html"]


async def test_a_mail_in_plain_text_goes_as_it_is(server: WholeServer) -> None:
    mail = await mailed(server, "1 < 2, says\n  the moderator", subject="A word")
    assert mail == ("A word", "1 < 2, says\n  the moderator", "")


async def test_a_mail_in_html_gets_a_text_beside_it(server: WholeServer) -> None:
    content = "<style>p {}</style><p>Dear&nbsp;you,</p><p>read <a href='https://x.test/r'>the rules</a>.</p>"
    mail = await mailed(server, content)
    assert mail == ("Message via your PDS", "Dear you,\n\nread the rules [https://x.test/r].", content)


@pytest.mark.parametrize("subject", ["two\nlines", "a bell\a"])
async def test_a_subject_that_would_break_a_header_is_refused(server: WholeServer, subject: str) -> None:
    alice = await server.sign_up("alice")
    given = {"recipientDid": alice.did, "senderDid": alice.did, "content": "hello", "subject": subject}
    assert verdict(await server.administer(f"{ADMIN}.sendEmail", given)) == (400, "InvalidRequest")


# The audit


def worst(alice: User, uri: str, blob: str) -> dict[str, list[tuple[dict[str, Any], object]]]:
    """Give input for every procedure, and the subject that the log must name."""
    repo = {"$type": f"{ADMIN}.defs#repoRef", "did": alice.did}
    record = {"$type": f"{REPO}.strongRef", "uri": uri, "cid": blob}
    picture = {"$type": f"{ADMIN}.defs#repoBlobRef", "did": alice.did, "cid": blob}
    takedown = {"applied": True, "ref": "reason"}
    account = ({"account": alice.did}, alice.did)
    return {
        f"{ADMIN}.updateAccountEmail": [({"account": alice.did, "email": "new@example.com"}, alice.did)],
        f"{ADMIN}.updateAccountHandle": [({"did": alice.did, "handle": "other.test"}, alice.did)],
        f"{ADMIN}.updateAccountPassword": [({"did": alice.did, "password": "a-new-password"}, alice.did)],
        f"{ADMIN}.sendEmail": [
            ({"recipientDid": alice.did, "senderDid": alice.did, "content": "the text of a mail"}, alice.did)
        ],
        f"{ADMIN}.disableInviteCodes": [({"accounts": [alice.did]}, [alice.did])],
        f"{ADMIN}.enableAccountInvites": [account],
        f"{ADMIN}.disableAccountInvites": [account],
        f"{SERVER}.createInviteCode": [({"useCount": 1}, "admin")],
        f"{SERVER}.createInviteCodes": [
            ({"useCount": 1, "codeCount": 1, "forAccounts": [alice.did]}, [alice.did]),
        ],
        f"{ADMIN}.updateSubjectStatus": [
            ({"subject": record, "takedown": takedown}, uri),
            ({"subject": picture, "takedown": takedown}, f"{alice.did}/{blob}"),
            ({"subject": repo, "takedown": takedown}, alice.did),
        ],
        f"{ADMIN}.deleteAccount": [({"did": alice.did}, alice.did)],
    }


def actions(server: WholeServer) -> list[dict[str, Any]]:
    return lines_of(server, "admin.action")


async def test_each_action_is_in_the_log_once_with_its_subject_and_without_a_secret(server: WholeServer) -> None:
    alice = await server.sign_up("alice")
    blob = await alice.picture()
    listed = await server.anybody(f"{REPO}.listRecords", repo=alice.did, collection=POST)
    inputs = worst(alice, listed.json()["records"][0]["uri"], blob)
    procedures = {
        nsid for nsid, method in load_methods().items() if method.kind == "procedure" and METHOD_ACCESS[nsid].admin
    }
    assert procedures == set(inputs), "every action has a line in this table"
    for nsid, calls in inputs.items():
        for given, subject in calls:
            before = len(actions(server))
            answer = await server.administer(nsid, given)
            assert answer.status_code == 200, answer.text
            (line,) = actions(server)[before:]
            assert (line["method"], line["by"], line["subject"]) == (nsid, "admin", subject)
    # On localhost a mail goes into the log instead, and that is meant.
    said = "\n".join(line for line in server.log_text().splitlines() if json.loads(line)["event"] not in {_MAIL, _HTML})
    for secret in (*SECRETS, server.admin_token):
        assert secret not in said


async def test_what_was_refused_is_no_action(server: WholeServer) -> None:
    alice = await server.sign_up("alice")
    await alice.upload(PNG, "image/png")
    nobody = {"did": "did:plc:ewvi7nxzyoun6zhxrhs64oiz"}
    assert verdict(await server.administer(f"{ADMIN}.deleteAccount", nobody)) == (400, "AccountNotFound")
    assert verdict(await alice.post(f"{ADMIN}.deleteAccount", {"did": alice.did}))[0] == 401
    assert actions(server) == []


async def test_the_log_says_which_moderator_it_was(tmp_path: Path) -> None:
    did = "did:web:referee.test"
    async with whole_server(tmp_path, TEMPEST_HOSTED_DID_METHOD="web", TEMPEST_MOD_SERVICE_DID=did) as server:
        alice, moderator = await server.sign_up("alice"), await server.sign_up("referee")
        assert moderator.did == did
        method = f"{ADMIN}.updateSubjectStatus"
        token = server.services.service_auth.mint(Did(did), "did:web:localhost", method)
        given = {"subject": {"$type": f"{ADMIN}.defs#repoRef", "did": alice.did}, "takedown": {"applied": True}}
        headers = {"Authorization": f"Bearer {token}"}
        answer = await server.http.post(f"/xrpc/{method}", json=given, headers=headers)
        assert answer.status_code == 200, answer.text
        (line,) = actions(server)
        assert (line["by"], line["subject"], line["takedown"]) == (did, alice.did, True)
