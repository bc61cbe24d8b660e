"""Nobody but the administrator gets at a route of the administrator, whichever it is."""

from collections.abc import Iterator

import pytest
from tests.support.account import Account, sign_up
from tests.support.process import json_request
from tests.support.server import Tempest

from tempest_pds.http.admin import load_admin_routes
from tempest_pds.http.admin_routes import AdminRoute

ROUTES = sorted(load_admin_routes().values(), key=lambda route: route.path)


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with Tempest(tmp_path_factory.mktemp("access") / "data") as server:
        yield sign_up(server)


def ask(account: Account, path: str, method: str, authorization: str | None) -> tuple[int, object]:
    headers = {} if authorization is None else {"Authorization": authorization}
    return json_request(account.server.url + path, {} if method == "POST" else None, headers=headers)


def test_there_are_routes_to_look_at() -> None:
    assert {route.path for route in ROUTES} >= {"/xrpc/_admin/control", "/xrpc/_admin/repo/verify"}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.path)
def test_an_account_is_refused(account: Account, route: AdminRoute) -> None:
    service = account.query(
        "com.atproto.server.getServiceAuth", aud="did:web:localhost", lxm="com.atproto.sync.getRepo"
    )
    for token in (account.access, account.refresh, service["token"], account.password):
        status, answer = ask(account, route.path, route.http_method, f"Bearer {token}")
        assert status in {400, 401}, answer
        assert isinstance(answer, dict)
        assert set(answer) == {"error", "message"}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.path)
def test_nobody_is_refused(account: Account, route: AdminRoute) -> None:
    assert ask(account, route.path, route.http_method, None)[0] == 401
