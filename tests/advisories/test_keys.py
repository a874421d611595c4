"""Attacks on keys: what is published, by whom, and what happens when nobody can say what is."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import httpx2
import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from authguard.core.outcomes import Reason
from authguard.testing import Mint, SigningKey
from authguard.testing.keys import compact, segment
from tests.advisories import tokens
from tests.advisories.publishing import ISSUER, METADATA, Issuer
from tests.requirements import attack, attack_each
from tests.support import weak_keys
from tests.support.harness import OWN_STAFF

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.advisories.scene import Scene, Strike

UNKNOWN, UNREACHABLE, UNUSABLE = Reason.KEY_UNKNOWN, Reason.KEYS_UNREACHABLE, Reason.KEYS_UNUSABLE
EVERY = "algorithms: [ES256, RS256, EdDSA]"
DISCOVERY = "keys: discovery\n    stale_keys: 1h"


def _mint() -> Mint:
    from authguard.testing import FakeClock  # noqa: PLC0415 - only its keys are used

    return Mint.create(FakeClock())


def _short() -> Any:
    return rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - the weakness is the attack


def _cubed() -> Any:
    return rsa.generate_private_key(public_exponent=3, key_size=2048)


@attack_each(
    {
        "keys-roca": weak_keys.roca,
        "keys-close-primes": weak_keys.close,
        "keys-short-rsa": _short,
        "keys-small-exponent": _cubed,
    }
)
async def test_a_published_rsa_key_that_others_can_sign_with(strike: Strike, case: Callable[[], Any]) -> None:
    key = case()
    published = _mint().jwks()
    published["keys"].append(weak_keys.jwk(key))
    scene = strike.at(jwks=published, algorithms=EVERY)
    rsa_signature = jwt.get_algorithm_by_name("RS256")
    header = {"alg": "RS256", "kid": "weak", "typ": "at+jwt"}
    await strike(compact(header, tokens.claims(scene), lambda message: rsa_signature.sign(message, key)), UNKNOWN)


@attack("keys-small-order")
async def test_a_published_point_of_small_order(strike: Strike) -> None:
    identity = (1).to_bytes(32, "little")
    member = {"kty": "OKP", "crv": "Ed25519", "x": segment(identity), "kid": "weak"}
    scene = strike.at(jwks={"keys": [*_mint().jwks()["keys"], member]}, algorithms=EVERY)
    # under the neutral point every message has the signature (B * 0, 0)
    forged = compact(
        {"alg": "EdDSA", "kid": "weak", "typ": "at+jwt"}, tokens.claims(scene), lambda _: identity + bytes(32)
    )
    await strike(forged, UNKNOWN)


def _stranger(**changes: Any) -> tuple[dict[str, Any], SigningKey]:
    key = SigningKey.generate("ES256", kid="stranger")
    member = key.jwk() | changes
    return {name: value for name, value in member.items() if value is not ...}, key


@attack_each(
    {
        "keys-off-curve": {"y": segment(b"\x01" * 32)},
        "keys-for-encryption": {"use": "enc"},
        "keys-for-signing-only": {"use": ..., "key_ops": ["sign"]},
        "keys-other-alg": {"alg": "ES384"},
    }
)
async def test_a_published_key_that_is_for_something_else(strike: Strike, case: dict[str, Any]) -> None:
    member, key = _stranger(**case)
    scene = strike.at(jwks={"keys": [*_mint().jwks()["keys"], member]})
    header = {"alg": "ES256", "kid": "stranger", "typ": "at+jwt"}
    await strike(compact(header, tokens.claims(scene), key.sign), UNKNOWN)


@attack("keys-private-half")
async def test_a_key_whose_private_half_is_published(strike: Strike) -> None:
    member, key = _stranger()
    private: Any = key.private
    member["d"] = segment(private.private_numbers().private_value.to_bytes(32))
    scene = strike.at(jwks={"keys": [*_mint().jwks()["keys"], member]})
    header = {"alg": "ES256", "kid": "stranger", "typ": "at+jwt"}
    await strike(compact(header, tokens.claims(scene), key.sign), UNKNOWN)


@attack("keys-same-name")
async def test_two_keys_of_one_name(strike: Strike) -> None:
    first, _ = _stranger()
    second, _ = _stranger()
    _, forger = _stranger()
    scene = strike.at(jwks={"keys": [*_mint().jwks()["keys"], first, second, _stranger(use="enc")[0]]})
    header = {"alg": "ES256", "kid": "stranger", "typ": "at+jwt"}
    await strike(compact(header, tokens.claims(scene), forger.sign), Reason.SIGNATURE_INVALID)


@attack("keys-published-secret")
async def test_a_secret_in_a_published_set(strike: Strike) -> None:
    secret = b"s" * 32
    member = {"kty": "oct", "k": segment(secret), "kid": "secret", "alg": "HS256"}
    scene = strike.at(jwks={"keys": [*_mint().jwks()["keys"], member]})
    hmac = jwt.get_algorithm_by_name("HS256")
    header = {"alg": "HS256", "kid": "secret", "typ": "at+jwt"}
    forged = compact(header, tokens.claims(scene), lambda message: hmac.sign(message, secret))
    await strike(forged, Reason.ALGORITHM_REFUSED)


def _two_issuers(strike: Strike, other: Mint) -> Scene:
    (strike.folder / "other.json").write_text(json.dumps(other.jwks()), "utf-8")
    more = (
        "{issuer: 'https://other.test', audience: 'https://agent.test', algorithms: [ES256], keys: {file: other.json}}"
    )
    return strike.at(keys=f"keys: {{file: keys.json}}\n  - {more}\n{OWN_STAFF.strip()}")


@attack("keys-of-other-issuer")
async def test_a_key_of_another_trusted_issuer(strike: Strike) -> None:
    other = Mint.create(_mint().clock, issuer="https://other.test")
    scene = _two_issuers(strike, other)
    await strike(compact(other.header(), tokens.claims(scene), other.keys["ES256"].sign), UNKNOWN)


@attack("keys-name-of-other-issuer")
async def test_a_key_name_that_two_issuers_use(strike: Strike) -> None:
    shared = SigningKey.generate("ES256", kid=_mint().keys["ES256"].kid)
    (strike.folder / "other.json").write_text(json.dumps({"keys": [shared.jwk()]}), "utf-8")
    scene = _two_issuers(strike, Mint.create(_mint().clock, issuer="https://other.test"))
    forged = compact({"alg": "ES256", "kid": shared.kid, "typ": "at+jwt"}, tokens.claims(scene), shared.sign)
    await strike(forged, Reason.SIGNATURE_INVALID)


@attack("keys-withdrawn")
async def test_a_remembered_token_of_a_withdrawn_key(strike: Strike) -> None:
    issuer = Issuer(_mint().jwks())
    scene = strike.at(keys=DISCOVERY, network=issuer.client())
    stolen = scene.good(sub="thief", lifetime=3_000)
    assert (await scene.send((b"authorization", b"Bearer " + stolen.encode()))).status == 200
    rotated = scene.mint.rotated("ES256")
    issuer.answers["/jwks"] = rotated.jwks()
    scene.clock.advance(400)
    await strike.settle(rotated.mint(scope="chat", acr="aal2", account_status="ok"))
    await strike(stolen, UNKNOWN)


@attack("keys-made-up-name")
async def test_one_made_up_key_name_leads_to_one_fetch(strike: Strike) -> None:
    issuer = Issuer(_mint().jwks())
    strike.at(keys=DISCOVERY, network=issuer.client())
    await strike.settle()
    for _ in range(20):
        await strike(tokens.by_stranger(strike.scene, kid="made-up"), UNKNOWN)
    assert issuer.asked.count(f"{ISSUER}/jwks") == 2


@attack("keys-made-up-names")
async def test_many_made_up_key_names_lead_to_few_fetches_and_are_no_verdict(strike: Strike) -> None:
    issuer = Issuer(_mint().jwks())
    scene = strike.at(keys=DISCOVERY, network=issuer.client())
    await strike.settle()
    for number in range(10):
        forged = tokens.by_stranger(scene, kid=f"made-up-{number}")
        await scene.send((b"authorization", b"Bearer " + forged.encode()))
    await strike(tokens.by_stranger(scene, kid="one-more"), Reason.KEYS_BUSY)
    assert issuer.asked.count(f"{ISSUER}/jwks") <= 4


@attack("keys-stale")
async def test_old_keys_serve_no_longer_than_the_policy_says(strike: Strike) -> None:
    issuer = Issuer(_mint().jwks())
    scene = strike.at(keys=DISCOVERY, network=issuer.client())
    assert (await scene.send((b"authorization", b"Bearer " + scene.good().encode()))).status == 200
    issuer.answers = {METADATA: httpx2.ConnectError("refused")}
    scene.clock.advance(3_600)
    await strike(scene.good(), UNREACHABLE, settled=False)


OUTAGES: dict[str, dict[str, Any]] = {
    "keys-unreachable": {METADATA: httpx2.ConnectError("refused")},
    "keys-refused": {"/jwks": 503},
    "keys-redirected": {"/jwks": httpx2.Response(302, headers={"Location": "https://evil.test/jwks"})},
    "keys-compressed": {
        "/jwks": httpx2.Response(200, headers={"Content-Encoding": "gzip"}, content=gzip.compress(b" " * 9_000_000))
    },
    "keys-endless": {"/jwks": b'{"keys":[' + b" " * 300_000},
    "keys-too-many": {"/jwks": {"keys": [{"kty": "EC"}] * 5_000}},
    "keys-twice": {"/jwks": b'{"keys":[],"keys":[]}'},
    "keys-deep": {"/jwks": b'{"keys":' + b"[" * 3_000 + b"]" * 3_000 + b"}"},
    "keys-none": {"/jwks": {"keys": []}},
    "keys-unasked-304": {"/jwks": 304},
    "keys-metadata-of-other": {METADATA: {"issuer": "https://evil.test", "jwks_uri": f"{ISSUER}/jwks"}},
    "keys-without-tls": {METADATA: {"issuer": ISSUER, "jwks_uri": "http://issuer.test/jwks"}},
    "keys-local-file": {METADATA: {"issuer": ISSUER, "jwks_uri": "file:///etc/passwd"}},
    "keys-user-in-address": {METADATA: {"issuer": ISSUER, "jwks_uri": "https://issuer.test@evil.test/jwks"}},
}


@attack_each(OUTAGES)
async def test_an_answer_that_is_none_is_an_outage_or_a_misconfiguration(strike: Strike, case: dict[str, Any]) -> None:
    issuer = Issuer(_mint().jwks())
    issuer.answers |= case
    scene = strike.at(keys=DISCOVERY, network=issuer.client())
    is_outage = any(isinstance(answer, Exception) or answer == 503 for answer in case.values())
    await strike(scene.good(), UNREACHABLE if is_outage else UNUSABLE, settled=False)
    assert all(address.startswith(f"{ISSUER}/") for address in issuer.asked)
