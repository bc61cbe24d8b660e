"""Which operations on its DID an account survives, judged against a model that is written down another way."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tempest_pds.protocol.crypto.keys import private_key
from tempest_pds.protocol.errors import InvalidSignature
from tempest_pds.protocol.identity.plc_operation import Operation, genesis, sign, tombstone, update, verify_operation
from tempest_pds.protocol.syntax.handle import Handle
from tempest_pds.services.errors import InvalidRequest
from tempest_pds.services.plc_rules import DidCredentials, check_keeps_account, check_may_change

SERVER, OPERATOR, OWN, OTHER = (private_key(bytes([number]) * 32) for number in range(1, 5))
SIGNING, FOREIGN = private_key(b"\x05" * 32), private_key(b"\x06" * 32, "p256")
URL = "https://pds.test"
NAMES = {key.public.did_key: key for key in (SERVER, OPERATOR, OWN, OTHER)}
GENESIS = genesis(
    handle="alice.test",
    signing_key=SIGNING.public.did_key,
    pds_url=URL,
    rotation_keys=list(NAMES),
    signer=SERVER,
)


def credentials(handle: str | None = "alice.test", operator: bool = True) -> DidCredentials:
    return DidCredentials(
        server_key=SERVER.public.did_key,
        operator_key=OPERATOR.public.did_key if operator else None,
        signing_key=SIGNING.public.did_key,
        public_url=URL,
        handle=None if handle is None else Handle(handle),
    )


def unsigned(**changes: Any) -> dict[str, Any]:
    recommended = credentials()
    return {
        "type": "plc_operation",
        "rotationKeys": recommended.rotation_keys,
        "alsoKnownAs": recommended.also_known_as,
        "verificationMethods": recommended.verification_methods,
        "services": recommended.services,
        "prev": "bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a",
        **changes,
    }


def refusal_of(operation: Operation, handle: str | None = "alice.test") -> str | None:
    try:
        check_keeps_account(operation, credentials(handle))
    except InvalidRequest as error:
        return str(error)
    return None


def pds(type_: str = "AtprotoPersonalDataServer", endpoint: str = URL) -> dict[str, dict[str, str]]:
    return {"atproto_pds": {"type": type_, "endpoint": endpoint}}


def test_what_is_recommended_keeps_the_account() -> None:
    assert credentials().rotation_keys == [OPERATOR.public.did_key, SERVER.public.did_key]
    assert credentials(operator=False).rotation_keys == [SERVER.public.did_key]
    assert refusal_of(sign(unsigned(), FOREIGN)) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rotationKeys": [OWN.public.did_key]}, "Rotation keys do not include server's rotation key"),
        ({"services": {}}, "Incorrect type on atproto_pds service"),
        ({"services": pds("Other")}, "Incorrect type on atproto_pds service"),
        ({"services": pds(endpoint="https://other.test")}, "Incorrect endpoint on atproto_pds service"),
        ({"services": pds(endpoint=URL + "/")}, "Incorrect endpoint on atproto_pds service"),
        ({"verificationMethods": {}}, "Incorrect signing key"),
        ({"verificationMethods": {"atproto": SERVER.public.did_key}}, "Incorrect signing key"),
        ({"alsoKnownAs": []}, "Incorrect handle in alsoKnownAs"),
        ({"alsoKnownAs": ["at://bob.test", "at://alice.test"]}, "Incorrect handle in alsoKnownAs"),
    ],
)
def test_an_operation_that_would_break_the_account_is_refused(changes: dict[str, Any], message: str) -> None:
    refused = refusal_of(sign(unsigned(**changes), SERVER))
    assert refused is not None
    assert refused.startswith(message)


def test_an_account_without_a_handle_may_have_any_name() -> None:
    for names in ([], ["at://bob.test"]):
        assert refusal_of(sign(unsigned(alsoKnownAs=names), SERVER), handle=None) is None


def test_more_than_is_recommended_is_the_owners_own_affair() -> None:
    more = unsigned(
        rotationKeys=[OWN.public.did_key, SERVER.public.did_key],
        alsoKnownAs=["at://alice.test", "https://alice.example.com"],
        verificationMethods={"atproto": SIGNING.public.did_key, "other": FOREIGN.public.did_key},
        services=pds() | {"labels": {"type": "AtprotoLabeler", "endpoint": "https://labels.test"}},
    )
    assert refusal_of(sign(more, OWN)) is None


key_lists = st.lists(st.sampled_from(list(NAMES)), max_size=4, unique=True)
signers = st.sampled_from([SERVER, OPERATOR, OWN, OTHER, FOREIGN, None])


@given(kept=key_lists, signer=signers)
def test_nobody_is_locked_out(kept: list[str], signer: Any) -> None:
    """What passes leaves the DID in the hands of this server, or of a key that is proven to be held."""
    content = unsigned(rotationKeys=kept)
    operation = {**content, "sig": "AAAA"} if signer is None else sign(content, signer)
    proven = signer is not None and signer.public.did_key in kept
    passes = refusal_of(operation) is None
    assert passes == (SERVER.public.did_key in kept or proven)
    if passes and SERVER.public.did_key not in kept:
        assert verify_operation(operation, kept) == signer.public.did_key != SERVER.public.did_key


@given(
    keeps_server=st.booleans(),
    own=st.booleans(),
    kind=st.sampled_from([None, "AtprotoPersonalDataServer", "Other"]),
    endpoint=st.sampled_from([URL, "https://other.test", "http://pds.test"]),
    signing=st.sampled_from([None, SIGNING.public.did_key, FOREIGN.public.did_key]),
    names=st.lists(st.sampled_from(["at://alice.test", "at://bob.test", "https://x.test"]), max_size=3),
    handle=st.sampled_from([None, "alice.test", "bob.test"]),
)
def test_the_first_fault_is_told_in_the_order_of_the_reference(
    keeps_server: bool,
    own: bool,
    kind: str | None,
    endpoint: str,
    signing: str | None,
    names: list[str],
    handle: str | None,
) -> None:
    keys = [SERVER.public.did_key] * keeps_server + [OWN.public.did_key]
    content = unsigned(
        rotationKeys=keys,
        services={} if kind is None else pds(kind, endpoint),
        verificationMethods={} if signing is None else {"atproto": signing},
        alsoKnownAs=names,
    )
    faults = {
        "Rotation keys do not include": not keeps_server and not own,
        "Incorrect type": kind != "AtprotoPersonalDataServer",
        "Incorrect endpoint": endpoint != URL,
        "Incorrect signing key": signing != SIGNING.public.did_key,
        "Incorrect handle": handle is not None and (not names or names[0] != f"at://{handle}"),
    }
    expected = next((name for name, faulty in faults.items() if faulty), None)
    refused = refusal_of(sign(content, OWN if own else SERVER), handle)
    assert refused is None if expected is None else refused is not None and refused.startswith(expected)


def test_only_a_key_in_the_did_may_change_it() -> None:
    check_may_change(GENESIS, SERVER)
    with pytest.raises(InvalidRequest, match="Server rotation key not included in PLC DID data"):
        check_may_change(GENESIS, FOREIGN)
    with pytest.raises(InvalidRequest, match="Did is tombstoned"):
        check_may_change(tombstone(GENESIS, SERVER), SERVER)


def test_an_only_key_is_replaced_in_two_steps() -> None:
    alone = update(GENESIS, OWN, rotation_keys=[OWN.public.did_key])
    assert refusal_of(alone) is None
    at_once = update(alone, OWN, rotation_keys=[OTHER.public.did_key])
    assert refusal_of(at_once) is not None
    added = update(alone, OWN, rotation_keys=[OWN.public.did_key, OTHER.public.did_key])
    dropped = update(added, OTHER, rotation_keys=[OTHER.public.did_key])
    assert refusal_of(added) is None
    assert refusal_of(dropped) is None
    with pytest.raises(InvalidSignature):
        verify_operation(at_once, at_once["rotationKeys"])
