"""What tokens permit, and tokens that are signed validly and yet cannot be believed."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from carecircle import Actor
from carecircle.api.caller import ASK
from carecircle.api.tokens import ALGORITHM, AUDIENCE, ISSUER, Gate, mint
from carecircle.cli.main import run
from carecircle.database.crypto import Keyring
from carecircle.database.embedded import EmbeddedServer
from carecircle.errors import Unauthenticated
from carecircle.identifiers import new_id, to_text
from tests.conftest import Hospital


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


def test_a_token_permits_asking_and_changing_only_where_it_says_so(tmp_path: Path) -> None:
    keyring = Keyring.open(tmp_path)
    gate = Gate(keyring)

    def bearer(**said: Any) -> bytes:
        claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "a", "org": to_text(new_id()), "exp": int(time.time()) + 60}
        return (
            b"Bearer " + jwt.encode({"alg": ALGORITHM}, claims | said, OctKey.import_key(keyring.token_key())).encode()
        )

    asking = mint(keyring, organization_id=new_id(), actor=Actor("a"))
    changing = mint(keyring, organization_id=new_id(), actor=Actor("a"), may=["change"])
    assert gate.admit(b"Bearer " + asking.encode()).may == {"ask"}
    assert gate.admit(b"Bearer " + changing.encode()).may == {"ask", "change"}
    assert gate.admit(bearer()).may == {"ask"}
    assert gate.admit(bearer(may=[])).may == {"ask"}
    for spoilt in ("change", {"change": True}, [["change"]], 1):
        with pytest.raises(Unauthenticated):
            gate.admit(bearer(may=spoilt))


def test_a_token_says_when_its_person_signed_in_or_nothing(tmp_path: Path) -> None:
    keyring = Keyring.open(tmp_path)
    gate = Gate(keyring)

    def bearer(**said: Any) -> bytes:
        claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "a", "org": to_text(new_id()), "exp": int(time.time()) + 60}
        return (
            b"Bearer " + jwt.encode({"alg": ALGORITHM}, claims | said, OctKey.import_key(keyring.token_key())).encode()
        )

    at = datetime(2026, 1, 31, 8, 0, 5, 250_000, tzinfo=UTC)
    token = mint(keyring, organization_id=new_id(), actor=Actor("a"), signed_in_at=at)
    assert gate.admit(b"Bearer " + token.encode()).signed_in_at == at.replace(microsecond=0)
    assert gate.admit(bearer()).signed_in_at is None
    assert gate.admit(bearer(auth_time=0)).signed_in_at == datetime(1970, 1, 1, tzinfo=UTC)
    for spoilt in ("1700000000", True, [1], {"at": 1}, 1e300, -(10**30), 10**400):
        with pytest.raises(Unauthenticated):
            gate.admit(bearer(auth_time=spoilt))


def test_the_command_mints_what_is_asked_for(
    in_hospital: Callable[[Callable[[Hospital], Any]], Any],
    server: EmbeddedServer,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def made(hospital: Hospital) -> tuple[str, UUID]:
        return hospital.slug, await hospital.provider("npi|1234567893")

    monkeypatch.setenv("CARECIRCLE_DATABASE_URL", server.admin_url)
    organization, person = in_hospital(made)

    def minted(*options: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            run(["token", "--organization", organization, *options])
        return int(ended.value.code or 0), capsys.readouterr().out.strip()

    gate = Gate(Keyring.open(home))
    for options, may in (
        ((), {"ask"}),
        (("--may", "ask"), {"ask"}),
        (("--may", "change"), {"ask", "change"}),
        (("--may", "audit"), {"ask", "audit"}),
    ):
        code, token = minted(*options)
        assert code == 0
        assert gate.admit(f"Bearer {token}".encode()).may == may
        assert gate.admit(f"Bearer {token}".encode()).signed_in_at is None
    for named in ("npi|1234567893", to_text(person)):
        code, token = minted("--as", named)
        caller = gate.admit(f"Bearer {token}".encode())
        assert (code, caller.actor, caller.may) == (0, Actor.provider(person), ASK)
        assert caller.signed_in_at is not None
        assert abs(time.time() - caller.signed_in_at.timestamp()) < 60
    for nobody in ("npi|0", to_text(new_id())):
        assert minted("--as", nobody)[0] == 5
    assert '"may":"change"' in minted("--may", "change", "--output", "json")[1].replace(" ", "")
    assert minted("--may", "everything")[0] == 2
