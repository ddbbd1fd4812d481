"""Tokens that are signed validly and yet cannot be believed."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from carecircle.api.tokens import ALGORITHM, AUDIENCE, ISSUER, Gate
from carecircle.database.crypto import Keyring
from carecircle.errors import Unauthenticated
from carecircle.identifiers import new_id, to_text


@pytest.mark.parametrize("end", [10**400, -(10**400), 1e308 * 10])
def test_an_end_beyond_all_time_is_not_believed(tmp_path: Path, end: float) -> None:
    keyring = Keyring.open(tmp_path)

    def bearer(expires_at: float) -> bytes:
        claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "a", "org": to_text(new_id()), "exp": expires_at}
        return b"Bearer " + jwt.encode({"alg": ALGORITHM}, claims, OctKey.import_key(keyring.token_key())).encode()

    gate = Gate(keyring)
    assert gate.admit(bearer(int(time.time()) + 60)).actor.name == "a"
    with pytest.raises(Unauthenticated):
        gate.admit(bearer(end))
