"""What plugins are told of an administrator's doings, and what becomes of accounts in between."""

from __future__ import annotations

from collections.abc import Collection
from typing import cast

import pytest
from account_world import PASSWORD, World, refresh_credentials

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.administration import Administration
from tempest_pds.services.commit_log import CommitLog
from tempest_pds.services.email_codes import EmailCodes
from tempest_pds.services.errors import (
    AccountNotFound,
    AuthenticationRequired,
    ExpiredToken,
    InvalidPassword,
    InvalidRequest,
    NotFound,
)
from tempest_pds.services.event_frames import AccountEvent, IdentityEvent
from tempest_pds.services.firehose import Firehose
from tempest_pds.services.html_text import text_of_html
from tempest_pds.services.mail_texts import MailTexts
from tempest_pds.services.moderation import Moderation
from tempest_pds.services.quarantine import Quarantine
from tempest_pds.services.withdrawn_events import WithdrawnEvents
from tempest_pds.stores.account.email_tokens import EmailTokenInvalid, EmailTokenPurpose
from tempest_pds_plugins.mailer import Mail

NOBODY = Did("did:plc:nobodyaaaaaaaaaaaaaaaaaa")


class Outbox:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []

    async def post(self, mail: Mail) -> None:
        self.add(mail)

    def add(self, mail: Mail, lifetime_seconds: float = 0.0) -> None:
        self.mails.append(mail)

    def stir(self) -> None:
        """Send nothing."""


class NoFirehose:
    """Nobody subscribes."""

    def withhold(self, seqs: Collection[int]) -> None: ...

    def give_back(self, seqs: Collection[int]) -> None: ...


@pytest.fixture
def outbox() -> Outbox:
    return Outbox()


@pytest.fixture
def administration(world: World, outbox: Outbox) -> Administration:
    texts = MailTexts("pds.example.com")
    return Administration(
        store=world.store,
        writer=world.writer,
        passwords=world.passwords,
        identities=world.identities,
        hooks=world.hooks,
        codes=EmailCodes(store=world.store, writer=world.writer, outbox=outbox, texts=texts),
        outbox=outbox,
        texts=texts,
        events=world.events,
    )


@pytest.fixture
def moderation(world: World) -> Moderation:
    # Of accounts alone: neither records nor blobs are looked at in here.
    return Moderation(
        store=world.store,
        writer=world.writer,
        accounts=world.accounts,
        announcer=world.announcer,
        hooks=world.hooks,
        stores=world.repositories,
        log=cast("CommitLog", world.log),
        quarantine=cast("Quarantine", None),
        withdrawn=WithdrawnEvents(world.store, world.sequencer, cast("Firehose", NoFirehose())),
    )


async def test_plugins_are_told_of_every_change(
    world: World, administration: Administration, moderation: Moderation
) -> None:
    did = (await world.create()).account.did
    world.hooks.told.clear()
    await administration.set_email(did, "other@example.com")
    await administration.set_handle(did, "other.test")
    await administration.set_password(did, "another password")
    await moderation.take_down_account(did, "reason")
    await moderation.restore_account(did)
    await moderation.deactivate_account(did)
    await moderation.activate_account(did)
    kinds = ["handle", "password", "taken_down", "restored", "deactivated", "activated"]
    assert world.hooks.told == ["alice.test email", *(f"other.test {kind}" for kind in kinds)]


async def test_restoring_what_was_not_down_is_no_change(world: World, moderation: Moderation) -> None:
    session = await world.create()
    world.hooks.told.clear()
    await moderation.restore_account(session.account.did)
    assert world.hooks.told == []
    assert (await world.sessions.refresh(refresh_credentials(world, session))).tokens is not None


async def test_what_is_not_suspended_is_not_let_go_of(world: World, moderation: Moderation) -> None:
    did = (await world.create()).account.did
    with pytest.raises(InvalidRequest, match=r"^alice\.test was not suspended$"):
        await moderation.end_suspension(did)
    await moderation.take_down_account(did, "reason")
    with pytest.raises(InvalidRequest, match=r"^alice\.test is taken down, not suspended"):
        await moderation.end_suspension(did)
    assert moderation.account(did).takedown == "reason"


async def test_a_takedown_and_its_event_are_one_transaction(world: World, moderation: Moderation) -> None:
    did = (await world.create()).account.did
    world.log.take()
    world.log.down = True
    with pytest.raises(OSError, match="full"):
        await moderation.take_down_account(did, "reason")
    world.log.down = False
    await world.announcer.announce_pending()
    assert world.log.take() == [AccountEvent(did, "takendown")]


async def test_a_reason_is_made_up_where_none_is_given(world: World, moderation: Moderation) -> None:
    did = (await world.create()).account.did
    await moderation.take_down_account(did, None)
    reference = moderation.account(did).takedown
    assert reference is not None
    assert reference.startswith("20")
    await moderation.take_down_account(did, "")
    assert moderation.account(did).takedown not in (None, "")


async def test_what_is_not_here_is_not_found(moderation: Moderation, administration: Administration) -> None:
    for work in (moderation.restore_account, moderation.deactivate_account, moderation.announce_account):
        with pytest.raises(NotFound):
            await work(NOBODY)
    with pytest.raises(NotFound):
        await moderation.take_down_account(NOBODY, None)
    with pytest.raises(NotFound):
        administration.info(NOBODY)
    with pytest.raises(AccountNotFound):
        await administration.set_password(NOBODY, "long enough")


async def test_a_new_password_ends_sessions_and_the_code_for_another(
    world: World, administration: Administration
) -> None:
    session = await world.create()
    did, purpose = session.account.did, EmailTokenPurpose.RESET_PASSWORD
    world.store.email_tokens.put(did, purpose, "code", 1)
    await administration.set_password(did, "another password")
    with pytest.raises(ExpiredToken):
        await world.sessions.refresh(refresh_credentials(world, session))
    with pytest.raises(AuthenticationRequired):
        await world.sessions.create("alice.test", PASSWORD)
    await world.sessions.create("alice.test", "another password")
    with pytest.raises(EmailTokenInvalid):
        world.store.email_tokens.check(did, purpose, "code", 1)


@pytest.mark.parametrize("password", ["", "short", "x" * 257])
async def test_a_password_that_nobody_could_choose_is_not_set(
    world: World, administration: Administration, password: str
) -> None:
    did = (await world.create()).account.did
    with pytest.raises(InvalidPassword):
        await administration.set_password(did, password)
    await world.sessions.create("alice.test", PASSWORD)


async def test_codes_that_went_to_the_old_address_are_worth_nothing(
    world: World, administration: Administration
) -> None:
    did = (await world.create()).account.did
    for purpose in EmailTokenPurpose:
        world.store.email_tokens.put(did, purpose, f"code-{purpose}", 1)
    await administration.set_email("alice.test", "other@example.com")
    for purpose in EmailTokenPurpose:
        with pytest.raises(EmailTokenInvalid):
            world.store.email_tokens.check(did, purpose, f"code-{purpose}", 1)


async def test_an_address_that_somebody_else_has_confirmed_can_be_given_unconfirmed(
    world: World, administration: Administration
) -> None:
    did = (await world.create()).account.did
    bob = (await world.create("bob")).account.did
    world.store.accounts.confirm_email(bob, 1)
    await administration.set_email(did, "BOB@example.com")
    found = world.store.accounts.get(did)
    assert found is not None
    assert (found.email, found.email_confirmed) == ("bob@example.com", False)
    holder = world.store.accounts.by_email("bob@example.com")
    assert holder is not None
    assert holder.did == bob


async def test_a_new_handle_is_announced_for_an_account_that_is_down_too(
    world: World, administration: Administration, moderation: Moderation
) -> None:
    did = (await world.create()).account.did
    await moderation.take_down_account(did, "reason")
    world.log.take()
    await administration.set_handle(did, "other.test")
    ((event),) = world.log.take()
    assert isinstance(event, IdentityEvent)
    assert event.handle == "other.test"


async def test_mail_goes_to_the_account_s_address(world: World, administration: Administration, outbox: Outbox) -> None:
    did = (await world.create()).account.did
    await administration.send_mail(did, "hello", "A word")
    assert outbox.mails == [Mail("alice@example.com", "A word", "hello")]
    with pytest.raises(InvalidRequest, match="Recipient not found"):
        await administration.send_mail(NOBODY, "hello", "A word")
    with pytest.raises(InvalidRequest):
        await administration.send_mail(did, "", "A word")


async def test_an_owner_is_told_what_the_administrator_changes(
    world: World, administration: Administration, outbox: Outbox
) -> None:
    """At the address that he had until then; and not of what stays as it is."""
    did = (await world.create()).account.did
    await administration.set_password(did, "another password")
    await administration.set_email(did, "Alice@example.com")
    await administration.set_email(did, "other@example.com")
    assert [(mail.to, mail.subject) for mail in outbox.mails] == [
        ("alice@example.com", "pds.example.com set a new password for @alice.test"),
        ("alice@example.com", "pds.example.com changed the e-mail address of @alice.test"),
    ]
    assert "another password" not in str(outbox.mails)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("plain & simple", None),
        ("a < b > c", None),
        ("<p>one</p><p>two</p>", "one\n\ntwo"),
        ("one<br>two<br/>three", "one\ntwo\nthree"),
        ("<b>bold</b> &amp; <i>slanted</i>", "bold & slanted"),
        ("<html><head><title>t</title><style>p{}</style></head><body>seen</body></html>", "seen"),
        ("<script>alert(1)</script>x<p>", "x"),
        ('<a href="https://a.test/">here</a>', "here [https://a.test/]"),
        ('<a href="https://a.test/">https://a.test/</a>', "https://a.test/"),
        ("<img src=x>", "(This mail has no text.)"),
    ],
)
def test_html_is_read_as_its_reader_sees_it(content: str, text: str | None) -> None:
    assert text_of_html(content) == text


def test_html_that_is_meant_to_be_slow_is_not() -> None:
    text_of_html("<style" * 100_000)
    text_of_html("<a href='" * 50_000)
    assert text_of_html("<p>" * 100_000) == "(This mail has no text.)"
