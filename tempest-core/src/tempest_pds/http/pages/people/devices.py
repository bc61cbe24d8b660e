"""Where an account is signed in: browsers, and apps that were given a password."""

from __future__ import annotations

from typing import Final

from blacksheep import Response

from tempest_pds.http.pages.people.own_paths import HOME, account_path
from tempest_pds.http.pages.people.page import PeoplePage, people_page
from tempest_pds.http.pages.people.user_agents import describe_client
from tempest_pds.http.pages.people.visit import Visit

_SIGNED_OUT: Final = "Signed out there."


@people_page("GET", "/account/*/devices")
async def list_devices(visit: Visit) -> Response:
    """List the browsers and apps in which the account is signed in."""
    account = visit.account().account
    services = visit.services
    return visit.page(
        "people/devices.html",
        account=account,
        browsers=[
            (browser, describe_client(browser.user_agent, visit.texts))
            for browser in services.browsers.list_for(account.did, visit.secret)
        ],
        sessions=[
            (session, describe_client(session.user_agent, visit.texts))
            for session in services.api_sessions.list_for(account.did)
        ],
    )


@people_page("POST", "/account/*/devices/sign-out")
async def sign_out_browser(visit: Visit) -> Response:
    """Sign the account out of one browser."""
    did = visit.account().account.did
    await visit.services.browsers.sign_out_elsewhere(did, visit.form.get("browser", ""), visit.visitor)
    return visit.redirect(account_path(did, "devices"), notice=_SIGNED_OUT)


@people_page("POST", "/account/*/devices/sign-out-others")
async def sign_out_other_browsers(visit: Visit) -> Response:
    """Sign the account out of all browsers but this."""
    did = visit.account().account.did
    await visit.services.browsers.sign_out_others(did, visit.secret, visit.visitor)
    return visit.redirect(account_path(did, "devices"), notice="Signed out of all other browsers.")


@people_page("POST", "/account/*/devices/end-session")
async def end_session(visit: Visit) -> Response:
    """End the session of one app."""
    did = visit.account().account.did
    await visit.services.api_sessions.end(did, visit.form.get("session", ""), visit.visitor)
    return visit.redirect(account_path(did, "devices"), notice=_SIGNED_OUT)


@people_page("POST", "/account/*/devices/end-sessions")
async def end_sessions(visit: Visit) -> Response:
    """End the sessions of all apps that were given a password."""
    did = visit.account().account.did
    await visit.services.api_sessions.end_all(did, visit.visitor)
    return visit.redirect(account_path(did, "devices"), notice="Signed out of all these apps.")


@people_page("POST", "/account/*/sign-out")
async def sign_out(visit: Visit) -> Response:
    """Take the account out of this browser."""
    await visit.services.browsers.sign_out(visit.secret, visit.did)
    return visit.redirect(HOME, notice="You are signed out.")


PAGES: Final[tuple[PeoplePage, ...]] = (
    list_devices,
    sign_out_browser,
    sign_out_other_browsers,
    end_session,
    end_sessions,
    sign_out,
)
