"""What a browser or another program is called, by what it says of itself."""

from __future__ import annotations

import pytest

from tempest_pds.http.pages.people.languages import Texts
from tempest_pds.http.pages.people.user_agents import describe_client


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:130.0) Gecko/20100101 Firefox/130.0", "Firefox, Windows"),
        ("Mozilla/5.0 (compatible)", "Unknown program"),
        ("Mozilla/5.0 (X11; Linux x86_64)", "Linux"),
        ("python-httpx/0.28.1", "python-httpx/0.28.1"),
        ("node", "node"),
        ("Skeets/1.74 CFNetwork/1474 Darwin/23.0.0", "Skeets/1.74"),
        ("com.example.app/2 (Android 14)", "com.example.app/2, Android"),
        ("Your account is locked: call +1", "Your"),
        ("https://evil.example/", "Unknown program"),
        ("x" * 200, "Unknown program"),
        ("\u202eevil/1", "Unknown program"),
        ("", "Unknown program"),
        (None, "Unknown program"),
    ],
)
def test_a_program_is_called_by_what_its_owner_knows_it_by(user_agent: str | None, name: str) -> None:
    assert describe_client(user_agent, Texts("en")) == name
