"""Tokens in the shapes of providers, validated with the presets: persons, ID tokens, machines and anonymous users."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from authguard.core.outcomes import Reason
from authguard.core.request import NotProven, Proven
from authguard.policy.loading.loader import load_draft
from authguard.policy.loading.preset import list_presets
from authguard.testing import Mint, load_shape
from tests.credentials.conftest import ValidatorHarness, settle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from authguard.core.request import Credential, Principal
    from authguard.testing import FakeClock

PRESETS = list_presets()
#: no person has a token of these
MACHINES_ONLY = frozenset({"kubernetes", "spiffe"})
#: their APIs take the ID token, or there is none
WITHOUT_ID = MACHINES_ONLY | {"google", "firebase", "clerk"}
#: a step-up leaves a mark in the access token that the preset maps
STEPPED_UP = frozenset("keycloak auth0 okta cognito firebase supabase duende authentik hydra".split())  # noqa: SIM905 - a list of names
#: their tokens state the time of the sign-in
DATED = frozenset("keycloak okta cognito firebase supabase duende authentik pingone fusionauth generic".split())  # noqa: SIM905 - a list of names
#: variants that are refused, with the claim that says why
REFUSED = {
    ("firebase", "anonymous"): "/firebase/sign_in_provider",
    ("firebase", "machine"): "/firebase/sign_in_provider",
    ("supabase", "anonymous"): "is_anonymous",
    ("clerk", "pending"): "sts",
}
POLICY = """\
authguard: 1
name: shop
extends: standard
accounts: none
assurance: {{order: [aal1, aal2, aal3]}}
identity: {{credential: aal2}}
issuers:
  - {{provider: {name}, issuer: '{issuer}', audience: '{audience}'{more}}}
"""


class Shop:
    """A service that trusts one provider by its preset, with the keys in a file."""

    def __init__(self, name: str, clock: FakeClock, folder: Path, make: Callable[..., Any], more: str) -> None:
        shape = load_shape(name)
        self.name = name
        # one set of keys for all issuers: an RSA key takes a tenth of a second
        self.mint = dataclasses.replace(Mint.create(clock), issuer=shape.issuer, audience=shape.audience)
        (folder / "keys.json").write_text(json.dumps(self.mint.jwks("ES256", "RS256")))
        text = POLICY.format(name=name, issuer=shape.issuer, audience=shape.audience, more=more)
        draft = load_draft("policy.yaml", text=text.encode()).draft
        assert draft is not None
        self.evidence = draft.issuers[0].evidence
        check = make(replace(draft.issuers[0], discovery=False, jwks_uri="", key_file="keys.json"))
        settle(check.open())
        self.validator = ValidatorHarness(check, clock)

    def ask(self, kind: str = "access", **facts: Any) -> Credential:
        return self.validator.ask(self.mint.mint_as(self.name, kind, **facts))

    def prove(self, kind: str = "access", **facts: Any) -> Principal:
        answer = self.ask(kind, **facts)
        assert isinstance(answer, Proven), answer
        return answer.principal

    def refuse(self, kind: str = "access", **facts: Any) -> NotProven:
        answer = self.ask(kind, **facts)
        assert isinstance(answer, NotProven), answer
        return answer


@pytest.fixture
def trust(tmp_path: Path, authguard_clock: FakeClock, make: Callable[..., Any]) -> Callable[..., Shop]:
    """Return a builder of services that trust one provider; `more` are further keys of the issuer."""

    def build(name: str, more: str = "") -> Shop:
        return Shop(name, authguard_clock, tmp_path, make, more)

    return build


@pytest.mark.parametrize("name", PRESETS)
def test_what_clients_send_is_taken_with_its_facts(trust: Callable[..., Shop], name: str) -> None:
    shop = trust(name)
    principal = shop.prove(session="S", signed_in=60)
    assert principal.person is (name not in MACHINES_ONLY)
    assert principal.client or name == "supabase", "an app of the project has no client of its own"
    dated = shop.mint.clock.now() - 60 if name in DATED else 0.0
    assert principal.auth_time == dated


@pytest.mark.parametrize("name", sorted(set(PRESETS) - MACHINES_ONLY))
def test_each_token_states_of_the_sign_in_what_the_preset_declares(trust: Callable[..., Shop], name: str) -> None:
    shop = trust(name)
    for kind in load_shape(name).kinds:
        if not kind.startswith("access") or (name, kind) == ("keycloak", "access-direct"):
            continue
        principal = shop.prove(kind, session="S", signed_in=60)
        stated = {"auth_time": bool(principal.auth_time), "sid": bool(principal.sid), "none": True, "any": True}
        assert stated[shop.evidence], kind


@pytest.mark.parametrize("name", PRESETS)
def test_every_documented_form_of_an_access_token_is_taken(trust: Callable[..., Shop], name: str) -> None:
    shop = trust(name)
    for kind in load_shape(name).kinds:
        if kind.startswith("access"):
            assert shop.prove(kind).person is (name not in MACHINES_ONLY), kind


@pytest.mark.parametrize("name", sorted(set(PRESETS) - WITHOUT_ID))
def test_an_id_token_is_refused_even_if_it_names_this_service(trust: Callable[..., Shop], name: str) -> None:
    shop = trust(name)
    shop.refuse("id")
    shop.refuse("id", aud=shop.mint.audience)
    shop.refuse("id", aud=shop.mint.audience, nonce=None, at_hash=None)


@pytest.mark.parametrize("name", PRESETS)
def test_a_machine_is_never_a_person(trust: Callable[..., Shop], name: str) -> None:
    shop = trust(name)
    for kind in load_shape(name).kinds:
        if kind.startswith("machine"):
            answer = shop.ask(kind)
            assert isinstance(answer, NotProven) or not answer.principal.person, kind


def test_a_service_account_without_its_marks_is_no_person(trust: Callable[..., Shop]) -> None:
    shop = trust("keycloak")
    answer = shop.refuse("machine", clientHost=None, clientAddress=None, preferred_username=None)
    assert (answer.reason, answer.claim) == (Reason.TYPE_REFUSED, "auth_time")


def test_a_customer_of_the_password_grant_is_a_person_without_a_sign_in_time(trust: Callable[..., Shop]) -> None:
    principal = trust("keycloak").prove("access-direct")
    assert (principal.person, principal.auth_time) == (True, 0.0)


@pytest.mark.parametrize("use", ["Refresh", "Offline", "ID", "Logout"])
def test_another_token_of_keycloak_is_refused_by_its_use(trust: Callable[..., Shop], use: str) -> None:
    trust("keycloak").refuse(typ=use)


@pytest.mark.parametrize(("name", "kind"), REFUSED)
def test_an_anonymous_or_unfinished_sign_in_is_refused_by_its_claim(
    trust: Callable[..., Shop], name: str, kind: str
) -> None:
    answer = trust(name).refuse(kind)
    assert (answer.reason, answer.claim) == (Reason.CLAIM_REFUSED, REFUSED[name, kind])


@pytest.mark.parametrize("name", PRESETS)
def test_a_token_for_another_service_is_refused(trust: Callable[..., Shop], name: str) -> None:
    assert trust(name).refuse(audience="another").reason is Reason.AUDIENCE_WRONG


@pytest.mark.parametrize("name", PRESETS)
def test_a_plain_sign_in_is_never_a_strong_one(trust: Callable[..., Shop], name: str) -> None:
    shop = trust(name)
    for kind in load_shape(name).kinds:
        answer = shop.ask(kind)
        if isinstance(answer, Proven):
            assert answer.principal.acr in {"", "aal1"}, kind


@pytest.mark.parametrize("name", PRESETS)
def test_a_step_up_counts_where_its_mark_has_one_meaning(trust: Callable[..., Shop], name: str) -> None:
    if load_shape(name).kind("access").strong:
        level = trust(name).prove(strong=True).acr
        assert level == ("aal2" if name in STEPPED_UP or name == "generic" else "aal1")


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("entra", ", levels: {claim: acrs, map: {c1: aal2}, none: aal1}"),
        ("entra-b2c", ", levels: {claim: tfp, map: {b2c_1_stepup: aal2}, none: aal1}"),
        ("pingone", ", levels: {claim: acr, map: {Multi_Factor: aal2}, none: aal1}"),
    ],
)
def test_the_levels_that_the_setup_names_are_read(trust: Callable[..., Shop], name: str, more: str) -> None:
    shop = trust(name, more)
    assert shop.prove(strong=True).acr == "aal2"
    assert shop.prove().acr == "aal1"


def test_version_1_of_entra_states_the_second_factor(trust: Callable[..., Shop]) -> None:
    shop = trust("entra")
    assert shop.prove("access-v1", strong=True).acr == "aal2"
    assert shop.prove("access-v1").acr == "aal1"


def test_a_service_account_of_google_gets_a_token_for_any_audience_and_is_no_person(
    trust: Callable[..., Shop],
) -> None:
    shop = trust("google")
    for kind in ("machine", "machine-key"):
        assert shop.refuse(kind).claim == "azp"
        assert shop.refuse(kind, azp=None).claim == "azp"
    own = trust("google", ", require: {azp: [robot@shop.iam.gserviceaccount.com, customer-1]}")
    assert not own.prove("machine").person
    assert not own.prove("machine-key").person


def test_a_silent_sign_in_of_b2c_is_no_fresh_one(trust: Callable[..., Shop]) -> None:
    shop = trust("entra-b2c")
    assert shop.prove(auth_time=int(shop.mint.clock.now())).auth_time == 0.0


def test_customers_of_custom_tokens_are_persons_only_where_the_policy_says_so(trust: Callable[..., Shop]) -> None:
    more = (
        ", require: {/firebase/sign_in_provider: [password, custom]}, machine: {/firebase/sign_in_provider: anonymous}"
    )
    shop = trust("firebase", more)
    assert shop.prove("machine").person
    shop.refuse("anonymous")
    pinned_only = trust("firebase", ", require: {/firebase/sign_in_provider: [anonymous]}")
    assert not pinned_only.prove("anonymous").person


def test_a_client_of_the_projects_server_has_only_its_own_scopes(trust: Callable[..., Shop]) -> None:
    shop = trust("supabase")
    assert shop.prove("access-oauth", scope="chat", authguard_scope="chat pay").token_scopes == {"chat"}
    assert shop.prove(authguard_scope="chat pay").token_scopes == {"chat", "pay"}


def test_a_scope_is_written_with_or_without_the_prefix_of_its_resource(trust: Callable[..., Shop]) -> None:
    shop = trust("cognito", ", scope_prefix: shop/")
    assert "chat" in shop.prove(scope="shop/chat").token_scopes
