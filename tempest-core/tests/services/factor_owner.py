"""Somebody with an account, and with whatever of second factors a test gives him."""

from __future__ import annotations

from typing import Any

import pytest
from account_world import PASSWORD, World
from pyotp import TOTP
from tests.support.soft_passkey import SoftPasskey

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.sign_in import FactorAnswer, FactorNeeded, Visitor

BROWSER = Visitor(client_ip="192.0.2.1", user_agent="a browser", browser=b"b" * 32)
OTHER = Visitor(client_ip="192.0.2.1", user_agent="a browser", browser=b"o" * 32)


class Owner:
    """Somebody with an account, and with whatever of factors a test gives him."""

    def __init__(self, world: World, did: Did) -> None:
        self.world = world
        self.did = did
        self.app: TOTP | None = None
        self.codes: list[str] = []

    async def add_app(self) -> None:
        new = await self.world.enrolment.begin_app(self.did, BROWSER)
        self.app = TOTP(new.secret)
        self.codes += await self.world.enrolment.confirm_app(self.did, self.code(), BROWSER)
        self.world.clock.now += 30

    async def add_passkey(self, **options: Any) -> SoftPasskey:
        passkey = SoftPasskey("http://localhost:4000", "localhost", **options)
        begun = self.world.enrolment.begin_passkey(self.did, BROWSER)
        answer = passkey.register(begun.options)
        self.codes += await self.world.enrolment.add_passkey(self.did, begun.ticket, "My key", answer, BROWSER)
        return passkey

    def code(self, steps_off: int = 0) -> str:
        assert self.app is not None
        return self.app.at(int(self.world.clock.now) + 30 * steps_off)

    def wrong_code(self) -> str:
        near = {self.code(off) for off in (-2, -1, 0, 1, 2)}
        return next(code for code in ("000000", "111111", "222222", "333333", "444444", "555555") if code not in near)

    async def log_in(self, code: str | None = None, password: str = PASSWORD) -> Any:
        return await self.world.sessions.create("alice.test", password, code=code)

    async def ask(self, visitor: Visitor = BROWSER) -> FactorNeeded:
        with pytest.raises(FactorNeeded) as caught:
            await self.world.sign_in.with_password("alice.test", PASSWORD, visitor)
        return caught.value

    async def answer(self, needed: FactorNeeded, visitor: Visitor = BROWSER, **answer: str) -> Any:
        return await self.world.sign_in.with_factor(needed.ticket, FactorAnswer(**answer), visitor)
