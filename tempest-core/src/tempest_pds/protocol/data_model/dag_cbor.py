"""DAG-CBOR, the one binary form of the data model: equal values have equal bytes.

Reading is strict. Bytes that are not the encoding that `encode` gives of some value are refused: trailing bytes, keys
unsorted or twice there, numbers not in their shortest form, indefinite lengths, floats, tags other than 42, CIDs that
the data model does not bless. So whatever decodes encodes back to the same bytes, and a CID stands for one value.

https://atproto.com/specs/data-model, https://ipld.io/specs/codecs/dag-cbor/spec/
"""

from __future__ import annotations

try:
    from tempest_pds.protocol.data_model._dag_cbor_speed import decode, encode
except ImportError:
    from tempest_pds.protocol.data_model._dag_cbor_portable import decode, encode

__all__ = ["decode", "encode"]
