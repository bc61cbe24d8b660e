"""Where the servers of a move are, and what a message says of servers on one's own machine."""

from dataclasses import replace

import pytest

from tempest_pds.migration.origins import advice_on_ledgers
from tempest_pds.migration.patience import Patience
from tempest_pds.migration.plan import Plan
from tempest_pds.migration.xrpc import Server
from tempest_pds.remote.safe_fetch import SafeFetch

PLAN = Plan(account="did:plc:a", target="https://new.example.com")


def server(url: str) -> Server:
    return Server(SafeFetch(), url, "the source", Patience(0, lambda line: None))


@pytest.mark.parametrize("url", ["http://localhost:4872", "http://127.0.0.1:4872", "http://[::1]:4872"])
def test_servers_on_this_machine_want_a_ledger_in_common(url: str) -> None:
    assert "give both servers one TEMPEST_PLC_URL" in advice_on_ledgers(PLAN, None, server(url))
    assert advice_on_ledgers(replace(PLAN, plc_url="http://localhost:2582"), None, server(url)) == ""


def test_servers_elsewhere_have_the_public_one() -> None:
    assert advice_on_ledgers(PLAN, None, server("https://new.example.com")) == ""
