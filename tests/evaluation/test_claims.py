"""The principal of verified claims, and the order of the checks."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from authguard.core.deployment import Issuer
from authguard.core.outcomes import Reason
from authguard.core.record_keys import account_key, session_key
from authguard.core.request import NotProven, Principal
from authguard.evaluation.claims import MAX_ACTORS, LogNames, ValidatedToken, validate_claims
from tests.credentials.conftest import UNHURRIED

NOW = 1_800_000_000.0
_ISSUER = Issuer(issuer="https://i.test", audience=("a",), algorithms=("ES256",), leeway=30.0, max_lifetime=3_600.0)
_NAMES = LogNames(
    pseudonym=lambda issuer, subject, _: f"{issuer}|{subject}", fingerprint=lambda token: f"<{len(token)}>"
)
_GOOD = {"iss": "https://i.test", "aud": "a", "sub": "alice", "iat": NOW, "exp": NOW + 300}


def _judge(issuer: Issuer = _ISSUER, now: float = NOW, **claims: Any) -> ValidatedToken | NotProven:
    given = {name: value for name, value in (_GOOD | claims).items() if value is not ...}
    return validate_claims(given, msgspec.json.encode(given), issuer, _NAMES, b"token", now)


def _principal(**claims: Any) -> Principal:
    found = _judge(**claims)
    assert isinstance(found, ValidatedToken)
    return found.proven.principal


def _refused(reason: Reason, condition: str = "rejected") -> NotProven:
    return NotProven(condition, reason)


def test_everything_a_principal_holds_is_derived_once() -> None:
    claims = {
        "client_id": "app",
        "azp": "app",
        "sid": "s1",
        "acr": "aal2",
        "amr": ["pwd", "otp"],
        "auth_time": NOW - 60,
        "scope": "read  write",
        "act": {"sub": "bot", "act": {"sub": "older", "iss": "x"}},
        "extra": [1],
    }
    found = _principal(**claims)
    assert found.claims == _GOOD | claims
    assert found == Principal(
        issuer="https://i.test",
        subject="alice",
        client="app",
        sid="s1",
        actor="bot",
        chain=(("https://i.test", "bot"), ("x", "older")),
        token_scopes=frozenset({"read", "write"}),
        acr="aal2",
        amr=("pwd", "otp"),
        auth_time=NOW - 60,
        issued_at=NOW,
        expires_at=NOW + 300,
        content=found.content,
        fingerprint="<5>",
        account_key=account_key("https://i.test", "alice"),
        session_key=session_key("https://i.test", "alice", "app", "s1"),
        pseudonym="https://i.test|alice",
        actor_pseudonym="https://i.test|bot",
    )


def test_what_the_issuer_does_not_send_is_empty() -> None:
    found = _principal()
    assert (found.client, found.sid, found.actor, found.chain, found.acr, found.amr) == ("", "", "", (), "", ())
    assert (found.token_scopes, found.auth_time, found.actor_pseudonym) == (frozenset(), 0.0, "")


@pytest.mark.parametrize("claim", ["client_id", "azp", "cid", "appid"])
def test_the_client_is_read_in_each_claim_that_providers_use(claim: str) -> None:
    assert _principal(**{claim: "app"}).client == "app"
    assert _principal(**({"client_id": "app", "azp": ""} | {claim: "app"})).client == "app"


@pytest.mark.parametrize("pair", list(permutations(("client_id", "azp", "cid", "appid"), 2)), ids="-".join)
def test_two_clients_are_none(pair: tuple[str, str]) -> None:
    assert _judge(**{pair[0]: "app", pair[1]: "other"}) == _refused(Reason.CLAIM_MALFORMED)


def test_an_actor_of_another_issuer_is_never_one_of_our_own() -> None:
    foreign = _principal(act={"sub": "bot", "iss": "https://j.test"})
    assert (foreign.actor, foreign.actor_issuer, foreign.actor_pseudonym) == (
        "bot",
        "https://j.test",
        "https://j.test|bot",
    )
    own = _principal(act={"sub": "bot", "iss": "https://i.test"})
    assert (own.actor, own.actor_issuer) == ("bot", "")
    assert _judge(act={"sub": "bot", "iss": ""}) == _refused(Reason.CLAIM_MALFORMED)
    lookalike = _principal(act={"sub": "https://j.test bot"})
    assert (lookalike.actor, lookalike.actor_issuer) == ("https://j.test bot", "")


MACHINES = [
    {"sub": "bot", "client_id": "bot"},
    {"sub": "bot", "cid": "bot"},
    {"sub": "bot@clients", "azp": "bot", "gty": "client-credentials"},
    {"sub": "bot@clients", "azp": "bot"},
    {"sub": "x", "azp": "bot", "gty": ["refresh_token", "client_credentials"]},
    {"sub": "x", "client_id": "bot", "grant_type": "client_credentials"},
    {"sub": "o", "oid": "o", "appid": "bot", "appidacr": "1", "roles": ["a"]},
    {"sub": "p", "oid": "o", "azp": "bot", "idtyp": "app", "scp": "chat"},
    {"sub": "uuid", "azp": "Bot", "preferred_username": "service-account-bot", "typ": "Bearer"},
    {"sub": "x", "azp": "bot", "aut": "APPLICATION"},
]
PERSONS = [
    {},
    {"sub": "u", "client_id": "bot"},
    {"sub": "u", "azp": "web", "gty": "password"},
    {"sub": "pairwise", "oid": "o", "azp": "bot", "idtyp": "user", "scp": "chat"},
    {"sub": "o", "oid": "o", "azp": "bot", "scp": "chat"},
    {"sub": "o", "oid": "o"},
    {"sub": "u", "azp": "web", "preferred_username": "service-account-of-mine"},
    {"sub": "u", "azp": "web", "preferred_username": 7, "idtyp": ["app"], "gty": {"a": 1}, "aut": "APPLICATION_USER"},
]


@pytest.mark.parametrize("claims", MACHINES)
def test_a_token_that_names_no_person_is_known_by_what_providers_document(claims: dict[str, Any]) -> None:
    assert not _principal(**claims).person


@pytest.mark.parametrize("claims", PERSONS)
def test_a_token_of_a_person_is_one(claims: dict[str, Any]) -> None:
    assert _principal(**claims).person


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({"scope": "a b"}, {"a", "b"}),
        ({"scp": ["a", "b"]}, {"a", "b"}),
        ({"scp": "a b"}, {"a", "b"}),
        ({"scope": "a", "scp": ["b"]}, {"a"}),
        ({"scope": "", "scp": ["b"]}, set()),
        ({"scope": None, "scp": ["b"]}, {"b"}),
        ({"scope": ["a", "b"]}, {"a", "b"}),
        ({"scope": 7}, set()),
        ({"scp": {"a": 1}}, set()),
        ({"scp": [1, "b"]}, {"b"}),
        ({"scp": ["", "b"]}, {"b"}),
    ],
)
def test_scopes_are_read_in_either_form_and_never_added_up(claims: dict[str, Any], scopes: set[str]) -> None:
    assert _principal(**claims).token_scopes == scopes


@pytest.mark.parametrize("cnf", [{"jkt": "x"}, {"x5t#S256": "x"}, {}, "x"])
def test_a_bound_token_is_no_bearer_token(cnf: object) -> None:
    assert _judge(cnf=cnf) == _refused(Reason.BOUND_TOKEN)


_WRONG = [True, False, "1", [1], {}, -1, -0.5, 1e12, 10**400]


@pytest.mark.parametrize("claim", ["exp", "iat", "nbf"])
@pytest.mark.parametrize("value", _WRONG, ids=repr)
def test_a_time_that_limits_the_token_is_a_number_of_seconds(claim: str, value: object) -> None:
    assert _judge(**{claim: value}) == _refused(Reason.CLAIM_MALFORMED)


@pytest.mark.parametrize("value", [*_WRONG, None, "2026-11-30T00:00:00Z"], ids=repr)
def test_an_unusable_sign_in_time_is_no_sign_in_time(value: object) -> None:
    assert _principal(auth_time=value).auth_time == 0


@pytest.mark.parametrize("value", [1, None, ["x"], {}, "x" * 256, "a\nb", "a\u202eb", True], ids=repr)
def test_an_unusable_level_is_no_level(value: object) -> None:
    assert _principal(acr=value).acr == ""


@pytest.mark.parametrize(
    ("value", "methods"),
    [
        (None, ()),
        ([1], ()),
        ({}, ()),
        ("pwd", ("pwd",)),
        (["pwd", 1, "otp", {"method": "x"}, "x" * 256], ("pwd", "otp")),
        (["x"] * 33, ()),
    ],
    ids=repr,
)
def test_authentication_methods_never_refuse(value: object, methods: tuple[str, ...]) -> None:
    assert _principal(amr=value).amr == methods


@pytest.mark.parametrize("claim", ["client_id", "azp", "cid", "appid", "sid", "nbf", "act", "cnf", "scope", "acr"])
def test_null_is_a_missing_claim(claim: str) -> None:
    assert isinstance(_judge(**{claim: None}), ValidatedToken)


def test_a_token_without_a_subject_is_refused() -> None:
    for missing in (None, ...):
        refusal = _judge(sub=missing)
        assert refusal == _refused(Reason.CLAIM_MISSING)
        assert isinstance(refusal, NotProven)
        assert refusal.claim == "sub"


@pytest.mark.parametrize(
    ("claims", "claim"),
    [
        ({"sub": 1}, "sub"),
        ({"sid": 7}, "sid"),
        ({"client_id": "a", "cid": "b"}, "cid"),
        ({"azp": []}, "azp"),
        ({"act": "bot"}, "act"),
        ({"iat": "1"}, "iat"),
        ({"nbf": NOW + 99}, "nbf"),
        ({"exp": NOW + 9_999_999}, "exp"),
        ({"scope": "x" * 8_193}, "scope"),
    ],
)
def test_a_refusal_names_the_claim(claims: dict[str, Any], claim: str) -> None:
    refusal = _judge(**claims)
    assert isinstance(refusal, NotProven)
    assert refusal.claim == claim


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("sub", ""),
        ("sub", "s" * 256),
        *((name, "x" * 256) for name in ("client_id", "azp", "cid", "appid", "sid")),
        *((name, wrong) for name in ("client_id", "azp", "cid", "appid", "sid") for wrong in (1, ["x"], {})),
        ("scope", "x" * 8_193),
        ("scope", " ".join(str(number) for number in range(513))),
        ("scp", [str(number) for number in range(513)]),
        ("act", "bot"),
        ("act", []),
        ("act", {}),
        ("act", {"sub": ""}),
        ("act", {"sub": 1}),
        ("act", {"sub": "x" * 256}),
        ("act", {"sub": "bot", "iss": 7}),
        ("act", {"sub": "bot", "act": {}}),
        ("act", {"sub": "bot", "act": "x"}),
    ],
)
def test_a_claim_of_the_wrong_shape_is_refused(claim: str, value: object) -> None:
    assert _judge(**{claim: value}) == _refused(Reason.CLAIM_MALFORMED)


def _chain(length: int) -> dict[str, Any]:
    act: dict[str, Any] = {"sub": "first"}
    for number in range(length - 1):
        act = {"sub": f"bot-{number}", "act": act}
    return act


def test_a_chain_of_actors_is_bounded() -> None:
    assert len(_principal(act=_chain(MAX_ACTORS)).chain) == MAX_ACTORS
    assert _judge(act=_chain(MAX_ACTORS + 1)) == _refused(Reason.CLAIM_MALFORMED)


def test_a_bound_token_is_bound_to_one_key_and_a_bearer_token_to_none() -> None:
    bound = Issuer(issuer="https://i.test", audience=("a",), algorithms=("ES256",), sender_constraint="dpop")
    found = _judge(bound, cnf={"jkt": "A" * 43})
    assert isinstance(found, ValidatedToken)
    assert found.thumbprint == "A" * 43
    assert _judge(bound) == _refused(Reason.UNBOUND_TOKEN)
    assert _judge(bound, cnf=None) == _refused(Reason.UNBOUND_TOKEN)
    for cnf in ({}, {"jkt": "A" * 42}, {"jkt": "A" * 43, "x5t#S256": "B"}, {"jkt": "A" * 42 + "="}):
        assert _judge(bound, cnf=cnf) == _refused(Reason.BOUND_TOKEN)
        assert _judge(cnf=cnf) == _refused(Reason.BOUND_TOKEN)
    assert isinstance(_judge(), ValidatedToken)


def test_a_token_without_iat_has_no_measurable_lifetime() -> None:
    assert _judge(iat=...) == _refused(Reason.CLAIM_MISSING)
    unmeasured = Issuer(issuer="https://i.test", audience=("a",), algorithms=("ES256",), max_lifetime=0)
    found = _judge(unmeasured, iat=..., exp=NOW + 1e9)
    assert isinstance(found, ValidatedToken)
    assert found.proven.principal.issued_at == 0.0


def test_a_lifetime_beyond_the_policy_is_refused_also_when_it_is_over() -> None:
    assert isinstance(_judge(exp=NOW + 3_600), ValidatedToken)
    assert _judge(exp=NOW + 3_601) == _refused(Reason.LIFETIME_EXCEEDED)
    assert _judge(now=NOW + 9_999, exp=NOW + 3_601) == _refused(Reason.LIFETIME_EXCEEDED)


def test_a_token_is_good_until_its_expiry_and_the_leeway() -> None:
    assert isinstance(_judge(now=NOW + 329.9), ValidatedToken)
    assert _judge(now=NOW + 330) == _refused(Reason.TOKEN_EXPIRED, "expired")


@pytest.mark.parametrize("claim", ["nbf", "iat", "auth_time"])
def test_nothing_lies_in_the_future_but_for_the_leeway(claim: str) -> None:
    early = {claim: NOW + 30}
    found = _judge(**early)
    assert isinstance(found, ValidatedToken)
    assert found.since == NOW
    assert found.proven == _judge(**early, now=NOW + 5).proven, "a claim is taken as sent, whenever it is checked"  # type: ignore[union-attr]
    assert _judge(**{claim: NOW + 31}) == _refused(Reason.TOKEN_NOT_YET_VALID)


def test_only_what_would_otherwise_be_good_is_expired() -> None:
    late = {"now": NOW + 9_999}
    assert _judge(**late, sid=1) == _refused(Reason.CLAIM_MALFORMED)
    assert _judge(**late, cnf={}) == _refused(Reason.BOUND_TOKEN)
    assert _judge(**late) == _refused(Reason.TOKEN_EXPIRED, "expired")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["sub", "act", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@UNHURRIED
@given(
    st.dictionaries(
        st.sampled_from("sub exp iat nbf auth_time client_id azp sid acr amr scope scp act".split()),  # noqa: SIM905 - reads as a list
        _JSON,
    ),
    st.floats(0, 1e10),
)
def test_any_claims_are_judged_and_what_is_proven_holds_now(claims: dict[str, Any], now: float) -> None:
    found = _judge(now=now, **claims)
    if isinstance(found, ValidatedToken):
        principal = found.proven.principal
        assert found.since <= now < found.until
        assert principal.auth_time <= now
        assert principal.issued_at <= now
        assert 0 < len(principal.subject) < 256


def test_no_claim_is_in_the_repr() -> None:
    assert "secret-claim" not in repr(_judge(private="secret-claim"))
