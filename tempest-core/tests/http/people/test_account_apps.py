"""The page of the apps that may use an account, with apps that do."""

from __future__ import annotations

from pathlib import Path

from authorizing import signed_in
from oauth_flow import PUBLIC, provider


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
