import asyncio
import re
from collections.abc import Iterator
from unittest import mock

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import VerifyMismatchError

from tempest_pds.logs import redact_path
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services import passwords as module
from tempest_pds.services.errors import NotEnoughResources
from tempest_pds.services.passwords import (
    Passwords,
    generate_app_password,
    generate_password,
    hash_app_password,
)

ALICE = Did.parse("did:plc:aaaaaaaaaaaaaaaaaaaaaaaa")


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    made = Passwords(memory_kib=64)
    yield made
    made.close()


async def test_a_password_is_told_from_another(passwords: Passwords) -> None:
    stored = await passwords.hash("hunter2 hunter2")
    assert stored.startswith("$argon2id$v=19$m=64,t=5,p=1$")
    assert await passwords.verify(stored, "hunter2 hunter2")
    assert not await passwords.verify(stored, "hunter3 hunter3")


@pytest.mark.parametrize("stored", [None, "", "plain", "$argon2id$v=19$m=64,t=5,p=1$x"])
async def test_without_a_usable_hash_nothing_is_right(passwords: Passwords, stored: str | None) -> None:
    assert not await passwords.verify(stored, "anything")


async def test_an_unknown_account_takes_as_long_as_a_wrong_password(passwords: Passwords) -> None:
    stored = await passwords.hash("right password")
    worked: list[object] = []
    verify = PasswordHasher.verify

    def watched(hasher: PasswordHasher, hashed: str, password: str) -> bool:
        try:
            return verify(hasher, hashed, password)
        except VerifyMismatchError:
            # Only who has done all the work can tell that.
            worked.append(extract_parameters(hashed))
            raise

    with mock.patch.object(PasswordHasher, "verify", watched):
        for candidate in (stored, None):
            assert not await passwords.verify(candidate, "wrong password")
    assert worked == [extract_parameters(stored)] * 2


async def test_a_flood_is_refused_rather_than_queued_without_end(
    passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MAX_WAITING", 3)
    results = await asyncio.gather(*(passwords.verify(None, "x") for _ in range(10)), return_exceptions=True)
    assert sum(isinstance(result, NotEnoughResources) for result in results) == 7
    assert not await passwords.verify(None, "x")


def test_an_app_password_has_the_form_that_clients_recognise() -> None:
    made = {generate_app_password() for _ in range(50)}
    assert len(made) == 50
    assert all(re.fullmatch(r"[a-z2-7]{4}(-[a-z2-7]{4}){3}", password) for password in made)


def test_a_password_that_is_made_up_is_never_taken_for_a_name_in_an_address() -> None:
    made = {generate_password() for _ in range(3_000)}
    assert len(made) == 3_000
    assert all(re.fullmatch(r"[a-z2-7]{4}(-[a-z2-7]{4}){4}", password) for password in made)
    assert {redact_path(f"/{password}") for password in made} == {"/[redacted]"}


def test_an_app_password_hashes_differently_for_each_account() -> None:
    other = Did.parse("did:plc:bbbbbbbbbbbbbbbbbbbbbbbb")
    assert hash_app_password(ALICE, "aaaa-bbbb-cccc-dddd") != hash_app_password(other, "aaaa-bbbb-cccc-dddd")
