"""The keys and the access tokens of this server, as jose reads them: clients and resource servers do."""

import asyncio
import json
from pathlib import Path
from typing import Any

from tests.conftest import RunNode

from tempest_pds.services.oauth.signing_keys import SigningKeys
from tempest_pds.stores.oauth_key_file import OAuthKeyFile

SCRIPT = Path(__file__).parent / "signing_key_verdicts.mjs"
CLAIMS = {"sub": "did:plc:aliceaaaaaaaaaaaaaaaaaaa", "text": "grüße"}


def test_jose_reads_what_is_published_and_signs_with_what_is_kept(run_node: RunNode, tmp_path: Path) -> None:
    path = tmp_path / "oauth_jwks.json"
    keys = SigningKeys(OAuthKeyFile(path))
    tokens = [keys.sign(CLAIMS, typ="at+jwt")]
    asyncio.run(keys.rotate())
    tokens.append(keys.sign(CLAIMS, typ="at+jwt"))
    jwks: Any = keys.public_jwks()
    former, signing = json.loads(path.read_text())["keys"]
    cases = [
        *({"do": "verify", "token": token, "jwks": jwks, "typ": "at+jwt"} for token in tokens),
        {"do": "verify", "token": tokens[1], "jwks": {"keys": jwks["keys"][:1]}, "typ": "at+jwt"},
        {"do": "thumbprints", "jwks": jwks},
        {"do": "sign", "jwk": signing, "claims": CLAIMS, "typ": "at+jwt"},
        {"do": "sign", "jwk": former, "claims": CLAIMS, "typ": "at+jwt"},
    ]
    old, new, without_its_key, thumbprints, signed, not_signed = run_node(SCRIPT, cases)
    assert [old, new] == [{"ok": CLAIMS}] * 2
    assert without_its_key["name"] == "JWKSNoMatchingKey"
    assert thumbprints["ok"] == [key["kid"] for key in jwks["keys"]]
    assert keys.verify(signed["ok"], typ="at+jwt") == CLAIMS
    assert "error" in not_signed
