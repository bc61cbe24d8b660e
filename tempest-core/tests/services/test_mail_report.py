"""What an operator is told of mail."""

from tempest_pds.services.mail_outbox import MailStanding
from tempest_pds.services.mail_report import mail_report


def test_mails_that_go_out_are_no_problem() -> None:
    report = mail_report(MailStanding(2, 1_700_000_000.5, None, None, 0), "smtp")
    assert report["problems"] == []
    assert (report["mailer"], report["waiting"], report["failingSinceAt"]) == ("smtp", 2, None)
    assert report["oldestPostedAt"] == "2023-11-14T22:13:20.500Z"


def test_a_mail_server_that_takes_nothing_is_told_with_its_reason() -> None:
    [line] = mail_report(MailStanding(1, 1.0, 2.0, "it refuses the password", 0), "smtp")["problems"]
    assert "takes no mails: it refuses the password. Try it" in line


def test_mails_that_were_given_up_are_told() -> None:
    for count, said in ((1, "1 mail was given up"), (3, "3 mails were given up")):
        [line] = mail_report(MailStanding(0, None, None, None, count), "smtp")["problems"]
        assert said in line
