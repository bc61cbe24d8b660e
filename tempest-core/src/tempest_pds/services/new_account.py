"""What somebody asks for who wants an account, and what the operator allows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from tempest_pds.services.email_rules import EmailRules
from tempest_pds.services.errors import InvalidRequest
from tempest_pds.services.password_rules import MIN_PASSWORD_LENGTH


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccount:
    """What somebody asks for who wants an account.

    Attributes:
        did: one that is brought along; None for a new one.
        recovery_key: a did:key of the owner, which may undo what this server does to the DID.
    """

    handle: str
    email: str | None = None
    password: str | None = None
    did: str | None = None
    invite_code: str | None = None
    recovery_key: str | None = None

    @classmethod
    def from_input(cls, given: Mapping[str, Any]) -> Self:
        """Take the input of createAccount, parsed by its lexicon; raise InvalidRequest for what is not supported."""
        if given.get("plcOp") is not None:
            raise InvalidRequest('Unsupported input: "plcOp"')
        return cls(
            handle=given["handle"],
            email=given.get("email"),
            password=given.get("password"),
            did=given.get("did"),
            invite_code=given.get("inviteCode"),
            recovery_key=given.get("recoveryKey"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SignUpRules:
    """What the operator decides.

    Attributes:
        public_url: the origin of this server, as DID documents name it.
        operator_key: a did:key that stands above the server's own in the DIDs made here.
        did_method: of new accounts.
        emails: which addresses they may have.
    """

    public_url: str
    invite_required: bool = False
    operator_key: str | None = None
    did_method: Literal["plc", "web"] = "plc"
    emails: EmailRules = field(default_factory=EmailRules)
    min_password_length: int = MIN_PASSWORD_LENGTH
