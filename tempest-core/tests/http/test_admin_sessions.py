"""The table of sessions at /admin."""

from tempest_pds.http.pages.admin_sessions import IDLE_SECONDS, AdminSessions


class Clock:
    now = 0.0

    def __call__(self) -> float:
        self.now += 0.001
        return self.now


def test_the_table_does_not_grow_without_end_and_drops_the_longest_idle() -> None:
    sessions = AdminSessions(Clock())
    first, *others = [sessions.begin() for _ in range(1_000)]
    assert sessions.find(first) is not None
    sessions.begin()
    assert sessions.find(first) is not None
    assert sessions.find(others[0]) is None
    assert sessions.find(others[-1]) is not None


def test_ended_sessions_leave_first() -> None:
    clock = Clock()
    sessions = AdminSessions(clock)
    for _ in range(999):
        sessions.begin()
    clock.now += IDLE_SECONDS
    kept = [sessions.begin() for _ in range(3)]
    assert all(sessions.find(identifier) for identifier in kept)


def test_identifiers_and_form_tokens_do_not_repeat_and_do_not_show() -> None:
    sessions = AdminSessions()
    identifiers = {sessions.begin() for _ in range(100)}
    found = [sessions.find(identifier) for identifier in identifiers]
    tokens = {session.form_token for session in found if session}
    assert len(identifiers) == len(tokens) == 100
    assert not any(token in repr(session) for session in found for token in tokens)


def test_a_notice_is_given_once() -> None:
    sessions = AdminSessions()
    session = sessions.find(sessions.begin())
    assert session is not None
    session.notice = "done"
    assert [session.take_notice(), session.take_notice()] == ["done", None]
