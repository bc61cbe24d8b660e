"""What the operator looks at: how the server is doing, its storage, its accounts. What he does: `admin_actions`."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from urllib.parse import quote

from blacksheep import Response

from tempest_pds.http.pages.admin_visit import AdminPage, Visit, admin_page, no_such_account


@admin_page("GET", "/admin")
async def overview(visit: Visit) -> Response:
    """Show problems first, then the parts of the server."""
    status = visit.services.status
    report = await status.report()
    last = (report["backups"] or {}).get("lastAt")
    age = None if last is None else status.clock() - datetime.fromisoformat(last).timestamp()
    return visit.page("admin/overview.html", status_report=report, backup_age=age)


@admin_page("GET", "/admin/storage")
async def storage(visit: Visit) -> Response:
    """Show what takes the space."""
    report = await visit.services.status.report()
    handles = visit.services.account_listing.handles(
        [repo["did"] for repo in (report["storage"] or {}).get("largestRepositories", ())]
    )
    return visit.page("admin/storage.html", status_report=report, handles=handles)


@admin_page("GET", "/admin/accounts")
async def accounts(visit: Visit) -> Response:
    """List accounts, all or those that a search finds."""
    search = visit.query.get("q", "").strip()
    page = visit.services.account_listing.page(search, visit.query.get("after"))
    following = None
    if page.cursor is not None:
        following = f"/admin/accounts?q={quote(search, safe='')}&after={quote(page.cursor, safe='')}"
    return visit.page("admin/accounts.html", accounts=page.accounts, search=search, following=following)


@admin_page("GET", "/admin/accounts/*")
async def account(visit: Visit) -> Response:
    """Show one account."""
    detail = visit.services.account_listing.detail(visit.did)
    if detail is None:
        raise no_such_account()
    return visit.page(
        "admin/account.html",
        detail=detail,
        invites=visit.services.administration.info(visit.did).invites,
        second_factors=sorted(visit.services.second_factors.kinds(visit.did)),
    )


PAGES: Final[tuple[AdminPage, ...]] = (overview, storage, accounts, account)
