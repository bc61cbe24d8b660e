"""The page at `/`: what a person sees who opens the server, or the host name of a handle, in a browser.

Plain HTML for any browser and any width, light or dark as its reader has it; no script, no cookie, nothing fetched.
"""

from __future__ import annotations

from html import escape
from typing import Final

from tempest_pds.http.context import ServerInfo

_STYLE: Final = (
    ":root{color-scheme:light dark}"
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:38rem;margin:0 auto;padding:3rem 1.25rem;overflow-wrap:anywhere}"
    "h1{font-size:1.75rem;line-height:1.2;margin:0 0 1.5rem}"
    "dl{margin:2rem 0}"
    "dt{opacity:.7;font-size:.875rem}"
    "dd{margin:0 0 1rem}"
    "code{font-size:1em}"
)


def landing_page(server: ServerInfo) -> str:
    """Write the page."""
    facts = [
        ("Hosting provider, as apps ask for it when you sign in", f"<code>{escape(server.public_url)}</code>"),
        ("Handles", "<br>".join(f"<code>you{escape(domain)}</code>" for domain in server.handle_domains)),
        ("New accounts", "with an invite code" if server.invite_required else "open to everybody"),
    ]
    if server.contact_email is not None:
        address = escape(server.contact_email)
        facts.append(("Contact", f'<a href="mailto:{address}">{address}</a>'))
    for label, url in (("Privacy policy", server.privacy_policy_url), ("Terms", server.terms_of_service_url)):
        if url is not None:
            facts.append((label, _link(url)))
    facts.append(("Software", f"Tempest {escape(server.version)}"))
    rows = "\n".join(f"<dt>{label}</dt><dd>{text}</dd>" for label, text in facts)
    name = escape(server.hostname)
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{name}</title>
<style>{_STYLE}</style>
<h1>{name}</h1>
<p>This is a Personal Data Server of the <a href="https://atproto.com">AT Protocol</a>. It keeps the accounts of the
people who have their home here, with their posts and pictures, and passes them on to apps and to the network.</p>
<dl>
{rows}
</dl>
<p>There is nothing to see here in a browser: programs talk to the server below <code>/xrpc/</code>, and
<a href="/xrpc/com.atproto.server.describeServer">this is how it describes itself to them</a>.</p>
</html>
"""


def _link(url: str) -> str:
    shown = escape(url)
    # Whatever is no web address is shown, not linked: a link may be a script as well.
    return f'<a href="{shown}">{shown}</a>' if url.startswith(("https://", "http://")) else shown
