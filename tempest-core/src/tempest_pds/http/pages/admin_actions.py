"""What the operator does from the pages: each the target of one form, noted in the log, answered with a notice.

A password is shown once, by the answer to the form; nothing keeps it. That page is never stored by the browser.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from blacksheep import Response

from tempest_pds.http.errors import XrpcError
from tempest_pds.http.pages.admin_login import HOME
from tempest_pds.http.pages.admin_visit import AdminPage, Visit, admin_page
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.passwords import generate_password

_ACCOUNTS: Final = "/admin/accounts"
_MAX_REFERENCE: Final = 200


@admin_page("POST", "/admin/crawl")
async def request_crawl(visit: Visit) -> Response:
    """Ask the relays to crawl this server."""
    relays = await visit.services.status.request_crawls()
    visit.audit([relay["url"] for relay in relays])
    if not relays:
        return visit.done("There is no relay to ask: see TEMPEST_CRAWLERS.", HOME)
    accepted = sum(relay["state"] == "accepted" for relay in relays)
    return visit.done(f"{accepted} of {len(relays)} relays will crawl this server.", HOME)


@admin_page("POST", "/admin/backup")
async def make_backup(visit: Visit) -> Response:
    """Begin a backup, where the operator keeps them; it is made in the background."""
    visit.audit("backup")
    if not visit.services.backups.begin():
        return visit.done("A backup is being made already.", HOME)
    return visit.done("A backup is being made; look again in a moment.", HOME)


@admin_page("POST", "/admin/invites")
async def make_invite_code(visit: Visit) -> Response:
    """Make a code for one account, and show it."""
    [batch] = await visit.services.invites.create(1)
    visit.audit("invite code")
    [code] = batch.codes
    return visit.page(
        "admin/made.html",
        what="Invite code",
        label="For one account",
        made=code,
        note="Whoever has it may sign up with it.",
        back=_ACCOUNTS,
    )


@admin_page("POST", "/admin/accounts/*/takedown")
async def take_down(visit: Visit) -> Response:
    """Hide an account from everybody."""
    _check_sure(visit)
    reference = " ".join(visit.form.get("reference", "").split())[:_MAX_REFERENCE] or None
    await visit.services.moderation.take_down_account(visit.did, reference)
    visit.audit(visit.did, reference=reference)
    return visit.done("The account is taken down.", _account(visit.did))


@admin_page("POST", "/admin/accounts/*/restore")
async def restore(visit: Visit) -> Response:
    """Undo a takedown."""
    await visit.services.moderation.restore_account(visit.did)
    visit.audit(visit.did)
    return visit.done("The takedown is undone.", _account(visit.did))


@admin_page("POST", "/admin/accounts/*/password")
async def reset_password(visit: Visit) -> Response:
    """Make up a password for an account, end its sessions, and show the password."""
    _check_sure(visit)
    password = generate_password()
    await visit.services.administration.set_password(visit.did, password)
    visit.audit(visit.did)
    return visit.page(
        "admin/made.html",
        what="New password",
        label="Give it to the owner of the account by a way that you trust",
        made=password,
        note="It is shown this once. All sessions of the account have ended; its app passwords are good as before.",
        back=_account(visit.did),
    )


@admin_page("POST", "/admin/accounts/*/second-factor-off")
async def turn_off_second_factor(visit: Visit) -> Response:
    """Remove every second factor of an account whose owner has lost them all."""
    _check_sure(visit)
    await visit.services.enrolment.turn_off(visit.did)
    visit.audit(visit.did)
    return visit.done("The password alone opens the account now.", _account(visit.did))


def _check_sure(visit: Visit) -> None:
    # A browser asks for the tick itself; this is for what is no browser, or an old one.
    if visit.form.get("sure") != "yes":
        raise XrpcError(400, "InvalidRequest", "Nothing was done. Go back, and tick “I mean it”.")


def _account(did: Did) -> str:
    return f"{_ACCOUNTS}/{quote(did, safe=':')}"


ACTIONS: Final[tuple[AdminPage, ...]] = (
    request_crawl,
    make_backup,
    make_invite_code,
    take_down,
    restore,
    reset_password,
    turn_off_second_factor,
)
