"""Opaque tokens, introspected JWTs and bound tokens, in the way that the enforcer validates them."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from msgspec.structs import replace

from authguard.core.deployment import Introspection, Issuer
from authguard.core.issuer_settings import ClaimSources
from authguard.core.outcomes import Reason
from authguard.core.request import UNSEEN, Evidence, NotProven, Proven
from authguard.credentials.introspection import IntrospectionLimits
from authguard.credentials.jwt_validator import needs_token_validator
from authguard.credentials.nonce import NONCE_STEP_S, NonceGenerator
from authguard.credentials.token_validator import TokenValidator, is_jwt, opaque_token_issuer
from authguard.errors import SettingsError, StoreError
from authguard.formats.urls import normalize
from authguard.stores.memory import MemoryStore
from authguard.testing import DpopClient

if TYPE_CHECKING:
    from collections.abc import Callable

    from authguard.core.request import Credential, Unseen
    from authguard.credentials.jwt_validator import JwtValidator
    from authguard.testing import FakeClock, Mint

URL = "https://agent.test/chat"
ASKED = Introspection(url="https://issuer.test/introspect", client_id="guard", secret_env="SECRET")
NONCES = NonceGenerator(lambda: b"k" * 32)


class ValidatorHarness:
    """A validator in the way that the enforcer calls it, and the issuer that it introspects at."""

    def __init__(self, mint: Mint, clock: FakeClock, make: Callable[..., JwtValidator], *issuers: Issuer) -> None:
        self.mint = mint
        self.clock = clock
        self.said: dict[str, Any] = {}
        self.asked: list[str] = []
        self.store = MemoryStore()
        self.client = DpopClient.create(clock)
        self.validator = TokenValidator(
            make(*issuers),
            {issuer.issuer: issuer for issuer in issuers},
            environ={"SECRET": "s"},
            nonces=NONCES,
            store=self.store,
            client=httpx2.AsyncClient(transport=httpx2.MockTransport(self._answer)),
            limits=IntrospectionLimits(timeout=5.0),
        )

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        token = httpx2.QueryParams(request.content.decode())["token"]
        self.asked.append(token)
        return httpx2.Response(200, json=self.said.get(token, {"active": False}))

    def vouch(self, token: str, **claims: Any) -> str:
        """Make the introspection response of a token active."""
        self.said[token] = {"active": True, **self.mint.claims(**claims)}
        return token

    async def validate(self, authorization: str, proof: str = "") -> Credential:
        """Validate as the enforcer does."""
        evidence = Evidence(
            authorization=authorization.encode(), proof=proof.encode(), method="POST", address=normalize(URL)
        )
        found: Credential | Unseen = self.validator.get_cached(evidence, self.clock.now())
        if found is UNSEEN:
            found = self.validator.validate_offline(evidence, self.clock.now())
        if isinstance(found, Proven | NotProven):
            return found
        return await self.validator.check(evidence, self.clock.now())

    async def prove(self, token: str, **claims: Any) -> Credential:
        """Send a bound token with a proof."""
        return await self.validate(f"DPoP {token}", self.client.proof("POST", URL, token, **claims))

    def bound(self, **claims: Any) -> str:
        """Mint a token that is bound to our client."""
        return self.mint.mint(cnf=self.client.confirmation, **claims)


@pytest.fixture
async def build_harness(
    authguard_issuer: Mint,
    authguard_clock: FakeClock,
    issuer_of: Callable[..., Issuer],
    make: Callable[..., JwtValidator],
) -> Any:
    """Return a builder of validators for one issuer, described by fields of the policy."""

    async def build(**fields: Any) -> ValidatorHarness:
        harness = ValidatorHarness(authguard_issuer, authguard_clock, make, issuer_of(authguard_issuer, **fields))
        await harness.validator.open()
        return harness

    return build


def reason(found: Credential) -> Reason | None:
    return found.reason if isinstance(found, NotProven) else None


async def test_an_opaque_token_is_asked_about_once_and_then_remembered(build_harness: Any) -> None:
    harness = await build_harness(introspection=ASKED)
    harness.vouch("opaque", sub="anna", scope="chat", acr="aal2")
    first = await harness.validate("Bearer opaque")
    assert isinstance(first, Proven)
    assert (first.principal.subject, first.principal.token_scopes, first.principal.acr) == ("anna", {"chat"}, "aal2")
    assert first.principal.fingerprint == sha256(b"opaque").hexdigest()[:16]
    harness.clock.advance(29)
    assert await harness.validate("Bearer opaque") is first
    assert harness.asked == ["opaque"]


async def test_a_revoked_opaque_token_passes_no_longer_than_the_cache_says(build_harness: Any) -> None:
    harness = await build_harness(introspection=ASKED)
    harness.vouch("opaque")
    await harness.validate("Bearer opaque")
    harness.said.clear()
    harness.clock.advance(30)
    assert reason(await harness.validate("Bearer opaque")) is Reason.TOKEN_INACTIVE
    assert reason(await harness.validate("Bearer opaque")) is Reason.TOKEN_INACTIVE
    assert len(harness.asked) == 2


async def test_an_answer_is_not_used_beyond_the_tokens_end(build_harness: Any) -> None:
    harness = await build_harness(
        introspection=Introspection(url=ASKED.url, client_id="g", secret_env="SECRET", cache=3_600.0)
    )
    harness.vouch("opaque", lifetime=60)
    assert isinstance(await harness.validate("Bearer opaque"), Proven)
    harness.clock.advance(89)
    assert isinstance(await harness.validate("Bearer opaque"), Proven)
    harness.clock.advance(1)
    assert await harness.validate("Bearer opaque") == NotProven("expired", Reason.TOKEN_EXPIRED)
    assert len(harness.asked) == 1


async def test_without_a_cache_every_request_asks(build_harness: Any) -> None:
    harness = await build_harness(
        introspection=Introspection(url=ASKED.url, client_id="g", secret_env="SECRET", cache=0.0)
    )
    harness.vouch("opaque")
    for _ in range(3):
        assert isinstance(await harness.validate("Bearer opaque"), Proven)
    assert len(harness.asked) == 3


async def test_what_is_remembered_is_bounded_by_what_the_issuer_said_of_a_short_token(build_harness: Any) -> None:
    harness = await build_harness(introspection=ASKED)
    for number in range(3):
        harness.vouch(f"opaque-{number}", profile="x" * 60_000)
        assert isinstance(await harness.validate(f"Bearer opaque-{number}"), Proven)
    memory = harness.validator._jwt._cache
    assert 180_000 < memory._weight < 200_000


async def test_an_answer_is_about_one_token_only(build_harness: Any) -> None:
    harness = await build_harness(introspection=ASKED)
    harness.vouch("opaque")
    await harness.validate("Bearer opaque")
    assert reason(await harness.validate("Bearer opaqu")) is Reason.TOKEN_INACTIVE
    assert reason(await harness.validate("Bearer opaquee")) is Reason.TOKEN_INACTIVE


async def test_jwts_of_an_issuer_of_opaque_tokens_are_checked_as_ever_and_not_asked_about(
    build_harness: Any,
) -> None:
    harness = await build_harness(introspection=ASKED)
    first = await harness.validate(f"Bearer {(token := harness.mint.mint())}")
    assert isinstance(first, Proven)
    assert await harness.validate(f"Bearer {token}") is first
    assert harness.asked == []


async def test_a_jwt_is_asked_about_where_the_policy_says_always(build_harness: Any) -> None:
    harness = await build_harness(
        introspection=Introspection(url=ASKED.url, client_id="g", secret_env="SECRET", always=True)
    )
    token = harness.mint.mint(jti="1")
    assert reason(await harness.validate(f"Bearer {token}")) is Reason.TOKEN_INACTIVE
    harness.clock.advance(30)
    harness.said[token] = {"active": True, "sub": "customer-1"}
    first = await harness.validate(f"Bearer {token}")
    assert isinstance(first, Proven)
    assert await harness.validate(f"Bearer {token}") is first
    harness.clock.advance(30)
    harness.said.clear()
    assert reason(await harness.validate(f"Bearer {token}")) is Reason.TOKEN_INACTIVE


async def test_a_jwt_that_is_expired_is_expired_and_nobody_is_asked(build_harness: Any) -> None:
    harness = await build_harness(
        introspection=Introspection(url=ASKED.url, client_id="g", secret_env="SECRET", always=True)
    )
    assert reason(await harness.validate(f"Bearer {harness.mint.mint(lifetime=-60)}")) is Reason.TOKEN_EXPIRED
    assert harness.asked == []


async def test_opaque_tokens_too_are_shown_to_the_only_issuer_that_is_asked_always(build_harness: Any) -> None:
    harness = await build_harness(
        introspection=Introspection(url=ASKED.url, client_id="g", secret_env="SECRET", always=True)
    )
    assert isinstance(await harness.validate(f"Bearer {harness.vouch('opaque')}"), Proven)


async def test_a_bound_token_counts_with_a_proof(build_harness: Any) -> None:
    harness = await build_harness(sender_constraint="dpop")
    first = await harness.prove(token := harness.bound(sub="anna"))
    assert isinstance(first, Proven)
    assert (first.principal.subject, first.nonce) == ("anna", "")
    assert await harness.prove(token) is first
    assert reason(await harness.validate(f"DPoP {token}")) is Reason.PROOF_INVALID
    assert reason(await harness.validate(f"Bearer {token}")) is Reason.BOUND_TOKEN


@pytest.mark.parametrize("alg", ["ES256", "EdDSA", "Ed25519", "RS256"])
async def test_every_usual_kind_of_key_can_prove(build_harness: Any, alg: Any) -> None:
    harness = await build_harness(sender_constraint="dpop")
    harness.client = DpopClient.create(harness.clock, alg=alg)
    assert isinstance(await harness.prove(harness.bound()), Proven)


async def test_a_bound_opaque_token_counts_with_a_proof(build_harness: Any) -> None:
    harness = await build_harness(introspection=ASKED, sender_constraint="dpop")
    harness.vouch("opaque", cnf=harness.client.confirmation, token_type="DPoP")
    assert isinstance(await harness.prove("opaque"), Proven)
    assert isinstance(await harness.prove("opaque"), Proven)
    assert len(harness.asked) == 1
    assert reason(await harness.validate("Bearer opaque")) is Reason.BOUND_TOKEN


async def test_a_bound_token_ends_when_it_ends(build_harness: Any) -> None:
    harness = await build_harness(sender_constraint="dpop")
    token = harness.bound(lifetime=60)
    assert isinstance(await harness.prove(token), Proven)
    harness.clock.advance(90)
    assert await harness.prove(token) == NotProven("expired", Reason.TOKEN_EXPIRED)
    assert await harness.prove(token) == NotProven("expired", Reason.TOKEN_EXPIRED)


async def test_a_proof_is_used_once_whoever_decides(build_harness: Any) -> None:
    harness, other = await build_harness(sender_constraint="dpop"), await build_harness(sender_constraint="dpop")
    other.validator._store = harness.store
    other.client = harness.client
    token = harness.bound()
    proof = harness.client.proof("POST", URL, token)
    assert isinstance(await harness.validate(f"DPoP {token}", proof), Proven)
    assert reason(await other.validate(f"DPoP {token}", proof)) is Reason.PROOF_REPLAYED


async def test_where_nobody_can_tell_whether_a_proof_was_used_nobody_passes(build_harness: Any) -> None:
    class Down:
        async def claim(self, *_: object) -> bool:
            raise StoreError("down")

    harness = await build_harness(sender_constraint="dpop")
    harness.validator._store = Down()
    with pytest.raises(StoreError):
        await harness.prove(harness.bound())


async def test_a_refused_proof_uses_no_name_up(build_harness: Any) -> None:
    harness = await build_harness(sender_constraint="dpop")
    token = harness.bound()
    assert reason(await harness.prove(token, htm="GET", jti="same")) is Reason.PROOF_INVALID
    assert isinstance(await harness.prove(token, jti="same"), Proven)
    assert reason(await harness.prove(token, jti="same")) is Reason.PROOF_REPLAYED


@pytest.mark.parametrize(("age", "good"), [(60, True), (61, False), (-30, True), (-31, False)])
async def test_a_proof_counts_within_its_window_on_both_sides(build_harness: Any, age: int, good: bool) -> None:  # noqa: FBT001 - a case
    harness = await build_harness(sender_constraint="dpop", proof_window=60.0)
    found = await harness.prove(harness.bound(), iat=harness.clock.now() - age)
    assert isinstance(found, Proven) is good


@pytest.mark.parametrize(
    ("why", "condition"),
    [
        (Reason.KEYS_UNREACHABLE, "unproven"),
        (Reason.KEYS_BUSY, "unproven"),
        (Reason.KEY_UNKNOWN, "rejected"),
        (Reason.ALGORITHM_REFUSED, "rejected"),
    ],
)
async def test_a_bound_token_whose_key_nobody_can_tell_is_an_outage(
    build_harness: Any, why: Reason, condition: Any
) -> None:
    class Nobody:
        async def find(self, *_: object) -> Reason:
            return why

    harness = await build_harness(sender_constraint="dpop")
    trusted = harness.validator._jwt._trusted
    trusted[harness.mint.issuer] = replace(trusted[harness.mint.issuer], jwks_cache=Nobody())
    assert await harness.prove(harness.bound()) == NotProven(condition, why)


async def test_a_nonce_is_asked_for_and_then_counts(build_harness: Any) -> None:
    harness = await build_harness(sender_constraint="dpop", nonce=True)
    token = harness.bound()
    asked = await harness.prove(token)
    assert isinstance(asked, NotProven)
    assert (asked.reason, asked.nonce) == (Reason.NONCE_WANTED, NONCES.current(harness.clock.now()))
    assert isinstance(await harness.prove(token, nonce=asked.nonce), Proven)


async def test_a_nonce_of_the_step_before_counts_and_the_next_is_told(build_harness: Any) -> None:
    harness = await build_harness(sender_constraint="dpop", nonce=True)
    token, nonce = harness.bound(lifetime=1_000), NONCES.current(harness.clock.now())
    remembered = await harness.prove(token, nonce=nonce)
    harness.clock.advance(NONCE_STEP_S)
    found = await harness.prove(token, nonce=nonce)
    assert isinstance(found, Proven)
    assert found.nonce == NONCES.current(harness.clock.now())
    assert isinstance(remembered, Proven)
    assert found.principal is remembered.principal
    harness.clock.advance(NONCE_STEP_S)
    assert reason(await harness.prove(token, nonce=nonce)) is Reason.NONCE_WANTED


async def test_dpop_is_an_unknown_scheme_where_no_issuer_wants_it(build_harness: Any) -> None:
    harness = await build_harness(introspection=ASKED)
    assert reason(await harness.prove(harness.mint.mint())) is Reason.SCHEME_UNKNOWN


async def test_the_scheme_has_no_case(build_harness: Any) -> None:
    harness = await build_harness(sender_constraint="dpop")
    token = harness.bound()
    for scheme in ("dpop", "DPOP", "DPoP "):
        assert isinstance(await harness.validate(f"{scheme} {token}", harness.client.proof("POST", URL, token)), Proven)


async def test_a_bound_token_has_bounds_too(build_harness: Any) -> None:
    harness = await build_harness(sender_constraint="dpop")
    assert reason(await harness.validate("DPoP " + "x" * 16_385)) is Reason.TOKEN_TOO_LARGE
    assert reason(await harness.validate("DPoP a b")) is Reason.CREDENTIAL_MALFORMED


async def test_a_secret_that_is_missing_is_told_at_the_start(
    authguard_issuer: Mint, issuer_of: Callable[..., Issuer], make: Callable[..., JwtValidator]
) -> None:
    issuer = issuer_of(authguard_issuer, introspection=ASKED)
    validator = TokenValidator(make(issuer), {issuer.issuer: issuer}, environ={}, nonces=NONCES, store=MemoryStore())
    with pytest.raises(SettingsError, match="SECRET"):
        await validator.open()


def test_an_opaque_token_has_one_taker_or_none() -> None:
    plain = Issuer(issuer="a", audience=("us",), algorithms=("ES256",))
    always = Introspection(url=ASKED.url, client_id="g", secret_env="S", always=True)
    first, second = (Issuer(issuer=name, audience=("us",), algorithms=(), introspection=always) for name in "bc")
    opaque = Issuer(issuer="d", audience=("us",), algorithms=(), introspection=ASKED)
    assert opaque_token_issuer({"a": plain}) is None
    assert opaque_token_issuer({"a": plain, "b": first}) is first
    assert opaque_token_issuer({"b": first, "c": second}) is None
    assert opaque_token_issuer({"b": first, "c": second, "d": opaque}) is opaque
    assert [needs_token_validator({one.issuer: one}) for one in (plain, first, opaque)] == [False, True, True]


@pytest.mark.parametrize(
    ("token", "found"),
    [
        (b"eyJhbGciOiJub25lIn0.e30.", True),
        (b"ewogImEiOjF9.x.y", True),
        (b"a.b.c", False),
        (b"eyJhbGciOiJkaXIifQ..a.b.c", False),
        (b"eyJhbGciOiJub25lIn0", False),
        (b"2YotnFZFEjr1zCsicMWpAA", False),
    ],
)
def test_what_may_be_taken_for_a_jwt(token: bytes, found: bool) -> None:  # noqa: FBT001 - a case
    assert is_jwt(token) is found


def _asked(*optional: str, **fields: Any) -> Introspection:
    return Introspection(url=ASKED.url, client_id="g", secret_env="SECRET", optional=optional, **fields)


@pytest.mark.parametrize("lacking", [..., None])
@pytest.mark.parametrize("claim", ["iss", "aud", "exp", "sub"])
async def test_a_claim_that_the_server_does_not_send_is_named_unless_it_is_declared_optional(
    build_harness: Any, claim: str, lacking: Any
) -> None:
    sources = ClaimSources(subject=("sub", "username"))
    strict = await build_harness(introspection=ASKED, claims=sources)
    tolerant = await build_harness(introspection=_asked(claim), claims=sources)
    for harness in (strict, tolerant):
        said = harness.mint.claims(username="anna") | {"active": True, claim: lacking}
        harness.said["opaque"] = {name: value for name, value in said.items() if value is not ...}
    if claim != "sub":  # the other claim names the subject
        found = await strict.validate("Bearer opaque")
        assert found == NotProven("unproven", Reason.INTROSPECTION_INCOMPLETE)
        assert found.claim == claim
    accepted = await tolerant.validate("Bearer opaque")
    assert isinstance(accepted, Proven)
    assert accepted.principal.subject == ("anna" if claim == "sub" else "customer-1")
    assert accepted.principal.issuer == tolerant.mint.issuer


@pytest.mark.parametrize("claims", [{"iss": "https://other.test"}, {"aud": "other"}, {"exp": 1}, {"exp": "soon"}])
async def test_a_claim_that_may_lack_must_still_be_right(build_harness: Any, claims: dict[str, Any]) -> None:
    harness = await build_harness(introspection=_asked("iss", "aud", "exp"))
    harness.said["opaque"] = {"active": True, **harness.mint.claims(), **claims}
    assert reason(await harness.validate("Bearer opaque")) is Reason.INTROSPECTION_UNCLEAR


async def test_a_subject_that_no_claim_names_is_told(build_harness: Any) -> None:
    harness = await build_harness(introspection=_asked("sub"))
    harness.said["opaque"] = {"active": True, **harness.mint.claims(), "sub": None}
    found = await harness.validate("Bearer opaque")
    assert (found.reason, found.claim) == (Reason.INTROSPECTION_INCOMPLETE, "sub")


async def test_a_token_without_an_end_lives_for_the_cache_only_and_never_expires_by_itself(build_harness: Any) -> None:
    harness = await build_harness(introspection=_asked("exp", cache=30.0))
    said = {"active": True, **harness.mint.claims(), "exp": None, "iat": None}
    harness.said["opaque"] = said
    first = await harness.validate("Bearer opaque")
    assert isinstance(first, Proven)
    assert first.principal.expires_at == harness.clock.now() + 30
    harness.clock.advance(29)
    assert await harness.validate("Bearer opaque") is first
    harness.clock.advance(1_000_000)
    assert isinstance(await harness.validate("Bearer opaque"), Proven)
    harness.said.clear()
    harness.clock.advance(30)
    assert reason(await harness.validate("Bearer opaque")) is Reason.TOKEN_INACTIVE
    assert len(harness.asked) == 3


async def test_the_response_about_a_jwt_may_lack_its_subject_if_that_is_declared(build_harness: Any) -> None:
    strict = await build_harness(introspection=_asked(always=True))
    tolerant = await build_harness(introspection=_asked("sub", always=True))
    for harness in (strict, tolerant):
        token = harness.mint.mint()
        harness.said[token] = {"active": True, "exp": None}
        found = await harness.validate(f"Bearer {token}")
        if harness is strict:
            assert (found.reason, found.claim) == (Reason.INTROSPECTION_INCOMPLETE, "sub")
        else:
            assert isinstance(found, Proven)
