"""The schema of an XRPC method: parameters, input, output, messages, and the errors it declares.

https://atproto.com/specs/lexicon#query-and-procedure-http-api
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from tempest_pds.protocol.lexicon.compiler import Compiler
from tempest_pds.protocol.lexicon.errors import BrokenLexicon, InvalidInput, InvalidOutput, InvalidParams
from tempest_pds.protocol.lexicon.failure import Failure
from tempest_pds.protocol.lexicon.params import ParamsSchema
from tempest_pds.protocol.lexicon.schema import Check, Schema, optional, part

Kind = Literal["query", "procedure", "subscription"]


@dataclass(frozen=True, slots=True)
class MethodSchema:
    """One query, procedure or subscription."""

    nsid: str
    kind: Kind
    input_encoding: str | None
    """The MIME type of the body it takes, perhaps with `*`; None when it takes none."""
    output_encoding: str | None
    """The MIME type of its answer, perhaps with `*`; None when it answers nothing."""
    errors: tuple[str, ...]
    """The names of the errors that it declares."""

    _params: ParamsSchema
    _input: Check | None
    _output: Check | None
    _message: Check | None

    def parse_params(self, pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
        """Read the decoded pairs of a query string; raise InvalidParams.

        Absent parameters get their default, or are left out; unknown ones are dropped.
        """
        try:
            return self._params.parse(pairs)
        except Failure as failure:
            text = f"Invalid {self.nsid} params: {failure.message}"
            raise InvalidParams(text, failure.path(), failure.message) from None

    def accepts(self, content_type: str | None) -> bool:
        """Tell whether a body of this `Content-Type` may be sent to the method."""
        return _matches_encoding(self.input_encoding, content_type)

    @property
    def has_input_schema(self) -> bool:
        """Whether the body is to be read as JSON and checked, rather than taken as a stream of bytes."""
        return self._input is not None

    def parse_input(self, value: object) -> dict[str, Any]:
        """Check a body read as JSON, and fill in defaults in a copy; raise InvalidInput.

        A method that declares no schema takes what comes.
        """
        if self._input is None:
            return value  # type: ignore[return-value]  # only called where a schema says what it is
        try:
            parsed: dict[str, Any] = self._input(value)
        except Failure as failure:
            where = failure.path()
            raise InvalidInput(f"{failure.message} at {where}", where, failure.message) from None
        return parsed

    def validate_output(self, value: object) -> None:
        """Check an answer of ours; raise InvalidOutput."""
        self._validate(self._output, value, "output")

    def validate_message(self, value: object) -> None:
        """Check a message of a subscription, `$type` included; raise InvalidOutput."""
        self._validate(self._message, value, "message")

    def _validate(self, check: Check | None, value: object, what: str) -> None:
        if check is None:
            return
        try:
            check(value)
        except Failure as failure:
            where = failure.path()
            text = f"Invalid {self.nsid} {what}: {failure.message} at {where}"
            raise InvalidOutput(text, where, failure.message) from None


def compile_method(nsid: str, kind: Kind, schema: Schema, compiler: Compiler) -> MethodSchema:
    """Compile the main definition of a document that describes a method; raise BrokenLexicon."""
    body = optional(schema, "input", dict)
    answer = optional(schema, "output", dict)
    message = optional(schema, "message", dict)
    errors = optional(schema, "errors", list) or []
    if not all(isinstance(error, dict) for error in errors):
        raise BrokenLexicon(f"{kind}: errors must hold objects")
    return MethodSchema(
        nsid=nsid,
        kind=kind,
        input_encoding=part(body, "encoding", str) if body else None,
        output_encoding=part(answer, "encoding", str) if answer else None,
        errors=tuple(part(error, "name", str) for error in errors),
        _params=ParamsSchema(optional(schema, "parameters", dict)),
        _input=_compile_body(nsid, body, compiler, with_defaults=True),
        _output=_compile_body(nsid, answer, compiler, with_defaults=False),
        _message=_compile_body(nsid, message, compiler, with_defaults=False),
    )


def _compile_body(nsid: str, body: Schema | None, compiler: Compiler, *, with_defaults: bool) -> Check | None:
    schema = optional(body, "schema", dict) if body else None
    return compiler.compile(nsid, schema, with_defaults=with_defaults) if schema else None


def _matches_encoding(expected: str | None, content_type: str | None) -> bool:
    if expected is None or content_type is None:
        return False
    mime_type = content_type.partition(";")[0].strip().lower()
    if expected == "*/*":
        return bool(mime_type)
    if expected.endswith("/*"):
        return mime_type.startswith(expected[:-1])
    return mime_type == expected
