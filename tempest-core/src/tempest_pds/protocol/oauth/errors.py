"""What a client gets wrong when it proves who it is and what it asks for.

The messages go into `error_description`, so they hold no quotes, no backslashes and nothing that the client sent: RFC
6749, section 5.2. Which of OAuth's error codes and which status belongs to a class is for `http` to say.
"""

from tempest_pds.protocol.errors import ProtocolError


class InvalidJwk(ProtocolError):
    """A JSON Web Key or key set that signatures are not verified with."""


class UnknownJwk(ProtocolError):
    """A token names a key that its client does not list, or names it so that several are meant."""


class InvalidSignedToken(ProtocolError):
    """A token of a client that is malformed, not signed by the right key, or out of its time."""


class InvalidCodeChallenge(ProtocolError):
    """A PKCE challenge that is not the S256 of anything: `invalid_request`."""


class InvalidCodeVerifier(ProtocolError):
    """A PKCE verifier that is malformed, or not the one that was challenged: `invalid_grant`."""


class InvalidDpopProof(ProtocolError):
    """A DPoP proof that does not prove it: `invalid_dpop_proof`. To send it again with a nonce would not help."""


class UseDpopNonce(ProtocolError):
    """A DPoP proof in which only the nonce is absent or too old: `use_dpop_nonce`. With a new one it is good."""


class InvalidClientAssertion(ProtocolError):
    """A client assertion that does not prove the client to be itself: `invalid_client`."""


class InvalidRequestObject(ProtocolError):
    """A signed authorization request that is not taken: `invalid_request`."""
