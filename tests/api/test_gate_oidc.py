"""Tokens of an identity provider: who they let in, as whom, and every way of being refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import jwt
import pytest
import structlog
from cryptography.hazmat.primitives import serialization

from carecircle import to_text
from carecircle.api.jwks import KEPT_FOR, REFRESH_AFTER, RETRY_AFTER, IssuerKeys
from carecircle.api.oidc_settings import issuers_of
from carecircle.errors import InvalidSetting
from carecircle.identifiers import new_id
from tests.api.clinic import entries
from tests.api.issuer import AUDIENCE, OTHER_RSA, Issuer, account, as_bearer, open_issuer, open_service, public
from tests.api.test_service import question
from tests.conftest import Hospital, open_hospital

Run = Callable[[Callable[[Hospital], Any]], Any]
ASK = "/access/v1/evaluation"
SECRET_SUBJECT = "subject-that-nobody-logs"


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with open_issuer() as opened:
        yield opened


def _pem(key: Any) -> bytes:
    told: bytes = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return told


def _part(said: Any) -> bytes:
    raw = said if isinstance(said, bytes) else json.dumps(said).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def _hs256(head: Any, said: Any, secret: bytes) -> str:
    signed = _part(head) + b"." + _part(said)
    return (signed + b"." + _part(hmac.new(secret, signed, hashlib.sha256).digest())).decode()


def _rs256(issuer: Issuer, head: Any, said: bytes) -> str:
    algorithm = jwt.get_algorithm_by_name("RS256")
    signed = _part(head) + b"." + _part(said)
    return (signed + b"." + _part(algorithm.sign(signed, issuer.keys["r"][1]))).decode()


def bad_tokens(issuer: Issuer, subject: str) -> dict[str, str]:
    """Every one differs from a good one in what its name says."""
    good, now = issuer.token(subject), int(time.time())
    head, claims, signature = good.split(".")
    said = issuer.claims(subject)
    own_jwk = public(OTHER_RSA, "RS256", "r")
    twice = json.dumps(said)[:-1] + f', "sub": "{subject}"}}'
    twice_head = b'{"alg":"RS256","kid":"r","alg":"RS256"}'

    def otherwise_signed(**header: Any) -> str:
        return jwt.encode(said, OTHER_RSA, "RS256", headers={"kid": "r"} | header)

    return {
        "alg none": (_part({"alg": "none", "kid": "r"}) + b"." + _part(said) + b".").decode(),
        "alg None with its signature": (_part({"alg": "None", "kid": "r"}).decode() + f".{claims}.{signature}"),
        "HS256 with the public key": _hs256({"alg": "HS256", "kid": "r"}, said, _pem(issuer.keys["r"][1])),
        "HS256 with the JWKS": _hs256({"alg": "HS256", "kid": "r"}, said, json.dumps(issuer.served[0]).encode()),
        "HS256 with nothing": _hs256({"alg": "HS256", "kid": "r"}, said, b""),
        "RS256 said of an EC key": jwt.encode(said, issuer.keys["r"][1], "RS256", headers={"kid": "e"}),
        "PS256, not configured": jwt.encode(said, issuer.keys["r"][1], "PS256", headers={"kid": "r"}),
        "another's signature": otherwise_signed(),
        "its own jwk": otherwise_signed(jwk=own_jwk),
        "a jku": otherwise_signed(jku="http://127.0.0.1:9/keys"),
        "an x5u": otherwise_signed(x5u="http://127.0.0.1:9/chain"),
        "another kid": otherwise_signed(kid="other"),
        "a path as kid": otherwise_signed(kid="../../../../dev/null"),
        "SQL as kid": otherwise_signed(kid="x' union select 'secret"),
        "a list as kid": _rs256(issuer, {"alg": "RS256", "kid": ["r"]}, json.dumps(said).encode()),
        "no kid where several fit not": jwt.encode(said, OTHER_RSA, "RS256"),
        "crit": _rs256(issuer, {"alg": "RS256", "kid": "r", "crit": ["exp"]}, json.dumps(said).encode()),
        "b64": _rs256(issuer, {"alg": "RS256", "kid": "r", "b64": False}, json.dumps(said).encode()),
        "another type": issuer.token(subject, headers={"typ": "logout+jwt"}),
        "another audience": issuer.token(subject, aud="https://elsewhere.example"),
        "audiences that are no texts": issuer.token(subject, aud=[AUDIENCE, 5]),
        "no audience": issuer.token(subject, aud=None),
        "another issuer": issuer.token(subject, iss="https://elsewhere.example"),
        "no issuer": issuer.token(subject, iss=None),
        "expired": issuer.token(subject, exp=now - 1),
        "no end": issuer.token(subject, exp=None),
        "an end that is text": _rs256(issuer, {"alg": "RS256", "kid": "r"}, json.dumps(said | {"exp": "9999999999"}).encode()),
        "an end without end": _rs256(issuer, {"alg": "RS256", "kid": "r"}, json.dumps(said | {"exp": float("inf")}).encode()),
        "an end beyond all numbers": _rs256(issuer, {"alg": "RS256", "kid": "r"}, json.dumps(said | {"exp": 10**400}).encode()),
        "not yet": issuer.token(subject, nbf=now + 120),
        "issued ahead": issuer.token(subject, iat=now + 120),
        "signed in ahead": issuer.token(subject, auth_time=now + 120),
        "no subject": issuer.token(subject, sub=None),
        "an empty subject": issuer.token(subject, sub=""),
        "a subject twice": _rs256(issuer, {"alg": "RS256", "kid": "r"}, twice.encode()),
        "a header twice": _rs256(issuer, twice_head, json.dumps(said).encode()),
        "too deep": _rs256(issuer, {"alg": "RS256", "kid": "r"}, b"[" * 5000),
        "no object": _rs256(issuer, {"alg": "RS256", "kid": "r"}, b"[]"),
        "too long": issuer.token(subject, more="x" * 9000),
        "another subject under the signature": f"{head}.{_part(said | {'sub': 'somebody'}).decode()}.{signature}",
        "a signature with more bits": good[:-1] + _one_bit_more(good[-1]),
        "no signature": f"{head}.{claims}.",
        "four parts": f"{good}.{signature}",
        "unknown to everybody": issuer.token("nobody-here"),
        "not a token": "x",
        "spaces": " ",
    }  # fmt: skip


def _one_bit_more(last: str) -> str:
    """The last character with a bit set that says nothing."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return alphabet[alphabet.index(last) | 1]


def test_a_good_token_lets_in_and_every_bad_one_is_told_the_same(in_hospital: Run, issuer: Issuer) -> None:
    async def body(hospital: Hospital) -> None:
        await account(hospital, issuer, SECRET_SUBJECT, "care_coordinator")
        asked = question(new_id(), new_id())
        logged: list[Any] = []
        async with open_service(hospital, issuer.setting(hospital)) as client:
            for kid in issuer.keys:
                answer = await client.post(ASK, json=asked, headers=as_bearer(issuer.token(SECRET_SUBJECT, kid)))
                assert (answer.status_code, answer.json()["context"]["code"]) == (200, "unknown-patient"), kid
            told = set()
            with structlog.testing.capture_logs() as logs:
                for name, token in bad_tokens(issuer, SECRET_SUBJECT).items():
                    refused = await client.post(ASK, json=asked, headers=as_bearer(token))
                    assert refused.status_code == 401, name
                    told.add((refused.content, refused.headers["www-authenticate"]))
                logged += logs
            at_rest = issuer.token(SECRET_SUBJECT, headers={"typ": "at+jwt"}, nbf=int(time.time()) + 30)
            assert (await client.post(ASK, json=asked, headers=as_bearer(at_rest))).status_code == 200
        assert len(told) == 1
        written = json.dumps(logged, default=str)
        assert len(logged) > 30
        assert SECRET_SUBJECT not in written
        assert "eyJ" not in written
        left = await entries(hospital, "refusal")
        assert [one["code"] for one in left] == ["account-unknown"]
        assert "nobody-here" not in str(left)

    in_hospital(body)


def test_an_account_signs_in_as_its_provider_or_as_itself(in_hospital: Run, issuer: Issuer) -> None:
    async def body(hospital: Hospital) -> None:
        doctor, other = await hospital.provider("npi|1"), await hospital.provider("npi|2")
        await account(hospital, issuer, "doctor", "clinician", provider=doctor)
        clerk = await account(hospital, issuer, "clerk", "auditor")
        async with open_service(hospital, issuer.setting(hospital)) as client:
            as_doctor, as_clerk = as_bearer(issuer.token("doctor", sid="s1")), as_bearer(issuer.token("clerk"))
            about_self = await client.post(ASK, json=question(doctor, new_id()), headers=as_doctor)
            about_other = await client.post(ASK, json=question(other, new_id()), headers=as_doctor)
            by_clerk = await client.post(ASK, json=question(other, new_id()), headers=as_clerk)
            read = await client.get("/v1/care-teams", headers=as_doctor)
            own = await client.get("/v1/credentials", params={"provider": to_text(doctor)}, headers=as_doctor)
            others = await client.get("/v1/credentials", params={"provider": to_text(other)}, headers=as_doctor)
            audit = await client.get("/v1/audit/entries", headers=as_clerk)
        assert about_self.json()["context"]["code"] == "unknown-patient"
        assert own.status_code == audit.status_code == 200
        for refused in (about_other, by_clerk, read, others):
            assert (refused.status_code, refused.json()["code"]) == (403, "permission-required")
        actors = {one["actor"] for one in await entries(hospital) if one["kind"] in ("decision", "refusal")}
        assert actors == {f"provider:{to_text(doctor)}", f"person:{to_text(clerk.id)}"}
        signed_in = await entries(hospital, "sign-in")
        assert [one["code"] for one in signed_in] == ["token-used", "token-used"]

    in_hospital(body)


def test_what_a_token_says_of_its_provider_keeps_out_and_lets_nobody_in(in_hospital: Run, issuer: Issuer) -> None:
    async def body(hospital: Hospital) -> None:
        doctor = await hospital.provider("npi|77")
        await account(hospital, issuer, "doctor", "clinician", provider=doctor)
        await account(hospital, issuer, "clerk", "care_coordinator")
        setting = issuer.setting(hospital, fhir_user_system="npi", provider_claim="npi")
        right = {"npi": "npi|77"}
        async with open_service(hospital, setting) as client:

            async def status(subject: str, **more: Any) -> int:
                asked = question(doctor, new_id())
                return (
                    await client.post(ASK, json=asked, headers=as_bearer(issuer.token(subject, **more)))
                ).status_code

            for named in (None, to_text(doctor), str(doctor), "77"):
                said = None if named is None else f"https://fhir.example/r4/Practitioner/{named}"
                assert await status("doctor", fhirUser=said, **right) == 200, named
            for said in (
                "Practitioner/78",
                "https://fhir.example/Patient/77",
                "77",
                "Practitioner/",
                "Practitioner/77?x=1",
            ):
                assert await status("doctor", fhirUser=said, **right) == 401, said
            assert await status("doctor", npi="npi|78") == 401
            assert await status("doctor") == 401
            assert await status("clerk", npi="npi|77", fhirUser="Practitioner/77") == 401
        codes = {one["code"] for one in await entries(hospital, "refusal")}
        assert codes == {"fhir-user-mismatch", "provider-claim-mismatch"}

    in_hospital(body)


def test_the_organization_is_the_settings_or_the_claims_and_no_other(in_hospital: Run, issuer: Issuer) -> None:
    async def body(hospital: Hospital) -> None:
        await account(hospital, issuer, "doctor", "care_coordinator")
        setting = issuer.setting(hospital) | {"organization_claim": "tenant"}
        del setting["organization"]
        async with open_service(hospital, setting) as client, open_hospital(hospital.circle) as neighbour:

            async def status(**more: Any) -> int:
                asked = question(new_id(), new_id())
                token = issuer.token("doctor", **more)
                return (await client.post(ASK, json=asked, headers=as_bearer(token))).status_code

            assert await status(tenant=hospital.slug) == await status(tenant=to_text(hospital.organization)) == 200
            for elsewhere in (neighbour.slug, to_text(neighbour.organization), "nowhere", to_text(new_id()), None, 5):
                assert await status(tenant=elsewhere) == 401, elsewhere

    in_hospital(body)


def test_keys_are_fetched_seldom_kept_while_the_issuer_is_down_and_forgotten_after(in_hospital: Run) -> None:
    async def body(_: Hospital) -> None:
        now = 1000.0
        with open_issuer() as issuer:
            keys = IssuerKeys(issuer.url, None, lambda: now)
            assert await keys.key("RS256", "r") is not None
            assert await keys.key("ES256", "r") is None  # looked for once more? Not within half a minute
            assert await keys.key("RS256", "new") is None
            assert issuer.asked == 1
            issuer.served.append(public(OTHER_RSA, "RS256", "new"))
            now += RETRY_AFTER
            assert await keys.key("RS256", "new") is not None
            assert await keys.key("RS256", None) is None  # two would fit
            assert issuer.asked == 2
            # A key that the issuer takes away is gone once its keys are fetched anew.
            issuer.served.pop()
            now += REFRESH_AFTER
            assert await keys.key("RS256", "new") is not None
            await keys.settled()
            assert await keys.key("RS256", "new") is None
            for answers in (500, 302):
                issuer.answers = answers
                now += REFRESH_AFTER
                assert await keys.key("RS256", "r") is not None
                await keys.settled()
            now += KEPT_FOR
            assert await keys.key("RS256", "r") is None
            issuer.answers, issuer.url = 200, issuer.url + "/another"
            now += RETRY_AFTER
            assert await keys.key("RS256", "r") is None  # the discovery document is another issuer's
            await keys.close()

    in_hospital(body)


def test_keys_that_are_weak_private_or_for_something_else_are_none(in_hospital: Run) -> None:
    async def body(_: Hospital) -> None:
        with open_issuer() as issuer:
            good = issuer.served[0]
            for spoilt in (
                good | {"d": "AQAB"}, good | {"use": "enc"}, good | {"key_ops": ["sign"]}, good | {"alg": "RS384"},
                good | {"n": "AQAB"}, {"kty": "oct", "kid": "r", "k": "c2VjcmV0"}, good | {"kid": 5},
            ):  # fmt: skip
                issuer.served = [spoilt, issuer.served[1] if len(issuer.served) > 1 else spoilt]
                keys = IssuerKeys(issuer.url, f"{issuer.url}/keys")
                assert await keys.key("RS256", "r") is None, spoilt
            issuer.served = [good, good]
            assert await IssuerKeys(issuer.url, f"{issuer.url}/keys").key("RS256", "r") is None
            issuer.served = [good]
            assert await IssuerKeys(issuer.url, f"{issuer.url}/keys").key("RS256", "r") is not None

    in_hospital(body)


@pytest.mark.parametrize(
    "said",
    [
        "{", "{}", '[{"issuer": "https://a", "audience": "b"}]',
        '[{"issuer": "http://a", "audience": "b", "organization": "c"}]',
        '[{"issuer": "https://a", "audience": "b", "organization": "c", "algorithms": ["HS256"]}]',
        '[{"issuer": "https://a", "audience": "b", "organization": "c", "algorithms": ["none"]}]',
        '[{"issuer": "https://a", "audience": "b", "organization": "c", "jwks_url": "http://a/keys"}]',
        '[{"issuer": "https://a", "audience": "b", "organization": "c", "jwks": "http://a/keys"}]',
        '[{"issuer": "https://a", "audience": "b", "organization": "c", "organization_claim": "d"}]',
        '[{"issuer": "https://u:p@a", "audience": "b", "organization": "c"}]',
        '[{"issuer": "https://a", "audience": "b", "organization": "c"},'
        ' {"issuer": "https://a", "audience": "b", "organization": "d"}]',
    ],
)  # fmt: skip
def test_a_setting_that_would_let_in_whoever_is_refused(said: str) -> None:
    with pytest.raises(InvalidSetting, match="CARECIRCLE_OIDC"):
        issuers_of(said)


def test_a_setting_that_makes_sense_is_read() -> None:
    assert issuers_of(None) == ()
    [one] = issuers_of('[{"issuer": "https://a", "audience": "b", "organization": "c"}]')
    assert (one.session_claim, one.fhir_user) == ("sid", "check")
