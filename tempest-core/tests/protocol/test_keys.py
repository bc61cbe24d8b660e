"""Keys and signatures on both curves, over both libraries."""

from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tempest_pds.protocol.crypto import _keys_portable, base58, keys
from tempest_pds.protocol.crypto.did_key import format_multikey, parse_did_key, parse_legacy_key, parse_multikey
from tempest_pds.protocol.crypto.keys import ORDERS, Curve, PrivateKey, generate_k256, generate_p256, private_key
from tempest_pds.protocol.errors import InvalidEncoding, InvalidSyntax

try:
    from tempest_pds.protocol.crypto import _keys_speed
except ImportError:
    BACKENDS: dict[str, ModuleType] = {"portable": _keys_portable}
else:
    BACKENDS = {"portable": _keys_portable, "speed": _keys_speed}

SECRET = bytes.fromhex("9085d2bef69286a6cbb51623c8fa258629945cd55ca705cc4e66700396894e0c")
MESSAGE = b"message"


@pytest.fixture(params=[*((name, "k256") for name in BACKENDS), ("portable", "p256")], ids=" ".join)
def key(request: pytest.FixtureRequest) -> PrivateKey:
    backend, curve = request.param
    made: PrivateKey = BACKENDS[backend].private_key(SECRET, curve)
    return made


def negate(signature: bytes, curve: Curve) -> bytes:
    return signature[:32] + (ORDERS[curve] - int.from_bytes(signature[32:], "big")).to_bytes(32, "big")


def test_a_signature_is_verified(key: PrivateKey) -> None:
    signature = key.sign(MESSAGE)
    assert len(signature) == 64
    assert key.public.verify(MESSAGE, signature)
    assert not key.public.verify(b"other", signature)
    assert not private_key(b"\x01" * 32, key.curve).public.verify(MESSAGE, signature)


def test_all_that_is_signed_is_low_s(key: PrivateKey) -> None:
    for number in range(20):
        signature = key.sign(bytes((number,)))
        assert int.from_bytes(signature[32:], "big") <= ORDERS[key.curve] // 2
        assert key.public.verify(bytes((number,)), signature)


def test_high_s_is_refused_but_where_it_is_allowed(key: PrivateKey) -> None:
    high = negate(key.sign(MESSAGE), key.curve)
    assert not key.public.verify(MESSAGE, high)
    assert key.public.verify(MESSAGE, high, allow_high_s=True)
    assert not key.public.verify(b"other", high, allow_high_s=True)


def test_other_forms_of_a_signature_are_refused(key: PrivateKey) -> None:
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    signature = key.sign(MESSAGE)
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    order = ORDERS[key.curve].to_bytes(32, "big")
    for wrong in (
        encode_dss_signature(r, s),
        signature[:-1],
        signature + b"\x00",
        b"",
        bytes(64),
        bytes(32) + signature[32:],
        signature[:32] + bytes(32),
        order + signature[32:],
        signature[:32] + order,
        b"\xff" * 64,
        signature[32:] + signature[:32],
    ):
        assert not key.public.verify(MESSAGE, wrong)
        assert not key.public.verify(MESSAGE, wrong, allow_high_s=True)


def test_the_libraries_agree_on_k256() -> None:
    portable = _keys_portable.private_key(SECRET, "k256")
    for backend in BACKENDS.values():
        key = backend.private_key(SECRET, "k256")
        assert portable.public == key.public
        assert hash(portable.public) == hash(key.public)
        assert portable.public.verify(MESSAGE, key.sign(MESSAGE))
        assert key.public.verify(MESSAGE, portable.sign(MESSAGE))


@settings(max_examples=40)
@given(st.binary(max_size=64), st.integers(0, 63), st.integers(0, 255), st.booleans())
def test_the_libraries_judge_mutants_alike(message: bytes, position: int, byte: int, allow_high_s: bool) -> None:
    keys = [backend.private_key(SECRET, "k256") for backend in BACKENDS.values()]
    signature = bytearray(keys[-1].sign(message))
    is_changed = signature[position] != byte
    signature[position] = byte
    verdicts = {key.public.verify(message, bytes(signature), allow_high_s=allow_high_s) for key in keys}
    assert verdicts == {not is_changed}


@settings(max_examples=100)
@given(st.sampled_from([2, 3]), st.binary(min_size=32, max_size=32))
def test_the_libraries_take_the_same_points(head: int, x: bytes) -> None:
    results = []
    for backend in BACKENDS.values():
        try:
            results.append(backend.public_key(bytes((head,)) + x, "k256").compressed)
        except InvalidEncoding:
            results.append(None)
    assert len(set(results)) == 1


def test_the_fastest_library_that_is_installed_is_taken_for_k256() -> None:
    fastest = BACKENDS["speed"].SpeedPrivateKey if "speed" in BACKENDS else _keys_portable.PortablePrivateKey
    assert type(generate_k256()) is fastest
    assert type(generate_p256()) is _keys_portable.PortablePrivateKey


def test_without_the_fast_library_k256_still_works(monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = __import__

    def refuse(name: str, *arguments: object) -> ModuleType:
        if name.startswith("tempest_pds.protocol.crypto") and "_keys_speed" in str(arguments):
            raise ImportError(name)
        return real_import(name, *arguments)  # type: ignore[arg-type]

    keys._backend.cache_clear()
    monkeypatch.setattr("builtins.__import__", refuse)
    try:
        key = private_key(SECRET)
        assert type(key) is _keys_portable.PortablePrivateKey
        assert key.public.verify(MESSAGE, key.sign(MESSAGE))
    finally:
        monkeypatch.undo()
        keys._backend.cache_clear()


@pytest.mark.parametrize("curve", ["k256", "p256"])
def test_secrets_out_of_range_are_refused(curve: Curve) -> None:
    order = ORDERS[curve]
    for raw in (b"", b"\x01", bytes(32), b"\x01" * 33, order.to_bytes(32, "big"), b"\xff" * 32):
        with pytest.raises(InvalidEncoding):
            private_key(raw, curve)
    assert private_key((order - 1).to_bytes(32, "big"), curve).raw == (order - 1).to_bytes(32, "big")
    assert private_key((1).to_bytes(32, "big"), curve).curve == curve


def test_a_secret_is_not_shown() -> None:
    assert SECRET.hex() not in repr(private_key(SECRET))
    assert repr(SECRET) not in repr(private_key(SECRET))


def test_keys_have_the_did_keys_of_the_specification() -> None:
    """The W3C's own vectors for did:key."""
    k256 = private_key(SECRET, "k256").public
    assert k256.did_key == "did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme"
    assert k256.jwt_alg == "ES256K"
    p256 = parse_did_key("did:key:zDnaerx9CtbPJ1q36T5Ln5wYt3MQYeGRG5ehnPAmxcf5mDZpv")
    assert (p256.curve, p256.jwt_alg) == ("p256", "ES256")
    assert p256.did_key == "did:key:zDnaerx9CtbPJ1q36T5Ln5wYt3MQYeGRG5ehnPAmxcf5mDZpv"


@pytest.mark.parametrize("make", [generate_k256, generate_p256])
def test_did_keys_read_back(make: object) -> None:
    key = make().public  # type: ignore[operator]
    assert parse_did_key(key.did_key) == key
    assert parse_multikey(format_multikey(key)) == key


def multikey(data: bytes) -> str:
    return "z" + base58.encode(data)


COMPRESSED = private_key(SECRET, "k256").public.compressed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "z",
        "zQ3sh",
        "Q3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme",
        "zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBm0",
        "zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBmé",
        "z1" + multikey(b"\xe7\x01" + COMPRESSED)[1:],
        "z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK",  # Ed25519
        multikey(b"\xe7\x01" + COMPRESSED[:-1]),
        multikey(b"\xe7\x01" + COMPRESSED + b"\x00"),
        multikey(b"\xe7\x01\x04" + COMPRESSED[1:]),
        multikey(b"\xe7\x01\x04" + COMPRESSED[1:] + bytes(32)),
        multikey(b"\xe7\x01\x02" + b"\xff" * 32),
        multikey(b"\xe7\x01\x02" + bytes(31) + b"\x05"),
        "z" + "1" * 10_000,
    ],
    ids=lambda text: text[:30],
)
def test_other_keys_are_refused(text: str) -> None:
    with pytest.raises(InvalidSyntax):
        parse_multikey(text)
    with pytest.raises(InvalidSyntax):
        parse_did_key("did:key:" + text)
    with pytest.raises(InvalidSyntax):
        parse_did_key(text)


@pytest.mark.parametrize("curve", ["k256", "p256"])
def test_points_of_old_documents_are_read(curve: Curve) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    made = _keys_portable.private_key(SECRET, curve)
    assert isinstance(made, _keys_portable.PortablePrivateKey)
    point = made._key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    assert parse_legacy_key(multikey(point), curve) == made.public
    assert parse_legacy_key(multikey(made.public.compressed), curve) == made.public
    off_curve = point[:-1] + bytes((point[-1] ^ 2,))
    for wrong in (off_curve, point[:-1], point[1:], b"\x04" + b"\xff" * 64):
        with pytest.raises(InvalidSyntax):
            parse_legacy_key(multikey(wrong), curve)


@given(st.binary(max_size=60))
def test_base58_reads_back(data: bytes) -> None:
    assert base58.decode(base58.encode(data)) == data


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("", ""),
        ("61", "2g"),
        ("626262", "a3gV"),
        ("572e4794", "3EFU7m"),
        ("10c8511e", "Rt5zm"),
        ("00eb15231dfceb60925886b67d065299925915aeb172c06647", "1NS17iag9jJgTHD1VXjvLCEnZuQ3rJDE9L"),
        ("00000000000000000000", "1111111111"),
    ],
)
def test_base58_is_that_of_bitcoin(data: str, text: str) -> None:
    assert base58.encode(bytes.fromhex(data)) == text
    assert base58.decode(text).hex() == data
