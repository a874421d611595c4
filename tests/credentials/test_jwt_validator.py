"""The port as the enforcer calls it: which tokens are proven, and how long they are cached."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

from authguard.core.outcomes import Reason
from authguard.core.request import UNSEEN, Evidence, NotProven, Proven
from authguard.credentials.cache import Cache
from authguard.errors import SettingsError
from authguard.testing import Mint, SigningKey
from authguard.testing.keys import compact

from .conftest import ValidatorHarness, evidence, settle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from authguard.core.deployment import Issuer
    from authguard.credentials.jwt_validator import JwtValidator

_EXPIRED = NotProven("expired", Reason.TOKEN_EXPIRED)
_UNREACHABLE = NotProven("unproven", Reason.KEYS_UNREACHABLE)
_KEY_UNKNOWN = NotProven("rejected", Reason.KEY_UNKNOWN)


@pytest.mark.parametrize("alg", ["ES256", "RS256", "EdDSA"])
def test_a_good_token_is_proven_and_remembered(harness: ValidatorHarness, authguard_issuer: Mint, alg: Any) -> None:
    token = authguard_issuer.mint(alg=alg, sub="alice", scope="chat")
    assert harness.get_cached(token) is UNSEEN
    found = harness.ask(token)
    assert isinstance(found, Proven)
    assert (found.principal.subject, found.principal.token_scopes) == ("alice", {"chat"})
    assert found.principal.pseudonym == f"name of alice at {authguard_issuer.issuer}"
    assert harness.get_cached(token) is found


def test_the_fingerprint_is_of_the_token_whatever_the_spelling_of_the_scheme(
    harness: ValidatorHarness, authguard_issuer: Mint
) -> None:
    token = authguard_issuer.mint()
    odd = Evidence(authorization=b"bEARER  " + token.encode())
    found = settle(harness.check.check(odd, harness.clock.now()))
    assert found.principal.fingerprint == harness.ask(token).principal.fingerprint


@pytest.mark.parametrize(
    ("header", "verdict"),
    [
        (b"", NotProven("missing", Reason.CREDENTIAL_MISSING)),
        (b"Basic eA==", NotProven("missing", Reason.SCHEME_UNKNOWN)),
        (b"Bearer ", NotProven("rejected", Reason.CREDENTIAL_MALFORMED)),
        (b"Bearer " + b"x" * 16_385, NotProven("rejected", Reason.TOKEN_TOO_LARGE)),
        (b"x" * 100_000, NotProven("rejected", Reason.TOKEN_TOO_LARGE)),
    ],
)
def test_what_needs_nothing_from_outside_is_answered_at_once(
    harness: ValidatorHarness, header: bytes, verdict: NotProven
) -> None:
    sent = Evidence(authorization=header)
    assert harness.check.get_cached(sent, harness.clock.now()) == verdict
    assert settle(harness.check.check(sent, harness.clock.now())) == verdict


def test_a_remembered_token_expires_to_the_second(harness: ValidatorHarness, authguard_issuer: Mint) -> None:
    token = authguard_issuer.mint(lifetime=300)
    harness.ask(token)
    harness.clock.advance(329.9)
    assert isinstance(harness.get_cached(token), Proven)
    harness.clock.advance(0.1)
    assert harness.get_cached(token) == _EXPIRED
    assert harness.get_cached(token) == _EXPIRED
    assert harness.ask(token) == _EXPIRED


def test_a_clock_that_stepped_back_before_the_token_is_seen(harness: ValidatorHarness, authguard_issuer: Mint) -> None:
    token = authguard_issuer.mint()
    harness.ask(token)
    harness.clock.set(harness.clock.now() - 31)
    assert harness.ask(token) == NotProven("rejected", Reason.TOKEN_NOT_YET_VALID)
    harness.clock.set(harness.clock.now() + 31)
    assert isinstance(harness.ask(token), Proven)


def test_bad_tokens_leave_nothing_behind(
    make: Callable[..., JwtValidator], issuer_of: Callable[..., Issuer], authguard_issuer: Mint
) -> None:
    cache = Cache()
    harness = ValidatorHarness(make(issuer_of(authguard_issuer), cache=cache), authguard_issuer.clock)
    settle(harness.check.open())
    good = authguard_issuer.mint()
    unsigned = good.rpartition(".")[0]
    forged = {f"{unsigned}.{number:085d}A" for number in range(300)}
    assert {harness.ask(token) for token in forged} == {NotProven("rejected", Reason.SIGNATURE_INVALID)}
    assert len(cache) == 0
    assert isinstance(harness.ask(good), Proven)
    assert len(cache) == 1


def test_many_good_tokens_are_remembered_within_bounds(
    make: Callable[..., JwtValidator], issuer_of: Callable[..., Issuer], authguard_issuer: Mint
) -> None:
    cache = Cache(entries=5)
    harness = ValidatorHarness(make(issuer_of(authguard_issuer), cache=cache), authguard_issuer.clock)
    settle(harness.check.open())
    tokens = [authguard_issuer.mint(sub=f"s-{number}") for number in range(20)]
    for token in tokens:
        assert isinstance(harness.ask(token), Proven)
    assert len(cache) == 5
    assert isinstance(harness.get_cached(tokens[-1]), Proven)
    # which of the others are evicted is random; how many is not
    assert sum(harness.get_cached(token) is UNSEEN for token in tokens) == 15


def test_a_token_is_remembered_once_in_whatever_spelling_it_comes(
    make: Callable[..., JwtValidator], issuer_of: Callable[..., Issuer], authguard_issuer: Mint
) -> None:
    cache = Cache()
    harness = ValidatorHarness(make(issuer_of(authguard_issuer), cache=cache), authguard_issuer.clock)
    settle(harness.check.open())
    token = authguard_issuer.mint().encode()
    for scheme in (b"Bearer", b"bearer", b"BEARER", b"bEaReR"):
        for before, blanks, after in product((b"", b" ", b"\t"), (b" ", b"  "), (b"", b" ", b" \t ")):
            sent = Evidence(authorization=before + scheme + blanks + token + after)
            assert isinstance(settle(harness.check.check(sent, harness.clock.now())), Proven)
    assert len(cache) == 1
    remembered = {
        id(harness.check.get_cached(Evidence(authorization=sent), harness.clock.now()))
        for sent in (b"Bearer " + token, b"bearer   " + token + b" ", b"\tBEARER " + token)
    }
    assert len(remembered) == 1, "each spelling finds the one"
    padded = settle(harness.check.check(Evidence(authorization=b"Bearer " + token + b"="), harness.clock.now()))
    assert padded == NotProven("rejected", Reason.CREDENTIAL_MALFORMED)


@pytest.mark.parametrize("name", ["sub", "sid", "client_id", "azp"])
@pytest.mark.parametrize(
    "text", ["a\nb", "a\n", "\x1b[2J", "a\u202eb", "a\x00", "\u2028", "\x9b31m", "a\u200bb", "\ufeffa"]
)
def test_a_name_that_could_deceive_whoever_reads_it_is_refused(
    harness: ValidatorHarness, authguard_issuer: Mint, name: str, text: str
) -> None:
    assert harness.ask(authguard_issuer.mint(**{name: text})) == NotProven("rejected", Reason.CLAIM_MALFORMED)


@pytest.mark.parametrize(
    ("act", "actor"),
    [
        ({"sub": "bot"}, ("", "bot")),
        ({"sub": "a bot: the first"}, ("", "a bot: the first")),
        ({"sub": "bot", "iss": "https://partner.test"}, ("https://partner.test", "bot")),
        ({"sub": "https://partner.test bot"}, ("", "https://partner.test bot")),
        ({"sub": "bot", "iss": "partner"}, ("partner", "bot")),
        ({"sub": "bot", "iss": "https://partner.test evil"}, ("https://partner.test evil", "bot")),
    ],
)
def test_no_two_actors_share_a_name(
    harness: ValidatorHarness, authguard_issuer: Mint, act: dict[str, str], actor: tuple[str, str]
) -> None:
    found = harness.ask(authguard_issuer.mint(act=act))
    assert isinstance(found, Proven)
    assert (found.principal.actor_issuer, found.principal.actor) == actor


def test_an_actor_of_no_issuer_is_nobody(harness: ValidatorHarness, authguard_issuer: Mint) -> None:
    found = harness.ask(authguard_issuer.mint(act={"sub": "bot", "iss": ""}))
    assert found == NotProven("rejected", Reason.CLAIM_MALFORMED)


def test_each_issuer_has_its_own_keys(
    make: Callable[..., JwtValidator], issuer_of: Callable[..., Issuer], authguard_issuer: Mint, tmp_path: Path
) -> None:
    other = Mint.create(authguard_issuer.clock, issuer="https://other.test")
    (tmp_path / "other.json").write_text(json.dumps(other.jwks()))
    check = make(issuer_of(authguard_issuer), issuer_of(other, key_file="other.json"))
    settle(check.open())
    harness = ValidatorHarness(check, authguard_issuer.clock)
    assert harness.ask(authguard_issuer.mint()).principal.issuer == authguard_issuer.issuer
    assert harness.ask(other.mint()).principal.issuer == "https://other.test"
    assert harness.ask(other.mint(iss=authguard_issuer.issuer)) == _KEY_UNKNOWN
    crossed = other.mint(iss=authguard_issuer.issuer, header={"kid": authguard_issuer.keys["ES256"].kid})
    assert harness.ask(crossed) == NotProven("rejected", Reason.SIGNATURE_INVALID)
    assert harness.ask(other.mint(iss="https://third.test")) == NotProven("rejected", Reason.ISSUER_UNKNOWN)


@pytest.mark.parametrize("iss", ["https://issuer.test/", "HTTPS://issuer.test", "https://issuer.test ", "", 1, None])
def test_an_issuer_is_compared_exactly(harness: ValidatorHarness, authguard_issuer: Mint, iss: object) -> None:
    assert harness.ask(authguard_issuer.mint(iss=iss)) == NotProven("rejected", Reason.ISSUER_UNKNOWN)


def test_an_algorithm_that_the_policy_does_not_name_is_refused(
    build_harness: Callable[..., ValidatorHarness], authguard_issuer: Mint
) -> None:
    harness = build_harness(algorithms=("EdDSA",))
    assert harness.ask(authguard_issuer.mint()) == NotProven("rejected", Reason.ALGORITHM_REFUSED)
    assert isinstance(harness.ask(authguard_issuer.mint(alg="EdDSA")), Proven)
    renamed = authguard_issuer.mint(alg="EdDSA", header={"alg": "Ed25519"})
    assert isinstance(harness.ask(renamed), Proven)


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt"])
def test_an_access_token_is_taken_in_every_spelling(
    harness: ValidatorHarness, authguard_issuer: Mint, typ: str
) -> None:
    assert isinstance(harness.ask(authguard_issuer.mint(typ=typ)), Proven)


@pytest.mark.parametrize("typ", [None, "JWT", "id_token", "secevent+jwt", "logout+jwt", "dpop+jwt"])
def test_a_token_of_another_kind_is_refused(harness: ValidatorHarness, authguard_issuer: Mint, typ: str | None) -> None:
    assert harness.ask(authguard_issuer.mint(typ=typ)) == NotProven("rejected", Reason.TYPE_REFUSED)


def test_where_the_policy_takes_any_kind_other_purposes_are_still_refused(
    build_harness: Callable[..., ValidatorHarness], authguard_issuer: Mint
) -> None:
    harness = build_harness(type="any")
    assert isinstance(harness.ask(authguard_issuer.mint(typ=None)), Proven)
    assert isinstance(harness.ask(authguard_issuer.mint(typ="JWT")), Proven)
    event = authguard_issuer.mint(typ="application/SecEvent+JWT")
    assert harness.ask(event) == NotProven("rejected", Reason.TYPE_REFUSED)


def test_a_token_without_kid_is_taken_where_one_key_fits(harness: ValidatorHarness, authguard_issuer: Mint) -> None:
    key = authguard_issuer.keys["ES256"]
    token = compact({"alg": "ES256", "typ": "at+jwt"}, authguard_issuer.claims(), key.sign)
    assert isinstance(harness.ask(token), Proven)


def test_an_agent_acts_under_its_own_pseudonym(harness: ValidatorHarness, authguard_issuer: Mint) -> None:
    found = harness.ask(authguard_issuer.mint(act={"sub": "billing-bot"}))
    assert found.principal.actor == "billing-bot"
    assert found.principal.actor_pseudonym == f"name of billing-bot at {authguard_issuer.issuer}"


def test_a_shared_secret_verifies_whatever_name_the_key_goes_by(
    make: Callable[..., JwtValidator], issuer_of: Callable[..., Issuer], authguard_issuer: Mint
) -> None:
    shared = SigningKey("x", "HS256", b"s" * 32)
    mint = replace(authguard_issuer, keys={"HS256": shared})
    described = issuer_of(mint, secret_env="S", algorithms=("HS256",))
    check = make(described, environ={"S": "s" * 32})
    settle(check.open())
    harness = ValidatorHarness(check, mint.clock)
    assert isinstance(harness.ask(mint.mint(alg="HS256")), Proven)
    forged = replace(mint, keys={"HS256": SigningKey("x", "HS256", b"t" * 32)}).mint(alg="HS256")
    assert harness.ask(forged) == NotProven("rejected", Reason.SIGNATURE_INVALID)


def test_the_app_does_not_start_without_its_keys(
    make: Callable[..., JwtValidator], issuer_of: Callable[..., Issuer], authguard_issuer: Mint
) -> None:
    for fields in ({"secret_env": "S", "algorithms": ("HS256",)}, {"key_file": "nowhere.json"}):
        with pytest.raises(SettingsError):
            settle(make(issuer_of(authguard_issuer, **fields)).open())


def test_before_it_is_opened_nothing_is_proven_and_nothing_rejected(
    make: Callable[..., JwtValidator], issuer_of: Callable[..., Issuer], authguard_issuer: Mint
) -> None:
    harness = ValidatorHarness(make(issuer_of(authguard_issuer)), authguard_issuer.clock)
    assert harness.ask(authguard_issuer.mint()) == _UNREACHABLE


def test_a_key_file_that_changed_is_read_at_the_next_opening(
    harness: ValidatorHarness, authguard_issuer: Mint, tmp_path: Path
) -> None:
    stays, goes = authguard_issuer.mint(alg="EdDSA"), authguard_issuer.mint()
    assert isinstance(harness.ask(stays), Proven)
    assert isinstance(harness.ask(goes), Proven)
    (tmp_path / "keys.json").write_text(json.dumps(authguard_issuer.jwks("EdDSA")))
    settle(harness.check.open())
    assert isinstance(harness.get_cached(stays), Proven)
    assert harness.get_cached(goes) is UNSEEN
    assert harness.ask(goes) == _KEY_UNKNOWN


def test_a_forged_token_is_never_expired_only_rejected(harness: ValidatorHarness, authguard_issuer: Mint) -> None:
    honest = authguard_issuer.mint(lifetime=-600)
    assert harness.ask(honest) == _EXPIRED
    head, payload, signature = honest.split(".")
    forged = f"{head}.{payload}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"
    assert harness.ask(forged) == NotProven("rejected", Reason.SIGNATURE_INVALID)


def test_recall_never_waits_and_check_takes_what_recall_takes(
    harness: ValidatorHarness, authguard_issuer: Mint
) -> None:
    sent = evidence(authguard_issuer.mint())
    first = settle(harness.check.check(sent, harness.clock.now()))
    assert harness.check.get_cached(sent, harness.clock.now()) is first
    assert settle(harness.check.check(sent, harness.clock.now())) == first
