"""The parameters of a request as they are kept beside it, in JSON."""

from __future__ import annotations

import json

from tempest_pds.protocol.oauth.authorization_parameters import AuthorizationParameters, ReplyAddress
from tempest_pds.protocol.oauth.pkce import CodeChallenge
from tempest_pds.protocol.oauth.redirect_uri import RedirectUri
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.handle import Handle


def write_parameters(parameters: AuthorizationParameters) -> str:
    """Write what a client asked for."""
    reply = parameters.reply
    return json.dumps(
        {
            "client_id": parameters.client_id,
            "redirect_uri": reply.redirect_uri,
            "response_mode": reply.response_mode,
            "state": reply.state,
            "scope": parameters.scope,
            "code_challenge": parameters.code_challenge.value,
            "prompt": parameters.prompt,
            "login_hint": parameters.login_hint,
            "display": parameters.display,
            "ui_locales": parameters.ui_locales,
            "max_age": parameters.max_age,
            "dpop_jkt": parameters.dpop_jkt,
        }
    )


def read_parameters(text: str) -> AuthorizationParameters:
    """Read what `write_parameters` wrote."""
    members = json.loads(text)
    hint = members["login_hint"]
    return AuthorizationParameters(
        client_id=members["client_id"],
        reply=ReplyAddress(RedirectUri(members["redirect_uri"]), members["response_mode"], members["state"]),
        scope=members["scope"],
        code_challenge=CodeChallenge(members["code_challenge"]),
        prompt=members["prompt"],
        login_hint=None if hint is None else Did(hint) if hint.startswith("did:") else Handle(hint),
        display=members["display"],
        ui_locales=tuple(members["ui_locales"]),
        max_age=members["max_age"],
        dpop_jkt=members["dpop_jkt"],
    )
