"""How a connection is secured and signed in to, against a real mail server."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.process import free_port
from tests.support.smtp_server import PASSWORD, USERNAME, Certificates, SmtpServer

from tempest_pds_plugins import Mail, Mailer, MailRefused, MailUnavailable

MakeMailer = Callable[..., Mailer]
MAIL = Mail("alice@example.org", "Your code", "It is ABCDE-FGHIJ.\n")
SIGN_IN = {"TEMPEST_SMTP_USERNAME": USERNAME, "TEMPEST_SMTP_PASSWORD": PASSWORD}


async def send(mailer: Mailer, mail: Mail = MAIL) -> None:
    await mailer.open()
    try:
        await mailer.send(mail)
    finally:
        await mailer.close()


async def test_starttls_comes_before_the_password_and_the_mail(server: SmtpServer, make_mailer: MakeMailer) -> None:
    await send(make_mailer(server, **SIGN_IN))
    [received] = server.received()
    assert (received.encrypted, received.user) == (True, USERNAME)
    assert (received.sender, received.recipients) == ("pds@example.com", ("alice@example.org",))


async def test_implicit_tls(certificates: Certificates, make_mailer: MakeMailer) -> None:
    with SmtpServer(implicit_tls=certificates, sign_in=True) as server:
        await send(make_mailer(server, TEMPEST_SMTP_SSL="true", **SIGN_IN))
        [received] = server.received()
    assert (received.encrypted, received.user) == (True, USERNAME)


async def test_clear_text_when_it_is_asked_for(clear_server: SmtpServer, make_mailer: MakeMailer) -> None:
    await send(make_mailer(clear_server, TEMPEST_SMTP_TLS="false"))
    [received] = clear_server.received()
    assert (received.encrypted, received.user) == (False, None)


async def test_a_mail_is_from_the_server_by_its_host_name_unless_a_name_is_set(
    clear_server: SmtpServer, make_mailer: MakeMailer
) -> None:
    await send(make_mailer(clear_server, TEMPEST_SMTP_TLS="false", TEMPEST_SMTP_FROM_NAME=""))
    [received] = clear_server.received()
    [sender] = received.message["From"].addresses
    assert (sender.display_name, sender.addr_spec) == ("pds.example.com", "pds@example.com")


async def test_nothing_is_sent_where_starttls_was_stripped(clear_server: SmtpServer, make_mailer: MakeMailer) -> None:
    """Neither mail nor password, for whoever stripped it is listening."""
    with pytest.raises(MailUnavailable, match=r"STARTTLS.*TEMPEST_SMTP_SSL=true.*TEMPEST_SMTP_TLS=false"):
        await send(make_mailer(clear_server, **SIGN_IN))
    assert clear_server.commands == ["EHLO"]


@pytest.mark.parametrize("implicit", [False, True])
async def test_a_certificate_of_an_unknown_authority_is_refused(
    certificates: Certificates, make_mailer: MakeMailer, implicit: bool
) -> None:
    with SmtpServer(**({"implicit_tls": certificates} if implicit else {"starttls": certificates})) as server:
        mailer = make_mailer(server, ca_file=None, TEMPEST_SMTP_SSL=str(implicit), **SIGN_IN)
        with pytest.raises(MailUnavailable, match=r"certificate that is not trusted.*TEMPEST_SMTP_CA_FILE"):
            await send(mailer)
        assert server.commands == ([] if implicit else ["EHLO"])


@pytest.mark.parametrize("implicit", [False, True])
async def test_a_certificate_of_another_host_is_refused(
    tmp_path: Path, make_mailer: MakeMailer, implicit: bool
) -> None:
    other = Certificates(tmp_path, "mail.example.net")
    with SmtpServer(**({"implicit_tls": other} if implicit else {"starttls": other})) as server:
        mailer = make_mailer(server, ca_file=other.ca_file, TEMPEST_SMTP_SSL=str(implicit), **SIGN_IN)
        with pytest.raises(MailUnavailable, match="TEMPEST_SMTP_HOST has to be a name in it"):
            await send(mailer)
        assert server.commands == ([] if implicit else ["EHLO"])


async def test_tls_where_none_is_spoken_says_which_setting(clear_server: SmtpServer, make_mailer: MakeMailer) -> None:
    with pytest.raises(MailUnavailable, match=r"does not speak TLS.*TEMPEST_SMTP_SSL"):
        await send(make_mailer(clear_server, TEMPEST_SMTP_SSL="true"))


async def test_a_wrong_password_is_told_without_it(server: SmtpServer, make_mailer: MakeMailer) -> None:
    wrong = {"TEMPEST_SMTP_USERNAME": USERNAME, "TEMPEST_SMTP_PASSWORD": "hunter2-hunter2"}
    with pytest.raises(MailUnavailable, match="TEMPEST_SMTP_PASSWORD: 535") as caught:
        await send(make_mailer(server, **wrong))
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert server.received() == []


async def test_a_server_that_takes_no_passwords_is_told(clear_server: SmtpServer, make_mailer: MakeMailer) -> None:
    with pytest.raises(MailUnavailable, match="TEMPEST_SMTP_AUTH=false"):
        await send(make_mailer(clear_server, TEMPEST_SMTP_TLS="false", **SIGN_IN))
    await send(make_mailer(clear_server, TEMPEST_SMTP_TLS="false", TEMPEST_SMTP_AUTH="false", **SIGN_IN))
    assert len(clear_server.received()) == 1


async def test_not_signing_in_where_it_is_wanted_leaves_the_mail_for_later(
    server: SmtpServer, make_mailer: MakeMailer
) -> None:
    """A permanent answer, but the operator can change it: the mail is not lost."""
    with pytest.raises(MailUnavailable, match="530"):
        await send(make_mailer(server))


async def test_an_address_beyond_ascii_goes_out_in_utf8(server: SmtpServer, make_mailer: MakeMailer) -> None:
    await send(make_mailer(server, **SIGN_IN), Mail("jøran@bücher.example", "Ünïcödé", "Ünïcödé"))
    [received] = server.received()
    assert received.recipients == ("jøran@xn--bcher-kva.example",)
    assert received.message["To"] == "jøran@xn--bcher-kva.example"


async def test_an_address_that_the_server_cannot_carry_is_refused(make_mailer: MakeMailer) -> None:
    with SmtpServer(smtputf8=False) as server:
        mailer = make_mailer(server, TEMPEST_SMTP_TLS="false")
        with pytest.raises(MailRefused, match="SMTPUTF8"):
            await send(mailer, Mail("jøran@example.org", "s", "t"))
        await send(mailer, Mail("joran@bücher.example", "Ünïcödé", "Ünïcödé"))
        assert server.received()[0].recipients == ("joran@xn--bcher-kva.example",)


async def test_an_address_that_could_mean_another_is_never_sent(
    clear_server: SmtpServer, make_mailer: MakeMailer
) -> None:
    with pytest.raises(MailRefused):
        await send(make_mailer(clear_server, TEMPEST_SMTP_TLS="false"), Mail("a(b)@example.org", "s", "t"))
    assert clear_server.commands == []


async def test_a_check_signs_in_and_sends_nothing(server: SmtpServer, make_mailer: MakeMailer) -> None:
    mailer = make_mailer(server, **SIGN_IN)
    await mailer.open()
    await mailer.check()
    assert (server.received(), set(server.commands)) == ([], {"EHLO"})


async def test_a_check_tells_what_a_mail_would_meet(server: SmtpServer, make_mailer: MakeMailer) -> None:
    wrong = make_mailer(server, TEMPEST_SMTP_USERNAME=USERNAME, TEMPEST_SMTP_PASSWORD="wrong")
    await wrong.open()
    with pytest.raises(MailUnavailable, match="535"):
        await wrong.check()
    nobody = make_mailer(free_port())
    await nobody.open()
    with pytest.raises(MailUnavailable, match="cannot be reached"):
        await nobody.check()
