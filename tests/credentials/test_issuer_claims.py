"""Claims as an issuer's settings place them: subject, client, scopes, level, sign-in time, session, recipients."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from authguard.core.deployment import Issuer
from authguard.core.issuer_settings import ClaimSources, Levels
from authguard.core.outcomes import Reason
from authguard.core.request import NotProven, Principal
from authguard.core.staff import parse_roles
from authguard.evaluation.claims import LogNames, ValidatedToken, validate_claims
from authguard.evaluation.recipients import check_audience, check_required

NOW = 1_800_000_000.0
NAMES = LogNames(pseudonym=lambda issuer, subject, _: f"{issuer}|{subject}", fingerprint=lambda _: "f")


def issuer(**settings: Any) -> Issuer:
    return Issuer(**({"issuer": "https://i.test", "audience": ("a",), "algorithms": ("ES256",)} | settings))


def validate(settings: Issuer, **claims: Any) -> ValidatedToken | NotProven:
    given = {"iss": "https://i.test", "sub": "alice", "iat": NOW, "exp": NOW + 300} | claims
    return validate_claims(given, msgspec.json.encode(given), settings, NAMES, b"token", NOW)


def principal(settings: Issuer, **claims: Any) -> Principal:
    found = validate(settings, **claims)
    assert isinstance(found, ValidatedToken), found
    return found.proven.principal


def test_each_fact_is_read_where_the_settings_place_it() -> None:
    sources = ClaimSources(
        subject=("uid",),
        client=("appid",),
        scopes=("/permissions",),
        acr=("aal",),
        auth_time=("/amr/*/timestamp",),
        session=("session_id",),
    )
    found = principal(
        issuer(claims=sources),
        uid="o-1",
        appid="app",
        permissions=["chat"],
        aal="aal2",
        amr=[{"method": "password", "timestamp": NOW - 60}, {"method": "totp", "timestamp": NOW - 30}],
        session_id="S",
        client_id="another",
        sid="T",
    )
    assert (found.subject, found.client, found.token_scopes) == ("o-1", "app", {"chat"})
    assert (found.acr, found.auth_time, found.sid, found.amr) == ("aal2", NOW - 30, "S", ())


def test_the_default_claim_is_not_read_where_another_one_is_declared() -> None:
    refused = validate(issuer(claims=ClaimSources(subject=("oid",))))
    assert isinstance(refused, NotProven)
    assert (refused.reason, refused.claim) == (Reason.CLAIM_MISSING, "oid")


@pytest.mark.parametrize(
    ("amr", "level"),
    [
        (["pwd"], "aal1"),
        (["pwd", "mfa"], "aal2"),
        (["mfa", "pwd"], "aal2"),
        ("mfa", "aal2"),
        (["unknown"], "aal1"),
        (None, "aal1"),
        ([{"mfa": True}], "aal1"),
        (["aal3"], "aal1"),
    ],
)
def test_of_several_values_the_strongest_level_counts(amr: object, level: str) -> None:
    levels = Levels(claim=("amr",), map={"mfa": "aal2", "pwd": "aal1"}, none="aal1")
    assert principal(issuer(levels=levels), amr=amr, acr="aal3").acr == level


@pytest.mark.parametrize(("acr", "level"), [("1", "aal1"), (2, "aal2"), ("aal2", ""), (None, ""), (True, "")])
def test_with_levels_a_value_that_is_not_mapped_is_no_level(acr: object, level: str) -> None:
    assert principal(issuer(levels=Levels(map={"2": "aal2", "1": "aal1"})), acr=acr).acr == level


@pytest.mark.parametrize("levels", [None, Levels(map={"2": "aal2"}, none="aal1")])
def test_a_machine_never_signed_in_so_it_has_no_level(levels: Levels | None) -> None:
    found = principal(issuer(levels=levels), sub="job", client_id="job", acr="2")
    assert (found.person, found.acr) == (False, "")
    assert principal(issuer(levels=levels), client_id="app", acr="2").acr


def test_the_prefix_of_scopes_is_removed_where_the_token_has_it() -> None:
    prefixed = issuer(scope_prefix="api://shop/")
    assert principal(prefixed, scp="api://shop/chat openid").token_scopes == {"chat", "openid"}
    assert principal(prefixed, scp="chat").token_scopes == {"chat"}
    assert principal(prefixed, scp="api://other/chat").token_scopes == {"api://other/chat"}


def test_a_persons_token_has_the_claims_that_tell_it_from_an_id_token() -> None:
    told_apart = issuer(require_person=("scp",), machine={"idtyp": ("app",)})
    refused = validate(told_apart)
    assert isinstance(refused, NotProven)
    assert (refused.reason, refused.claim) == (Reason.TYPE_REFUSED, "scp")
    assert principal(told_apart, scp="chat").person
    assert not principal(told_apart, idtyp="app").person


@pytest.mark.parametrize("claim", ["sid", "session_state", "auth_time"])
def test_one_of_the_claims_of_a_persons_token_is_enough(claim: str) -> None:
    told_apart = issuer(require_person=("sid", "session_state", "auth_time"))
    refused = validate(told_apart, sid=None, auth_time=None)
    assert isinstance(refused, NotProven)
    assert (refused.reason, refused.claim) == (Reason.TYPE_REFUSED, "sid")
    facts: dict[str, Any] = {"sid": None, "auth_time": None, claim: 1 if claim == "auth_time" else "S"}
    assert principal(told_apart, **facts).person


@pytest.mark.parametrize(
    ("azp", "accepted"),
    [
        ("1.apps.googleusercontent.com", True),
        ("robot@shop.iam.gserviceaccount.com", False),
        ("apps.googleusercontent.com.evil.example", False),
        ("", False),
        (["1.apps.googleusercontent.com", "x"], True),
    ],
)
def test_an_accepted_value_may_begin_with_an_asterisk(azp: object, *, accepted: bool) -> None:
    pinned = issuer(require={"azp": ("*.apps.googleusercontent.com",)})
    assert (check_required({"azp": azp}, pinned) is None) is accepted


def test_a_mark_of_a_machine_may_begin_with_an_asterisk() -> None:
    marked = issuer(machine={"email": ("*.gserviceaccount.com",)})
    assert not principal(marked, email="robot@shop.iam.gserviceaccount.com").person
    assert principal(marked, email="pat@gserviceaccount.com.example").person


@pytest.mark.parametrize(("claims", "person"), [({}, True), ({"kind": "svc"}, False), ({"kind": ["x", "job"]}, False)])
def test_marks_of_the_issuer_make_a_machine(claims: dict[str, Any], *, person: bool) -> None:
    assert principal(issuer(machine={"kind": ("svc", "job")}), **claims).person is person


def test_a_mark_far_back_in_a_list_makes_a_machine_too() -> None:
    groups = [f"group-{number}" for number in range(300)]
    assert not principal(issuer(machine={"groups": ("svc",)}), groups=[*groups, "svc"]).person


def test_a_null_scope_does_not_make_a_person_of_an_application() -> None:
    found = principal(issuer(), azp="app", oid="alice", scp=None)
    assert not found.person
    assert principal(issuer(), azp="app", oid="alice", scp="chat").person


@pytest.mark.parametrize(
    ("claims", "reason", "claim"),
    [
        ({}, Reason.CLAIM_MISSING, "token_use"),
        ({"token_use": None}, Reason.CLAIM_MISSING, "token_use"),
        ({"token_use": "id"}, Reason.CLAIM_REFUSED, "token_use"),
        ({"token_use": {"access": 1}}, Reason.CLAIM_REFUSED, "token_use"),
        ({"token_use": "access"}, Reason.CLAIM_MISSING, "/a/b"),
    ],
)
def test_a_required_value_that_is_not_there_refuses_and_is_named(
    claims: dict[str, Any], reason: Reason, claim: str
) -> None:
    found = check_required(claims, issuer(require={"token_use": ("access",), "/a/b": ()}))
    assert found is not None
    assert (found.reason, found.claim) == (reason, claim)


def test_required_values_are_compared_as_text() -> None:
    pinned = issuer(require={"ver": ("2.0",), "email_verified": ("true",), "n": ("2",)})
    assert check_required({"ver": "2.0", "email_verified": True, "n": 2}, pinned) is None
    assert check_required({"ver": "2.0", "email_verified": "true", "n": "2"}, pinned) is None
    assert check_required({"ver": "2.0", "email_verified": False, "n": 2}, pinned) is not None


def test_the_audience_may_stand_in_another_claim() -> None:
    cognito = issuer(audience=("client-1", "client-2"), claims=ClaimSources(audience=("client_id",)))
    assert check_audience({"client_id": "client-2"}, cognito) is True
    for claims in ({}, {"aud": "client-1"}, {"client_id": ""}):
        refused = check_audience(claims, cognito)
        assert isinstance(refused, NotProven)
        assert (refused.reason, refused.claim) == (Reason.CLAIM_MISSING, "client_id")
    refused = check_audience({"client_id": "client"}, cognito)
    assert isinstance(refused, NotProven)
    assert (refused.reason, refused.claim) == (Reason.AUDIENCE_WRONG, "client_id")


def test_roles_of_all_sources_count() -> None:
    found = principal(issuer(), realm_access={"roles": ["a", "Shop Supervisor"]}, groups="ops team", other=[1])
    sources = {"https://i.test": ("/realm_access/roles", "groups", "other", "/none")}
    assert parse_roles(found, sources) == {"a", "Shop Supervisor", "ops team"}
