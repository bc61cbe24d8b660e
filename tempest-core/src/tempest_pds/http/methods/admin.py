"""com.atproto.admin: accounts, invite codes and takedowns, for whoever runs or moderates the server."""

from __future__ import annotations

from typing import Any, Final

from tempest_pds.http.account_views import account_view, invite_view
from tempest_pds.http.answers import Answer
from tempest_pds.http.audit import audit
from tempest_pds.http.context import Call
from tempest_pds.http.xrpc import procedure, query
from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.errors import InvalidEncoding
from tempest_pds.protocol.syntax.at_uri import AtUri
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.errors import InvalidRequest
from tempest_pds.services.moderation import Standing

_REPO: Final = "com.atproto.admin.defs#repoRef"
_BLOB: Final = "com.atproto.admin.defs#repoBlobRef"
_RECORD: Final = "com.atproto.repo.strongRef"
_SUBJECT: Final = "Message via your PDS"

# Accounts


@query("com.atproto.admin.getAccountInfo")
async def get_account_info(call: Call) -> Answer:
    """Tell what is known of an account."""
    return account_view(call.services.administration.info(Did(call.params["did"])))


@query("com.atproto.admin.getAccountInfos")
async def get_account_infos(call: Call) -> Answer:
    """Tell what is known of several accounts; those that are not here are left out."""
    infos = call.services.administration.infos([Did(did) for did in call.params["dids"]])
    return {"infos": [account_view(info) for info in infos]}


@query("com.atproto.admin.searchAccounts")
async def search_accounts(call: Call) -> Answer:
    """Find accounts by a part of their e-mail address or handle, or by DID."""
    params = call.params
    found, cursor = call.services.administration.search(params.get("email"), params["limit"], params.get("cursor"))
    return _page("accounts", [account_view(info) for info in found], cursor)


@procedure("com.atproto.admin.updateAccountEmail")
async def update_account_email(call: Call) -> Answer:
    """Give an account another e-mail address."""
    did = await call.services.administration.set_email(call.input["account"], call.input["email"])
    audit(call, did)
    return None


@procedure("com.atproto.admin.updateAccountHandle")
async def update_account_handle(call: Call) -> Answer:
    """Give an account another handle, a reserved name too."""
    did = Did(call.input["did"])
    await call.services.administration.set_handle(did, call.input["handle"])
    audit(call, did, handle=call.input["handle"])
    return None


@procedure("com.atproto.admin.updateAccountPassword")
async def update_account_password(call: Call) -> Answer:
    """Give an account another password, and end its sessions."""
    did = Did(call.input["did"])
    await call.services.administration.set_password(did, call.input["password"])
    audit(call, did)
    return None


@procedure("com.atproto.admin.deleteAccount")
async def delete_account(call: Call) -> Answer:
    """Delete an account and all that it has, for good."""
    did = Did(call.input["did"])
    await call.services.account_deletion.delete(did)
    audit(call, did)
    return None


@procedure("com.atproto.admin.sendEmail")
async def send_email(call: Call) -> Answer:
    """Write a mail to an account's owner."""
    given = call.input
    did = Did(given["recipientDid"])
    await call.services.administration.send_mail(did, given["content"], given.get("subject", _SUBJECT))
    audit(call, did, sender=given["senderDid"])
    return {"sent": True}


# Invite codes


@query("com.atproto.admin.getInviteCodes")
async def get_invite_codes(call: Call) -> Answer:
    """List the invite codes, the newest or the most used first."""
    params = call.params
    codes, cursor = call.services.invites.page(params["sort"], params["limit"], params.get("cursor"))
    return _page("codes", [invite_view(code) for code in codes], cursor)


@procedure("com.atproto.admin.disableInviteCodes")
async def disable_invite_codes(call: Call) -> Answer:
    """Disable invite codes, one by one or all of an account."""
    codes, accounts = call.input.get("codes", []), call.input.get("accounts", [])
    await call.services.invites.disable(codes, accounts)
    audit(call, accounts, codes=len(codes))
    return None


@procedure("com.atproto.admin.enableAccountInvites")
async def enable_account_invites(call: Call) -> Answer:
    """Let an account invite others again."""
    await _set_invites(call, allowed=True)
    return None


@procedure("com.atproto.admin.disableAccountInvites")
async def disable_account_invites(call: Call) -> Answer:
    """Keep an account from inviting others; its codes are worth nothing meanwhile."""
    await _set_invites(call, allowed=False)
    return None


async def _set_invites(call: Call, *, allowed: bool) -> None:
    did = Did(call.input["account"])
    await call.services.invites.set_allowed(did, allowed=allowed, note=call.input.get("note"))
    audit(call, did)


# Takedowns


@query("com.atproto.admin.getSubjectStatus")
async def get_subject_status(call: Call) -> Answer:
    """Tell whether an account, a record or a blob is taken down, or an account deactivated."""
    did, uri, blob = (call.params.get(name) for name in ("did", "uri", "blob"))
    moderation = call.services.moderation
    if blob is not None:
        if did is None:
            raise InvalidRequest("Must provide a did to request blob state")
        return _status({"$type": _BLOB, "did": did, "cid": blob}, moderation.blob(Did(did), _cid(blob)))
    if uri is not None:
        standing = moderation.record(AtUri(uri))
        return _status({"$type": _RECORD, "uri": uri, "cid": str(standing.cid)}, standing)
    if did is not None:
        return _status({"$type": _REPO, "did": did}, moderation.account(Did(did)))
    raise InvalidRequest("No provided subject")


@procedure("com.atproto.admin.updateSubjectStatus")
async def update_subject_status(call: Call) -> Answer:
    """Take an account, a record or a blob down or put it back, or switch an account off or on."""
    subject, takedown, deactivated = (call.input.get(name) for name in ("subject", "takedown", "deactivated"))
    if takedown and takedown["applied"] and deactivated and not deactivated["applied"]:
        raise InvalidRequest("Cannot activate and takedown an account at the same time")
    if takedown:
        await _set_takedown(call, subject, takedown)
    if subject["$type"] == _REPO:
        await _set_activity(call, Did(subject["did"]), deactivated, announce=not takedown)
    audit(
        call,
        _name(subject),
        takedown=None if takedown is None else takedown["applied"],
        reference=None if takedown is None else takedown.get("ref"),
        deactivated=None if deactivated is None else deactivated["applied"],
    )
    return {"subject": subject} if takedown is None else {"subject": subject, "takedown": takedown}


async def _set_takedown(call: Call, subject: dict[str, Any], takedown: dict[str, Any]) -> None:
    moderation, applied, reference = call.services.moderation, takedown["applied"], takedown.get("ref")
    match subject["$type"], applied:
        case "com.atproto.admin.defs#repoRef", True:
            await moderation.take_down_account(Did(subject["did"]), reference)
        case "com.atproto.admin.defs#repoRef", False:
            await moderation.restore_account(Did(subject["did"]))
        case "com.atproto.repo.strongRef", True:
            await moderation.take_down_record(AtUri(subject["uri"]), reference)
        case "com.atproto.repo.strongRef", False:
            await moderation.restore_record(AtUri(subject["uri"]))
        case "com.atproto.admin.defs#repoBlobRef", True:
            await moderation.take_down_blob(Did(subject["did"]), _cid(subject["cid"]), reference)
        case "com.atproto.admin.defs#repoBlobRef", False:
            await moderation.restore_blob(Did(subject["did"]), _cid(subject["cid"]))
        case unknown, _:
            raise InvalidRequest(f"Invalid subject ({unknown})")


async def _set_activity(call: Call, did: Did, deactivated: dict[str, Any] | None, *, announce: bool) -> None:
    moderation = call.services.moderation
    if deactivated is None:
        if announce:
            # With nothing to change, the network is told the status once more.
            await moderation.announce_account(did)
    elif deactivated["applied"]:
        await moderation.deactivate_account(did)
    else:
        await moderation.activate_account(did)


def _status(subject: dict[str, Any], standing: Standing) -> dict[str, Any]:
    takedown: dict[str, Any] = {"applied": standing.takedown is not None}
    if standing.takedown is not None:
        takedown["ref"] = standing.takedown
    answer = {"subject": subject, "takedown": takedown}
    if standing.deactivated is not None:
        answer["deactivated"] = {"applied": standing.deactivated}
    return answer


def _name(subject: dict[str, Any]) -> str:
    if subject["$type"] == _BLOB:
        return f"{subject['did']}/{subject['cid']}"
    return str(subject.get("uri") or subject.get("did"))


def _page(name: str, rows: list[dict[str, Any]], cursor: str | None) -> dict[str, Any]:
    return {name: rows} if cursor is None else {name: rows, "cursor": cursor}


def _cid(text: str) -> CID:
    try:
        return CID.parse(text)
    except InvalidEncoding as error:
        raise InvalidRequest("Invalid CID") from error
