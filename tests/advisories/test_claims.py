"""Attacks with claims that are truly signed; each is refused, and only an honest token's end is told as such."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from authguard.core.outcomes import Reason
from authguard.testing import Mint
from authguard.testing.keys import SigningKey, compact
from tests.advisories import tokens
from tests.requirements import attack, attack_each

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.advisories.scene import Scene, Strike

    Case = tuple[Callable[[Scene], str], Reason]

MISSING, MALFORMED = Reason.CLAIM_MISSING, Reason.CLAIM_MALFORMED
AUDIENCE, ISSUER, TYPE = Reason.AUDIENCE_WRONG, Reason.ISSUER_UNKNOWN, Reason.TYPE_REFUSED
DAY = 86_400


def _with(**changes: Any) -> Callable[[Scene], str]:
    return lambda scene: scene.good(**changes)


def _at(**offsets: float) -> Callable[[Scene], str]:
    return lambda scene: scene.good(**{name: scene.clock.now() + offset for name, offset in offsets.items()})


def _spelled(name: str, digits: str) -> Callable[[Scene], str]:
    return lambda scene: tokens.spelled(scene, name, digits)


def _acting(depth: int) -> dict[str, Any]:
    act: dict[str, Any] = {"sub": "concierge"}
    for _ in range(depth):
        act = {"sub": "concierge", "act": act}
    return act


CASES: dict[str, Case] = {
    "claims-no-expiry": (_with(drop=("exp",)), MISSING),
    "claims-no-subject": (_with(drop=("sub",)), MISSING),
    "claims-no-audience": (_with(drop=("aud",)), MISSING),
    "claims-no-issuer": (_with(drop=("iss",)), ISSUER),
    "claims-no-issue-time": (_with(drop=("iat",)), MISSING),
    "claims-expired": (_with(lifetime=-31), Reason.TOKEN_EXPIRED),
    "claims-expired-forged": (
        lambda scene: compact(scene.mint.header(), tokens.claims(scene, lifetime=-31), SigningKey.generate().sign),
        Reason.SIGNATURE_INVALID,
    ),
    "claims-expiry-string": (lambda scene: scene.good(exp=str(scene.clock.now() + 60)), MALFORMED),
    "claims-expiry-boolean": (_with(exp=True), MALFORMED),
    "claims-expiry-infinite": (_spelled("exp", "1e400"), Reason.CREDENTIAL_MALFORMED),
    "claims-expiry-nan": (_spelled("exp", "NaN"), Reason.CREDENTIAL_MALFORMED),
    "claims-expiry-negative": (_with(exp=-1), MALFORMED),
    "claims-expiry-far": (_spelled("exp", "9" * 100), MALFORMED),
    "claims-expiry-null": (_with(exp=None), MISSING),
    "claims-too-long": (_with(lifetime=3_650 * DAY), Reason.LIFETIME_EXCEEDED),
    "claims-not-yet": (_at(nbf=31), Reason.TOKEN_NOT_YET_VALID),
    "claims-from-tomorrow": (_at(iat=DAY, exp=DAY + 60), Reason.TOKEN_NOT_YET_VALID),
    "claims-signed-in-tomorrow": (_at(auth_time=DAY), Reason.TOKEN_NOT_YET_VALID),
    "claims-audience-other": (_with(aud="https://other.test"), AUDIENCE),
    "claims-audience-empty": (_with(aud=[]), MISSING),
    "claims-audience-prefix": (_with(aud="https://agent.test.evil.test"), AUDIENCE),
    "claims-audience-case": (_with(aud="HTTPS://AGENT.TEST"), AUDIENCE),
    "claims-audience-mixed": (_with(aud=["https://agent.test", 7]), AUDIENCE),
    "claims-audience-object": (_with(aud={"https://agent.test": True}), AUDIENCE),
    "claims-issuer-part": (_with(iss="https://issuer"), ISSUER),
    "claims-issuer-slash": (_with(iss="https://issuer.test/"), ISSUER),
    "claims-issuer-list": (_with(iss=["https://issuer.test"]), ISSUER),
    "claims-issuer-stranger": (
        lambda scene: Mint.create(scene.clock, issuer="https://evil.test").mint(scope="chat"),
        ISSUER,
    ),
    "claims-subject-number": (_with(sub=1), MALFORMED),
    "claims-subject-object": (_with(sub={"sub": "customer-1"}), MALFORMED),
    "claims-subject-empty": (_with(sub=""), MALFORMED),
    "claims-subject-endless": (_with(sub="c" * 256), MALFORMED),
    "claims-id-token": (_with(typ="JWT"), TYPE),
    "claims-no-type": (_with(typ=None), TYPE),
    "claims-certificate-bound": (_with(cnf={"x5t#S256": "A" * 43}), Reason.BOUND_TOKEN),
    "claims-act-text": (_with(act="concierge"), MALFORMED),
    "claims-act-nobody": (_with(act={"iss": "https://issuer.test"}), MALFORMED),
    "claims-act-endless": (_with(act=_acting(12)), MALFORMED),
    "claims-scopes-endless": (_with(scope=" ".join(f"s{number}" for number in range(1_000))), MALFORMED),
}


@attack_each(CASES)
async def test_claims_that_prove_nothing(strike: Strike, case: Case) -> None:
    forger, reason = case
    await strike(forger(strike.scene), reason)


@attack("claims-not-required")
async def test_a_claim_that_the_policy_requires(strike: Strike) -> None:
    scene = strike.at(keys="keys: {file: keys.json}\n    require: [client_id, jti]")
    await strike(scene.good(drop=("jti",)), MISSING)


@attack("claims-expired-warm")
async def test_a_remembered_token_after_its_end(strike: Strike) -> None:
    token = strike.scene.good(sub="another", lifetime=30)
    assert (await strike.scene.send((b"authorization", b"Bearer " + token.encode()))).status == 200
    strike.scene.clock.advance(61)
    await strike.settle()
    await strike(token, Reason.TOKEN_EXPIRED)


@attack_each(
    {"claims-logout-token": "logout+jwt", "claims-event-token": "secevent+jwt", "claims-proof-as-token": "dpop+jwt"}
)
async def test_a_token_for_something_else_where_the_policy_takes_any_type(strike: Strike, case: str) -> None:
    scene = strike.at(keys="keys: {file: keys.json}\n    type: any")
    await strike(scene.good(typ=f"application/{case}"), TYPE)
