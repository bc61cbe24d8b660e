"""The DID: from the moment that it points at the target, the account lives there, and the source has no say any more.

For did:plc this is one operation in the directory, signed by the source, which mails a code for it, or by a rotation
key of the owner's. For did:web it is a document that the owner publishes. What the DID says beside the account's
server, key and handle stays: other keys and services, and rotation keys that are not the source's.

https://web.plc.directory/spec/v0.1/did-plc
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tempest_pds.migration.errors import CallRefused, CodeAwaited, MigrationError, NotNow
from tempest_pds.migration.move import Move, is_same_server
from tempest_pds.migration.session import Session
from tempest_pds.migration.steps.stand_in import forget_key
from tempest_pds.protocol.errors import ProtocolError
from tempest_pds.protocol.identity.did_document import (
    PDS_SERVICE_ID,
    PDS_SERVICE_TYPE,
    SIGNING_KEY_ID,
    DidDocument,
    format_did_document,
)
from tempest_pds.protocol.identity.did_web import did_web_document_url
from tempest_pds.protocol.identity.plc_operation import (
    MAX_ROTATION_KEYS,
    Operation,
    check_operation,
    normalize,
    operation_cid,
    update,
    verify_operation,
)

_IDENTITY: Final = "com.atproto.identity"
_MAILS: Final = 3
_POLL_SECONDS: Final = 2.0
_SECONDS_TO_SHOW: Final = 60.0


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the target wants the DID to say (com.atproto.identity.getRecommendedDidCredentials)."""

    handle: str
    signing_key: str
    endpoint: str
    rotation_keys: tuple[str, ...]

    @classmethod
    async def of_target(cls, move: Move) -> Credentials:
        """Ask the target; raise MigrationError for an answer without what is needed."""
        told = await (await move.at_target()).query(f"{_IDENTITY}.getRecommendedDidCredentials")
        try:
            names = [str(name) for name in told.get("alsoKnownAs") or []]
            handle = next((name for name in names if name.startswith("at://")), f"at://{move.journal.move['handle']}")
            return cls(
                handle.removeprefix("at://"),
                str(told["verificationMethods"][SIGNING_KEY_ID]),
                str(told["services"][PDS_SERVICE_ID]["endpoint"]),
                tuple(str(key) for key in told.get("rotationKeys") or []),
            )
        except (KeyError, TypeError) as error:
            raise MigrationError("the target does not say what the DID has to say") from error

    def are_in(self, document: DidDocument) -> bool:
        """Tell whether a DID's document says so."""
        return not self.lacking(document)

    def lacking(self, document: DidDocument) -> list[str]:
        """Name what a DID's document says otherwise."""
        said = {
            "server": is_same_server(document.pds_endpoint, self.endpoint),
            "signing key": document.signing_key == self.signing_key,
            "handle": document.handle == self.handle,
        }
        return [what for what, is_so in said.items() if not is_so]


async def point_at_target(move: Move, catch_up: Callable[[], Awaitable[None]]) -> None:
    """Have the DID point at the target.

    Args:
        catch_up: brings over what was written at the source up to now; called as late as can be.
    """
    credentials = await Credentials.of_target(move)
    if not credentials.are_in(await move.identities.document(move.did)):
        if move.did.method == "web":
            await _have_it_published(move, credentials)
            await catch_up()
        else:
            await _publish(move, credentials, catch_up)
        move.owner.tell(f"{move.did} points at {credentials.endpoint}.")
    if move.journal.step("did") is None:
        move.journal.done("did", endpoint=credentials.endpoint, signing_key=credentials.signing_key)
    forget_key(move)


# did:plc


def kept_rotation_keys(
    current: Sequence[str],
    source: Sequence[str] | None,
    *,
    recovery_keys: Sequence[str] = (),
    own_key: str | None = None,
    dropped: Sequence[str] = (),
) -> list[str]:
    """Give the rotation keys that stand above the target's, in their order of power.

    Args:
        source: the source's own, which leave; None where it is not known which they are, and then only what the owner
            names stays.
    """
    kept = [] if source is None else [key for key in current if key not in source and key not in dropped]
    if own_key is not None and own_key not in kept:
        kept.insert(0, own_key)
    return list(dict.fromkeys((*recovery_keys, *kept)))


def wanted_rotation_keys(kept: Sequence[str], target: Sequence[str]) -> list[str]:
    """Give all the rotation keys that the DID is to have; raise MigrationError when they are too many, or none."""
    wanted = list(dict.fromkeys((*kept, *target)))
    if not wanted:
        raise MigrationError("the DID would have no rotation key: give one with --recovery-key or --plc-rotation-key")
    if len(wanted) > MAX_ROTATION_KEYS:
        raise MigrationError(
            f"the DID would have {len(wanted)} rotation keys, and may have {MAX_ROTATION_KEYS}: "
            f"name one that is to go with --drop-rotation-key ({', '.join(kept)})"
        )
    return wanted


def keys_above_target(move: Move, operation: Operation) -> list[str]:
    """Give the rotation keys that this move leaves, or puts, above the target's."""
    own = move.plan.rotation_key
    return kept_rotation_keys(
        normalize(operation)["rotationKeys"],
        move.journal.move.get("source_rotation_keys"),
        recovery_keys=move.plan.recovery_keys,
        own_key=None if own is None else own.public.did_key,
        dropped=move.plan.dropped_keys,
    )


async def _publish(move: Move, credentials: Credentials, catch_up: Callable[[], Awaitable[None]]) -> None:
    last = await move.identities.operation_to_follow(move.did)
    current = normalize(last)
    wanted: dict[str, Any] = {
        "rotationKeys": wanted_rotation_keys(
            keys_above_target(move, last), () if move.plan.self_custody else credentials.rotation_keys
        ),
        "alsoKnownAs": [
            f"at://{credentials.handle}",
            *(name for name in current["alsoKnownAs"] if not name.startswith("at://")),
        ],
        "verificationMethods": {**current["verificationMethods"], SIGNING_KEY_ID: credentials.signing_key},
        "services": {
            **current["services"],
            PDS_SERVICE_ID: {"type": PDS_SERVICE_TYPE, "endpoint": credentials.endpoint},
        },
    }
    tell, mine = move.owner.tell, _mine(move)
    tell("The data is at the target. What follows moves the account itself, and the source cannot undo it:")
    tell(f"  {move.did} will point at {credentials.endpoint}, as {credentials.handle}; its rotation keys will be")
    for key in wanted["rotationKeys"]:
        owned_by = "yours" if key in mine else "the target's" if key in credentials.rotation_keys else "kept as it was"
        tell(f"  {key} ({owned_by})")
    if not move.owner.confirm("Move the account?"):
        raise NotNow("stopped before the DID was changed: the same command goes on from here")
    operation = await _signed(move, last, wanted)
    # The owner may have gone on writing until the code came.
    await catch_up()
    if move.plan.self_custody:
        # The target would look for its own key in it.
        await move.identities.submit(move.did, operation)
    else:
        try:
            await (await move.at_target()).procedure(f"{_IDENTITY}.submitPlcOperation", {"operation": operation})
        except CallRefused as error:
            raise MigrationError(f"the target does not take the operation: {error.reason or error}") from error
    await _until_shown(move, credentials)


def _mine(move: Move) -> set[str]:
    own = move.plan.rotation_key
    return {*move.plan.recovery_keys, *(() if own is None else (own.public.did_key,))}


async def _signed(move: Move, last: Operation, wanted: Mapping[str, Any]) -> Operation:
    key = move.plan.rotation_key
    if key is not None:
        return update(
            last,
            key,
            rotation_keys=wanted["rotationKeys"],
            also_known_as=wanted["alsoKnownAs"],
            verification_methods=wanted["verificationMethods"],
            services=wanted["services"],
        )
    operation = await _signed_by_source(move, wanted)
    try:
        check_operation(operation)
        verify_operation(operation, normalize(last)["rotationKeys"])
    except ProtocolError as error:
        raise MigrationError(f"the source signed something that the directory would not take: {error}") from error
    if operation.get("prev") != str(operation_cid(last)) or any(operation[name] != wanted[name] for name in wanted):
        raise MigrationError("the source signed something else than it was asked for; nothing was changed")
    return operation


async def _signed_by_source(move: Move, wanted: Mapping[str, Any]) -> Operation:
    session = await move.at_source()
    code, mails = move.plan.plc_token, 0
    again = False
    while True:
        if code is None:
            if not again:
                if mails == _MAILS:
                    raise MigrationError("the source has not taken any of the codes; nothing was changed")
                mails += 1
                await _have_code_mailed(session)
            code = _typed_code(move, session)
        try:
            answer = await session.procedure(
                f"{_IDENTITY}.signPlcOperation", {"token": code.strip(), **wanted}, repeatable=False
            )
            operation = answer.get("operation")
            return operation if isinstance(operation, dict) else {}
        except CallRefused as error:
            if error.error not in ("InvalidToken", "ExpiredToken"):
                raise MigrationError(f"the source does not sign: {error.reason or error}") from error
            if move.plan.plc_token is not None:
                raise MigrationError(
                    f"the source does not take the code ({error.reason or error.error}): "
                    "without --plc-token it mails another one"
                ) from error
            # It mails a few codes in an hour, and one that was mistyped is good still.
            again = not again and error.error == "InvalidToken"
            what_follows = "Is it typed as it was mailed?" if again else "It mails another one."
            move.owner.tell(f"The source does not take that code: {error.reason or error.error}. {what_follows}")
            code = None


async def _have_code_mailed(session: Session) -> None:
    try:
        await session.procedure(f"{_IDENTITY}.requestPlcOperationSignature")
    except CallRefused as error:
        raise MigrationError(f"the source mails no code: {error.reason or error}") from error


def _typed_code(move: Move, session: Session) -> str:
    address = session.account.get("email")
    to = f" to {address}" if isinstance(address, str) else ""
    code = move.owner.code(
        f"The source has mailed a code for the change of the DID{to} (good for a few minutes). The code"
    )
    if code is None:
        raise CodeAwaited(f"the source has mailed a code{to}, good for a few minutes", "--plc-token")
    return code


async def _until_shown(move: Move, credentials: Credentials) -> None:
    for _ in range(int(_SECONDS_TO_SHOW / _POLL_SECONDS)):
        if credentials.are_in(await move.identities.document(move.did)):
            return
        await asyncio.sleep(_POLL_SECONDS)
    raise NotNow(f"the change was taken, and {move.did} does not show it yet: give the same command again")


# did:web


async def _have_it_published(move: Move, credentials: Credentials) -> None:
    tell, address = move.owner.tell, did_web_document_url(move.did)
    tell("The data is at the target. What follows moves the account itself.")
    tell(f"Publish this at {address}, in place of what is there:")
    tell("")
    tell(json.dumps(web_document(move.document, credentials), indent=2, ensure_ascii=False))
    tell("")
    waited = 0.0
    while lacking := credentials.lacking(await move.identities.document(move.did)):
        if move.owner.wait_for(f"Press Enter once it is there. Still the old one: {', '.join(lacking)}."):
            continue
        if waited >= move.plan.retry_seconds:
            raise NotNow(f"{address} does not have the new document yet: give the same command once it does")
        await asyncio.sleep(_POLL_SECONDS)
        waited += _POLL_SECONDS


def web_document(document: DidDocument, credentials: Credentials) -> dict[str, Any]:
    """Give the document of a did:web that points at the target, with all else that it says."""
    made = format_did_document(
        document.did,
        [f"at://{credentials.handle}", *(name for name in document.also_known_as if not name.startswith("at://"))],
        {SIGNING_KEY_ID: credentials.signing_key},
        {PDS_SERVICE_ID: (PDS_SERVICE_TYPE, credentials.endpoint)},
    )
    old = document.json
    context = [*made["@context"], *(each for each in _list(old.get("@context")) if each not in made["@context"])]
    return {
        **old,
        "@context": context,
        "id": made["id"],
        "alsoKnownAs": made["alsoKnownAs"],
        "verificationMethod": made["verificationMethod"] + _others(document, "verificationMethod", SIGNING_KEY_ID),
        "service": made["service"] + _others(document, "service", PDS_SERVICE_ID),
    }


def _others(document: DidDocument, field: str, fragment: str) -> list[Any]:
    names = (f"#{fragment}", f"{document.did}#{fragment}")
    return [
        each for each in _list(document.json.get(field)) if not isinstance(each, dict) or each.get("id") not in names
    ]


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
