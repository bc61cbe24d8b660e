"""Before anything is changed: what there is to move, and whether the target will take it."""

from __future__ import annotations

from typing import Final

from tempest_pds.http.pages.formats import count, size
from tempest_pds.migration.errors import CallRefused, MigrationError, ServerAway
from tempest_pds.migration.finding import Findings
from tempest_pds.migration.move import Description, Move, is_same_server
from tempest_pds.migration.repo_file import Contents
from tempest_pds.migration.steps.account import account_at_target
from tempest_pds.migration.steps.did import keys_above_target, wanted_rotation_keys
from tempest_pds.migration.steps.preferences import stored
from tempest_pds.protocol.crypto.did_key import parse_did_key
from tempest_pds.protocol.errors import InvalidSyntax
from tempest_pds.protocol.identity.did_web import did_web_host
from tempest_pds.protocol.identity.plc_operation import normalize
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.handle import Handle
from tempest_pds.services.email_rules import parse_email
from tempest_pds.services.errors import InvalidRequest

_TOP_COLLECTIONS: Final = 6
_NAMED: Final = 5


async def examine_servers(move: Move, findings: Findings) -> None:
    """Look at the two servers, the account on them, and what it is to be called."""
    await _servers(move, findings)
    await _account(move, findings)
    await _handle(move, findings)
    await _did(move, findings)
    await _directory(move, findings)


async def _servers(move: Move, findings: Findings) -> None:
    if move.source is None:
        findings.note("source", f"gone; {move.plan.car or move.car} takes its place")
    else:
        findings.ok("source", f"{move.source.url}, {await move.source.version() or 'of an unknown version'}")
        named = move.document.pds_endpoint
        if named is not None and not move.is_pointed_at_target and not is_same_server(named, move.source.url):
            findings.warning("source", f"the DID points at {named}: what was written there lately is not here")
    told = move.target_description
    if move.source is not None and move.source.url == move.target.url:
        findings.failure("target", f"{move.target.url} is where the account is")
    else:
        findings.ok(
            "target", f"{move.target.url} ({told.did}), {await move.target.version() or 'of an unknown version'}"
        )


async def _account(move: Move, findings: Findings) -> None:
    facts = move.journal.move
    there = await account_at_target(move)
    if move.source is not None:
        status = (await move.at_source()).account.get("status")
        account = f"{move.did}, {facts['source_handle'] or 'without a handle'}"
        if isinstance(status, str) and not move.is_pointed_at_target:
            findings.note("account", f"{account}, {status} at the source")
        else:
            findings.ok("account", account)
    if there is None:
        if not facts["email"]:
            findings.failure("e-mail", "the source does not tell the address: give one with --email")
        elif not _is_email(str(facts["email"])):
            findings.failure("e-mail", f"{facts['email']} is no address that mail goes to: give another with --email")
        else:
            findings.ok("e-mail", str(facts["email"]))
        if move.target_description.invite_required and not move.plan.invite_code:
            findings.failure("invite", "the target wants an invite code: give one with --invite-code")
        elif move.target_description.invite_required:
            findings.note("invite", "the target will check the code")
    elif move.journal.step("account") is not None:
        findings.ok("account at target", "made by an earlier run, which this one goes on with")
    elif there.get("active") is True:
        findings.failure("account at target", "the account is there already, and active: deactivate it there first")
    else:
        findings.note("account at target", "there already, deactivated, and it keeps the password that it has there")
        wanted, known = move.plan.email, facts.get("email_there")
        if wanted is not None and known and wanted.lower() != str(known).lower():
            findings.failure("e-mail", f"the account at the target has {known}: leave out --email")


async def _handle(move: Move, findings: Findings) -> None:
    handle, told = str(move.journal.move["handle"]), move.target_description
    if move.journal.step("account") is not None:
        findings.ok("handle", handle)
        return
    if move.journal.move.get("handle_there") is not None:
        wanted = move.plan.handle
        if wanted is None or typed_handle(wanted) == handle:
            findings.ok("handle", f"{handle}, which the account has at the target already")
        else:
            findings.failure("handle", f"the account at the target is {handle} already: leave out --handle")
        return
    try:
        parsed = Handle.parse(handle)
    except InvalidSyntax:
        whole = f"{handle}{told.domains[0]}" if told.domains else ""
        advice = f"give the whole one, such as {whole}" if Handle.is_valid(whole) else "give one with --handle"
        findings.failure("handle", f"{handle!r} is not a handle: {advice}")
        return
    domain = next((domain for domain in told.domains if parsed.endswith(domain)), None)
    if domain is None:
        owner = await move.identities.claimed_by(parsed)
        if owner == move.did:
            findings.ok("handle", f"{parsed}, which leads to the account already")
        else:
            whose = f"leads to {owner}" if owner else "leads nowhere"
            findings.failure(
                "handle",
                f"{parsed} {whose}, and is not of the target ({', '.join(told.domains) or 'which gives none'}): "
                "give another one with --handle, or point it at the account",
            )
        return
    if "." in parsed.removesuffix(domain):
        findings.failure("handle", f"{parsed} has more than one part before {domain}: give another one with --handle")
        return
    try:
        found = await move.target.query("com.atproto.identity.resolveHandle", {"handle": parsed})
    except CallRefused:
        found = {}
    if found.get("did") not in (None, move.did):
        findings.failure("handle", f"{parsed} is somebody else's at the target: give another one with --handle")
    else:
        findings.ok("handle", str(parsed))


async def _did(move: Move, findings: Findings) -> None:
    if move.did.method == "web":
        host = did_web_host(move.did)[0]
        domains = move.journal.move.get("source_domains") or []
        if any(host.endswith(domain) for domain in domains):
            findings.warning("DID", f"{move.did} is served by the source: its operator has to publish the new document")
        else:
            findings.note("DID", "a did:web: you will publish a document that this command shows you")
        return
    own = move.plan.rotation_key
    operation = await move.identities.operation_to_follow(move.did)
    current = normalize(operation)["rotationKeys"]
    if move.is_pointed_at_target:
        findings.ok("DID", "points at the target already")
        return
    source_keys = move.journal.move.get("source_rotation_keys")
    if own is not None:
        if own.public.did_key in current:
            findings.ok("DID", f"the change will be signed with your own key, {own.public.did_key}")
            if operation != await move.identities.operation(move.did):
                findings.warning("DID", "a key below yours has changed it without yours: the move undoes that")
            for key in current[: current.index(own.public.did_key)]:
                whose = "the source's, " if key in (source_keys or ()) else ""
                findings.warning(
                    "rotation key", f"{key} ({whose}above yours): who has it may undo the move within 72 hours"
                )
        else:
            findings.failure(
                "DID", f"the key of --plc-rotation-key, {own.public.did_key}, is no rotation key of the DID"
            )
    elif source_keys is None:
        findings.note("DID", "the source does not say whether it has a rotation key of the DID")
    elif any(key in current for key in source_keys):
        findings.ok("DID", "the source signs the change, with a code that it mails")
    else:
        findings.failure("DID", "the source has no rotation key of the DID: give your own with --plc-rotation-key")
    kept = keys_above_target(move, operation)
    try:
        # The target says which key is its own once the account is there.
        wanted_rotation_keys(kept, () if move.plan.self_custody else ("the target's",))
    except MigrationError as error:
        findings.failure("rotation key", str(error))
    for key in kept:
        findings.note("rotation key", f"{key} will stand above the target's")
    for key in current:
        if key not in kept:
            findings.note("rotation key", _leaving(move, key, source_keys))


def _leaving(move: Move, key: str, source_keys: list[str] | None) -> str:
    if source_keys is None:
        return f"{key} leaves the DID, with --recovery-key it stays"
    if key not in source_keys:
        return f"{key} leaves the DID, as you wish"
    return f"the source's own key {key} leaves the DID" + (
        "" if move.plan.self_custody else "; the target's comes in its place"
    )


def _is_email(text: str) -> bool:
    try:
        parse_email(text)
    except InvalidRequest:
        return False
    return True


async def _directory(move: Move, findings: Findings) -> None:
    """Look for an account of the target in the directory that knows ours: there is no way to ask outright."""
    if move.did.method != "plc":
        return
    try:
        page = await move.target.query("com.atproto.sync.listRepos", {"limit": 50})
    except CallRefused:
        return
    for repo in page.get("repos") or []:
        text = repo.get("did") if isinstance(repo, dict) else None
        if not isinstance(text, str) or not Did.is_valid(text) or text == move.did or not text.startswith("did:plc:"):
            continue
        if await move.identities.knows(Did.parse(text)) is False:
            findings.failure(
                "PLC directory", f"accounts of the target are not in {move.identities.plc_url}: it uses another one"
            )
        else:
            findings.ok("PLC directory", f"{move.identities.plc_url}, which the target uses too")
        return
    findings.note("PLC directory", f"{move.identities.plc_url}; whether the target uses it cannot be seen yet")


async def examine_contents(move: Move, contents: Contents, findings: Findings) -> None:
    """Look at what there is to move."""
    top = ", ".join(f"{number:,} {name}" for name, number in contents.collections.most_common(_TOP_COLLECTIONS))
    more = len(contents.collections) - _TOP_COLLECTIONS
    findings.ok(
        "repository",
        f"{count(contents.records, 'record')} in {size(contents.size)}, whole"
        + (f": {top}{f' and {more} more kinds' if more > 0 else ''}" if top else ""),
    )
    if contents.unreadable:
        findings.warning(
            "repository",
            f"{count(contents.unreadable_count, 'record')} not valid, which the target may refuse: "
            f"{', '.join(contents.unreadable[:_NAMED])}",
        )
    key = move.document.signing_key
    if key is not None and not move.is_pointed_at_target and not contents.commit.verify(parse_did_key(key)):
        findings.warning("signature", "the last commit is not signed with the key that the DID names")
    await _blobs(move, contents, findings)
    await _preferences(move, findings)
    findings.note("not moved", "passwords and app passwords, sessions, and invite codes: apps have to log in anew")


async def _blobs(move: Move, contents: Contents, findings: Findings) -> None:
    limit = move.target_description.blob_limit
    text = f"{count(contents.blob_refs, 'reference')} to blobs, {size(contents.blob_bytes)}"
    if contents.large_blobs:
        named = ", ".join(f"{blob.path} ({size(blob.size)})" for blob in contents.large_blobs[:_NAMED])
        add = findings.failure if move.plan.strict else findings.warning
        add(
            "blobs",
            f"{count(contents.large_blob_count, 'blob')} above the {size(limit or 0)} that the target takes stay "
            f"behind: {named}",
        )
    if move.source is not None:
        try:
            standing = await move.standing(await move.at_source())
        except CallRefused:
            standing = {}
        lost = int(standing.get("expectedBlobs", 0)) - int(standing.get("importedBlobs", 0))
        if lost > 0:
            findings.warning("blobs", f"{count(lost, 'blob')} are missing at the source itself")
    findings.ok("blobs", text + ("" if limit is None else f"; the target takes up to {size(limit)} each"))


async def _preferences(move: Move, findings: Findings) -> None:
    if move.source is None:
        findings.note("preferences", "lost with the source")
        return
    try:
        kept = await stored(await move.at_source())
    except (CallRefused, ServerAway) as error:
        findings.warning("preferences", f"the source gives none ({error})")
        return
    findings.ok("preferences", count(len(kept), "preference"))


def choose_handle(wanted: str | None, current: str | None, source: Description | None, target: Description) -> str:
    """Give the handle that the account is to have at the target.

    A name of the source's domains becomes one of the target's; any other stays.
    """
    if wanted is not None:
        return typed_handle(wanted)
    if current is None:
        return ""
    if any(current.endswith(domain) for domain in target.domains):
        return current
    if source is not None and any(current.endswith(domain) for domain in source.domains) and target.domains:
        return f"{current.partition('.')[0]}{target.domains[0]}"
    return current


def typed_handle(text: str) -> str:
    """Give a handle as it is, of one that a person typed."""
    return text.removeprefix("@").lower()
