"""The root of the error tree, and the errors of pure values and bytes.

No error here knows a status code: `tempest_pds.http.errors` holds the one table that turns errors into answers.
"""


class TempestError(Exception):
    """Anything Tempest raises on purpose."""


class ProtocolError(TempestError):
    """A value or a sequence of bytes that the AT Protocol does not allow."""


class InvalidSyntax(ProtocolError):
    """A string that is not the identifier it is said to be."""


class InvalidEncoding(ProtocolError):
    """Bytes that are not valid DAG-CBOR, CID, CAR or JSON of the data model."""


class InvalidSignature(ProtocolError):
    """A signature that does not verify, or is not in low-S form."""
