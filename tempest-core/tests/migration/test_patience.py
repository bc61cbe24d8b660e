"""What is asked again, what is not, and for how long."""

from collections.abc import Awaitable, Callable

import pytest

from tempest_pds.migration.errors import CallRefused, ServerAway
from tempest_pds.migration.patience import Patience
from tempest_pds.remote.errors import Unreachable


class Time:
    """A clock that moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []
        self.said: list[str] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def patience(self, seconds: float) -> Patience:
        return Patience(seconds, self.said.append, clock=lambda: self.now, sleep=self.sleep)


def refused(status: int, retry_after: float | None = None) -> CallRefused:
    return CallRefused("the source", "com.atproto.sync.getBlob", status, "Error", "words", retry_after)


def failing(*failures: Exception) -> Callable[[], Awaitable[str]]:
    left = list(failures)

    async def attempt() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return attempt


@pytest.mark.parametrize("failure", [refused(500), refused(502), refused(524), Unreachable("gone")])
async def test_what_may_pass_is_tried_again(failure: Exception) -> None:
    time = Time()
    assert await time.patience(60).run("the source", failing(failure, failure, failure)) == "done"
    assert time.slept == [0.5, 1, 2]


async def test_what_the_request_is_to_blame_for_is_not() -> None:
    time = Time()
    with pytest.raises(CallRefused):
        await time.patience(60).run("the source", failing(refused(400)))
    assert time.slept == []


async def test_what_may_have_been_done_is_not_asked_for_twice() -> None:
    time = Time()
    with pytest.raises(ServerAway, match="does not answer"):
        await time.patience(60).run("the source", failing(Unreachable("gone")), repeatable=False)
    with pytest.raises(CallRefused):
        await time.patience(60).run("the source", failing(refused(500)), repeatable=False)
    assert await time.patience(60).run("the source", failing(refused(429, 3)), repeatable=False) == "done"
    assert time.slept == [3]


async def test_patience_ends() -> None:
    time = Time()
    with pytest.raises(ServerAway, match=r"the source does not answer .* same command again"):
        await time.patience(60).run("the source", failing(*[Unreachable("gone")] * 100))
    assert time.now == 60
    assert time.said, "a person would notice"


async def test_what_a_server_asks_for_is_given_however_long_it_takes() -> None:
    time = Time()
    assert await time.patience(0).run("the source", failing(refused(429, 300), refused(503, 20))) == "done"
    assert time.slept == [300, 20]
    assert "waiting 300 s as it asks" in time.said[0]
