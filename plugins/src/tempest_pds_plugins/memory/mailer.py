"""A mailer that keeps what it is given."""

from tempest_pds_plugins.mailer import Mail, Mailer


class MemoryMailer(Mailer):
    """Keep mails in `sent`, in order."""

    def __init__(self) -> None:
        self.sent: list[Mail] = []

    async def send(self, mail: Mail) -> None:
        self.sent.append(mail)
