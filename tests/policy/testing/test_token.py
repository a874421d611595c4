"""A token states each fact where the policy's issuer states it, and is validated as the guard validates it."""

from __future__ import annotations

from msgspec.structs import replace

from authguard.core.deployment import Issuer
from authguard.core.issuer_settings import ClaimSources, Levels
from authguard.core.request import NotProven, Proven
from authguard.policy.compiler import compile_draft, load
from authguard.policy.loading.loader import load_draft
from authguard.policy.loading.preset import list_presets, load_preset
from authguard.policy.testing.token import TokenFacts, TokenSpec, build_claims, issue_token

POLICY = load("support-desk")
ISSUER = Issuer(issuer="https://idp.example", audience=("us",), algorithms=("ES256",))
FACTS = TokenFacts(
    issuer=ISSUER,
    spec=TokenSpec(),
    scope=("read", "pay"),
    roles=("clerk",),
    level="aal2",
    auth_time=900.0,
    issued_at=1_000.0,
)


def test_facts_are_stated_where_the_issuer_states_them() -> None:
    sources = ClaimSources(scopes=("/access/scopes",), acr=("/levels/*/name",), session=("session_id",))
    issuer = replace(ISSUER, claims=sources, scope_prefix="api/", require={"tier": ("gold",)})
    claims = build_claims(replace(POLICY, staff_claim=""), replace(FACTS, issuer=issuer))
    assert claims["access"] == {"scopes": ["api/read", "api/pay"]}
    assert claims["levels"] == [{"name": "aal2"}]
    assert (claims["session_id"], claims["tier"]) == ("session-1", "gold")


def test_a_level_is_stated_by_the_issuers_own_value() -> None:
    issuer = replace(ISSUER, levels=Levels(claim=("amr",), map={"fido": "aal3", "otp": "aal2"}))
    assert build_claims(POLICY, replace(FACTS, issuer=issuer))["amr"] == "otp"
    assert "amr" not in build_claims(POLICY, replace(FACTS, issuer=issuer, level="aal9"))


def test_a_token_is_validated() -> None:
    found = issue_token(POLICY, FACTS, 1)
    assert isinstance(found, Proven)
    principal = found.principal
    assert (principal.acr, principal.auth_time, principal.token_scopes) == ("aal2", 900.0, frozenset({"read", "pay"}))
    assert principal.fingerprint != issue_token(POLICY, FACTS, 2).principal.fingerprint  # type: ignore[union-attr]


def test_typed_claims_replace_and_remove() -> None:
    def issue(**claims: object) -> Proven | NotProven:
        return issue_token(POLICY, replace(FACTS, spec=TokenSpec(claims=claims)), 1)

    assert issue(exp=1_001.0, iat=1_000.0)
    for broken in ({"sub": ""}, {"exp": 5_000.0}, {"iat": 2_000.0}, {"aud": "them"}, {"aud": ""}, {"iss": "other"}):
        assert isinstance(issue(**broken), NotProven)


def test_one_claim_may_name_client_and_audience() -> None:
    issuer = replace(ISSUER, claims=ClaimSources(audience=("azp",), client=("azp",)))
    assert isinstance(issue_token(POLICY, replace(FACTS, issuer=issuer), 1), Proven)
    typed = replace(FACTS, issuer=issuer, spec=TokenSpec(client="other"))
    assert isinstance(issue_token(POLICY, typed, 1), NotProven)


def test_a_token_of_every_provider_is_accepted() -> None:
    for name in list_presets():
        example = load_preset(name).example
        issuer = f"{{provider: {name}, issuer: '{example['issuer']}', audience: '{example['audience']}'}}"
        text = f"authguard: 1\nname: x\nextends: standard\nissuers: [{issuer}]\naccounts: none\n"
        draft = load_draft("x.yaml", text=text.encode()).draft
        assert draft is not None
        policy = compile_draft(draft)
        (found, *_) = policy.issuers.values()
        facts = replace(FACTS, issuer=found, level="", auth_time=0.0)
        assert isinstance(issue_token(policy, facts, 1), Proven), name


def test_actors_are_nested_with_their_issuers() -> None:
    spec = TokenSpec(actor=("agent", "helper of https://other.example"))
    claims = build_claims(POLICY, replace(FACTS, spec=spec))
    assert claims["act"] == {"sub": "agent", "act": {"sub": "helper", "iss": "https://other.example"}}
