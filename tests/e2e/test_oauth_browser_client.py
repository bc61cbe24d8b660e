"""The official client for pages, @atproto/oauth-client-browser, unchanged, in a page in a real Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, ViewportSize
from tests.support.account import Account, sign_up
from tests.support.node import Node
from tests.support.oauth_app import loopback_client_id
from tests.support.oauth_page import OAuthPage
from tests.support.oauth_pages import DESKTOP, PHONE, Walk, open_chromium
from tests.support.oauth_raw import RawClient
from tests.support.process import ServerProcess
from tests.support.reference import PlcDirectory, ReferencePds


@pytest.fixture(scope="module")
def chromium(browser_path: str) -> Iterator[Browser]:
    with open_chromium(browser_path) as browser:
        yield browser


@dataclass
class Scene:
    """A person on a server, and the page of an application."""

    chromium: Browser
    server: ServerProcess
    account: Account
    app: OAuthPage
    folder: Path

    def tab(self, context: BrowserContext, mode: str = "fragment") -> Page:
        """Open the application in a tab."""
        page = context.new_page()
        page.goto(f"{self.app.url}?mode={mode}")
        settle(page)
        return page

    def walk(self, page: Page, name: str) -> Walk:
        """Press the button that signs in, and arrive at the server."""
        page.fill("[name=handle]", self.account.handle)
        page.get_by_role("button", name="Sign in").click()
        return Walk(page, self.server, self.account, self.folder, name)

    def context(self, size: ViewportSize = DESKTOP) -> BrowserContext:
        return self.chromium.new_context(viewport=size, reduced_motion="reduce")


def settle(page: Page) -> None:
    """Wait until the application says where it stands."""
    page.wait_for_function("document.querySelector('#state')?.textContent.length > 1")


def state(page: Page) -> str:
    return page.inner_text("#state")


@pytest.fixture(scope="module", params=[pytest.param("reference", marks=pytest.mark.long), "tempest"])
def scene(
    request: pytest.FixtureRequest,
    chromium: Browser,
    node: Node,
    plc: PlcDirectory,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Scene]:
    server: ServerProcess = request.getfixturevalue(request.param)
    with OAuthPage(node, server.url, plc.url) as app:
        yield Scene(chromium, server, sign_up(server, "page"), app, tmp_path_factory.mktemp("screens"))


@pytest.fixture(scope="module")
def inside(scene: Scene) -> Iterator[Page]:
    """A tab of somebody who signed in, on a phone."""
    context = scene.context(PHONE)
    page = scene.tab(context)
    walk = scene.walk(page, "phone")
    walk.arrive()
    complaints = listen(page, scene.server.url)
    walk.sign_in()
    walk.accept()
    page.wait_for_url(f"{scene.app.url}**")
    settle(page)
    assert isinstance(scene.server, ReferencePds) or complaints == []
    yield page
    context.close()


def listen(page: Page, origin: str) -> list[str]:
    """Collect what the browser complains of on a server's pages: a style or a form that their policy forbids, say."""
    told: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and str(message.location.get("url")).startswith(origin):
            told.append(message.text)

    page.on("console", hear)
    return told


def ok(answer: Any) -> Any:
    assert answer["status"] == 200, answer
    return answer["body"]


def test_the_page_comes_back_with_a_session(scene: Scene, inside: Page) -> None:
    assert state(inside) == f"signed in as {scene.account.did} from the page"
    assert inside.url == scene.app.url
    assert ok(inside.evaluate("app.whoAmI()"))["handle"] == scene.account.handle


def test_the_page_writes_reads_uploads_and_refreshes(inside: Page) -> None:
    uri = ok(inside.evaluate("app.write('from a page')"))["uri"]
    read = ok(inside.evaluate("rkey => app.read(rkey)", uri.rsplit("/", 1)[1]))
    assert read["value"]["text"] == "from a page"
    assert ok(inside.evaluate("app.upload()"))["blob"]["mimeType"] == "image/png"
    inside.evaluate("app.refresh()")
    ok(inside.evaluate("app.write('after a refresh')"))


def test_the_page_is_still_signed_in_when_it_is_loaded_again(scene: Scene, inside: Page) -> None:
    inside.reload()
    settle(inside)
    assert state(inside) == f"signed in as {scene.account.did}"


def test_two_tabs_refresh_at_once(scene: Scene, inside: Page) -> None:
    other = scene.tab(inside.context)
    assert state(other) == f"signed in as {scene.account.did}"
    for page in (inside, other):
        page.evaluate("void (window.fresh = Promise.all([app.refresh(), app.refresh()]))")
    for page in (inside, other):
        assert len(page.evaluate("window.fresh")) == 2
    for page in (inside, other):
        ok(page.evaluate("app.write('from two tabs')"))
    other.close()


def test_signing_out_in_one_tab_ends_the_other(scene: Scene, inside: Page) -> None:
    other = scene.tab(inside.context)
    ok(other.evaluate("app.whoAmI()"))
    inside.evaluate("app.signOut()")
    assert state(inside) == "signed out"
    assert "deleted" in other.evaluate("app.whoAmI().then(JSON.stringify, String)")
    other.close()


def test_a_person_who_is_known_is_asked_again_and_may_refuse(scene: Scene, inside: Page) -> None:
    """The application is a public one, so nobody knows whether it is the same."""
    walk = scene.walk(inside, "again")
    walk.sign_in()
    walk.reject()
    inside.wait_for_url(f"{scene.app.url}**")
    settle(inside)
    assert state(inside).startswith("failed: ")


def test_a_desktop_and_the_query_and_a_window_of_its_own_do_as_well(scene: Scene) -> None:
    context = scene.context()
    page = scene.tab(context, "query")
    walk = scene.walk(page, "desktop")
    walk.sign_in()
    walk.accept()
    page.wait_for_url(f"{scene.app.url}**")
    settle(page)
    assert state(page) == f"signed in as {scene.account.did} from the page"
    page.evaluate("app.signOut()")
    with page.expect_popup() as opened:
        page.evaluate("handle => void app.popUp(handle)", scene.account.handle)
    walk = Walk(opened.value, scene.server, scene.account, scene.folder, "window")
    walk.sign_in()
    walk.accept()
    page.wait_for_function("document.querySelector('#state').textContent.startsWith('signed in')")
    assert state(page) == f"signed in as {scene.account.did} in a window of its own"
    ok(page.evaluate("app.write('from a desktop')"))
    context.close()


def test_an_application_may_send_its_person_on_to_another_origin(scene: Scene) -> None:
    """Chromium holds the redirects of the application, too, against what the page says that its forms may lead to."""
    back = f"{scene.app.url}back"
    with httpx.Client() as http:
        client = RawClient(scene.server.url, http, loopback_client_id("atproto", back), back)
        context = scene.context(PHONE)
        page = context.new_page()
        page.goto(client.authorize_url(client.request_uri(scope="atproto", login_hint=scene.account.handle)))
        walk = Walk(page, scene.server, scene.account, scene.folder, "elsewhere")
        walk.sign_in()
        walk.accept()
        page.wait_for_url(scene.app.home)
        context.close()
