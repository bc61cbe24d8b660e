"""com.atproto.server.*: what the server is, and tokens for other services."""

from __future__ import annotations

from tempest_pds.http.answers import Answer
from tempest_pds.http.context import Call
from tempest_pds.http.xrpc import query


@query("com.atproto.server.describeServer")
async def describe_server(call: Call) -> Answer:
    """Tell what this server is and what it asks of new accounts."""
    server = call.services.server
    links = {"privacyPolicy": server.privacy_policy_url, "termsOfService": server.terms_of_service_url}
    contact = {"email": server.contact_email}
    return {
        "did": server.did,
        "availableUserDomains": list(server.handle_domains),
        "inviteCodeRequired": server.invite_required,
        # Not in the lexicon; video clients read it.
        "blobUploadLimit": server.blob_max_bytes,
        "links": {name: value for name, value in links.items() if value is not None},
        "contact": {name: value for name, value in contact.items() if value is not None},
    }


@query("com.atproto.server.getServiceAuth")
async def get_service_auth(call: Call) -> Answer:
    """Sign a token for another service."""
    params = call.params
    token = call.services.service_auth.mint_for(call.caller, params["aud"], params.get("lxm"), params.get("exp"))
    return {"token": token}
