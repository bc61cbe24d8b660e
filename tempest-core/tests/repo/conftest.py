"""What the tests of the repository layer share."""

import pytest

from tempest_pds.protocol.crypto.keys import PrivateKey, generate_k256


@pytest.fixture(scope="session")
def signing_key() -> PrivateKey:
    return generate_k256()
