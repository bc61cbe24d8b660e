"""Consent that is under way while what it rests on comes to an end: its app gets nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from authorizing import CONSENT, opened, signed_in
from pyotp import TOTP
from tests.support.app_hosts import AppHosts, app_hosts, client_document
from whole_server import User, WholeServer, whole_server

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.remote.client_documents import ClientDocuments
from tempest_pds.services.sign_in import Visitor

SLOW = "https://slow.example.net/client.json"

pytestmark = pytest.mark.asyncio(loop_scope="module")

Event = Callable[[WholeServer, User], Awaitable[None]]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def hosts(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[AppHosts]:
    async with app_hosts(tmp_path_factory.mktemp("hosts")) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WholeServer]:
    async with whole_server(tmp_path_factory.mktemp("races")) as started:
        yield started


async def new_password(server: WholeServer, user: User) -> None:
    await server.administer("com.atproto.admin.updateAccountPassword", {"did": user.did, "password": "another one"})


async def sign_out_of_all_others(server: WholeServer, user: User) -> None:
    elsewhere = await signed_in(server, user)
    await server.services.browsers.sign_out_others(Did(user.did), elsewhere.cookies["tempest-browser"])


async def second_factor(server: WholeServer, user: User) -> None:
    enrolment, visitor = server.services.enrolment, Visitor(browser=b"e" * 32)
    new = await enrolment.begin_app(Did(user.did), visitor)
    await enrolment.confirm_app(Did(user.did), TOTP(new.secret).now(), visitor)


def forget_documents(server: WholeServer, hosts: AppHosts) -> None:
    clients: Any = server.services.oauth.clients
    clients._documents = ClientDocuments(hosts.fetch)


@pytest.mark.parametrize("happens", [new_password, sign_out_of_all_others, second_factor])
async def test_consent_that_waits_for_the_apps_own_server_is_none_once_its_sign_in_has_ended(
    server: WholeServer, hosts: AppHosts, user: User, happens: Event
) -> None:
    hosts.publish(SLOW, client_document(SLOW))
    forget_documents(server, hosts)
    browser = await signed_in(server, user)
    await opened(server, SLOW, browser, scope="atproto transition:generic")
    forget_documents(server, hosts)
    page = hosts.publish(SLOW, client_document(SLOW), gate=asyncio.Event())
    consent = asyncio.create_task(browser.submit(CONSENT, decision="allow"))
    await page.wanted.wait()
    await happens(server, user)
    assert page.gate is not None
    page.gate.set()
    # To sign in anew, with the request still open.
    answer = await consent
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/oauth/authorize/resume?")
