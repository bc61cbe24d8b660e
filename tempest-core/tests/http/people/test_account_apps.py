"""The page of the apps that may use an account, with apps that do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from authorizing import loopback, signed_in
from oauth_flow import PUBLIC, provider

from tempest_pds.http.pages.people.apps import MOST_SHOWN


async def test_the_owner_ends_one_session_of_an_app_and_then_all(tmp_path: Path) -> None:
    async with provider(tmp_path) as there:
        alice = await there.server.sign_up("alice")
        client = there.client()
        tokens = [(await there.client().sign_in(alice))["access_token"] for _ in range(3)]
        browser = await signed_in(there.server, alice)
        apps = f"/account/{alice.did}/apps"
        await browser.get(apps)
        ending = [form for form in browser.page.forms if form.action == f"{apps}/end-session"]
        assert len({form.fields["session"] for form in ending}) == 3
        await browser.follow(await browser.post(ending[0].action, ending[0].fields))
        assert "The app is signed out there." in browser.page.words
        assert sorted(map(client.is_good, tokens)) == [False, True, True]
        assert [form.fields["client"] for form in browser.page.forms if form.action == f"{apps}/revoke"] == [PUBLIC]
        await browser.follow(await browser.submit(f"{apps}/revoke"))
        assert not any(map(client.is_good, tokens))
        await browser.get(f"/account/{alice.did}/security")
        for words in ("An app was signed out", "An app may not use the account any more"):
            assert words in browser.page.words


async def test_apps_in_development_are_told_apart_by_address_and_identifier(tmp_path: Path) -> None:
    async with provider(tmp_path) as there:
        alice = await there.server.sign_up("alice")
        ids = [loopback(redirect_uri=f"http://127.0.0.1:{port}/back") for port in (3001, 3002)]
        for client_id, redirect_uri in zip(
            ["http://localhost", *ids],
            ("http://127.0.0.1/", "http://127.0.0.1:3001/back", "http://127.0.0.1:3002/back"),
            strict=True,
        ):
            await there.client(client_id, redirect_uri=redirect_uri).sign_in(alice, scope="atproto")
        browser = await signed_in(there.server, alice)
        await browser.get(f"/account/{alice.did}/apps")
        for words in (*ids, "http://127.0.0.1:3001/back", "http://127.0.0.1:3002/back", "http://[::1]/"):
            assert words in browser.page.words


async def test_of_apps_that_may_do_very_much_not_all_is_said(tmp_path: Path) -> None:
    async with provider(tmp_path) as there:
        alice = await there.server.sign_up("alice")
        await there.client().sign_in(alice, scope="atproto")
        store = there.server.services.oauth.requests._store
        [session] = store.oauth_sessions.of_account(alice.did)
        much = "atproto " + " ".join(f"repo:com.example.n{n:04}" for n in range(400))
        for n in range(20):
            more = replace(session, id=f"{n}", code_hash=b"%d" % n, scope=much, used_at=session.used_at - 1 - n)
            store.oauth_sessions.add(more)
        browser = await signed_in(there.server, alice)
        await browser.get(f"/account/{alice.did}/apps")
        shown = browser.page.words.count("Know who you are")
        assert "Know who you are" in browser.page.words
        assert shown + browser.page.words.count("What it may do is too long to be shown here.") == 21
        assert len(browser.page.words) < 3 * MOST_SHOWN
        ending = [form for form in browser.page.forms if form.action.endswith("/end-session")]
        assert len({form.fields["session"] for form in ending}) == 21
