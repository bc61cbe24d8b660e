"""The outbox of mails on the disk."""

from __future__ import annotations

from pathlib import Path

from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.mail_outbox import WaitingMail
from tempest_pds_plugins.mailer import Mail


def mail(name: str) -> Mail:
    return Mail(f"{name}@example.org", f"for {name} é", "text\n 日本語", "<p>html</p>", name)


def names(store: AccountStore, limit: int = 10) -> list[str]:
    return [waiting.mail.id for waiting in store.waiting_mails.soonest(limit)]


def test_a_mail_is_there_again_after_the_file_was_opened_anew(tmp_path: Path) -> None:
    store = AccountStore(tmp_path / "account.sqlite")
    store.waiting_mails.add(mail("a"), 5, 100)
    store.close()
    store = AccountStore(tmp_path / "account.sqlite")
    assert store.waiting_mails.soonest(10) == [WaitingMail(mail("a"), 5, 100, 0, 5)]
    store.close()


def test_mails_come_in_the_order_in_which_they_are_due(accounts: AccountStore) -> None:
    for at, name in enumerate("abc"):
        accounts.waiting_mails.add(mail(name), at, 1000)
    assert names(accounts) == ["a", "b", "c"]
    assert names(accounts, 2) == ["a", "b"]
    accounts.waiting_mails.postpone("a", 1, 50)
    assert names(accounts) == ["b", "c", "a"]
    assert accounts.waiting_mails.soonest(10)[-1] == WaitingMail(mail("a"), 0, 1000, 1, 50)


def test_all_can_be_made_due_and_keep_the_order_of_posting(accounts: AccountStore) -> None:
    for at, name in enumerate("abc"):
        accounts.waiting_mails.add(mail(name), at, 1000)
    accounts.waiting_mails.postpone("a", 1, 60)
    accounts.waiting_mails.postpone("b", 4, 50)
    assert accounts.waiting_mails.make_due(40) == 2
    assert [(each.mail.id, each.attempts, each.next_attempt_at) for each in accounts.waiting_mails.soonest(10)] == [
        ("c", 0, 2),
        ("a", 1, 40),
        ("b", 4, 40),
    ]


def test_a_mail_that_went_is_forgotten(accounts: AccountStore) -> None:
    accounts.waiting_mails.add(mail("a"), 5, 100)
    accounts.waiting_mails.add(mail("b"), 3, 100)
    assert accounts.waiting_mails.standing() == (2, 3)
    accounts.waiting_mails.delete("b")
    assert accounts.waiting_mails.standing() == (1, 5)
    accounts.waiting_mails.delete("a")
    assert accounts.waiting_mails.standing() == (0, None)
