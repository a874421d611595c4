"""What got looser, what got stricter: exact over all cells, and for every single rule of every shipped policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from msgspec.structs import replace

from authguard.core.agents import Agent
from authguard.core.approvers import Approvers
from authguard.core.cors import Cors
from authguard.core.credential_place import CredentialPlace
from authguard.core.decision_table import Rule
from authguard.core.deployment import Channels, Issuer
from authguard.core.issuer_settings import ClaimSources, Levels
from authguard.core.machine import Line
from authguard.core.outcomes import ADMITTING, Outcome
from authguard.core.request import Limit, Match, Operation
from authguard.core.sections import Authority, Rollback
from authguard.core.timers import Timer
from authguard.policy.checks.table import prove_table
from authguard.policy.diff.permissiveness import ORDER, Direction
from authguard.policy.diff.policy_diff import PolicyDiff, diff_policies
from authguard.policy.loading import locator
from authguard.policy.loading.loader import load_draft
from authguard.policy.table.boxes import Space, is_empty
from authguard.policy.table.comparison import Comparison, compare
from authguard.policy.table_space import table_space
from tests.policy.table.test_boxes import cells, first_match, holds, problems

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from authguard.policy.draft import Draft

SHIPPED = sorted(locator.shipped_policies())


@pytest.fixture(scope="module")
def drafts() -> Mapping[str, Draft]:
    """Read every shipped policy once."""
    found = {name: load_draft(name).draft for name in SHIPPED}
    return {name: draft for name, draft in found.items() if draft is not None}


def ruled(draft: Draft, rules: list[Rule]) -> Draft:
    return replace(draft, rules=tuple(replace(rule, index=index) for index, rule in enumerate(rules)))


@pytest.mark.parametrize("name", SHIPPED)
def test_loosening_any_single_rule_is_reported(name: str, drafts: Mapping[str, Draft]) -> None:
    draft = drafts[name]
    kinds = {"allow": Outcome.ALLOW} | {known: item.kind for known, item in draft.fallbacks.items()}
    proof = prove_table(draft)
    assert proof is not None
    decide = proof.deciders(table_space(draft).whole)
    for index, rule in enumerate(draft.rules):
        if index not in decide:  # a part of `by_limit` that earlier rules leave nothing to, or a rule that skips
            continue
        before = list(draft.rules)
        if rule.do == "allow":  # an admission is loosened by asking less
            widened = [replace(rule, when={d: v for d, v in rule.when.items() if d != gone}) for gone in rule.when]
            changed = [[*before[:index], wide, *before[index + 1 :]] for wide in widened]
            changed.append([rule, *before[:index], *before[index + 1 :]])  # or by asking first
        else:
            looser = next(to for to, kind in kinds.items() if ORDER.index(kind) < ORDER.index(kinds[rule.do]))
            changed = [[*before[:index], replace(rule, do=looser), *before[index + 1 :]]]
        found = (diff_policies(draft, ruled(draft, rules), find_paths=False).of(Direction.LOOSER) for rules in changed)
        looser_ones = next((one for one in found if one), ())
        assert looser_ones, f"{rule.name} ({rule.origin})"
        shown = [one for one in looser_ones if one.what == "decisions"]  # besides, a flag may turn
        assert all(one.cells and one.cell for one in shown), "every difference shows a cell"


@pytest.mark.parametrize("name", SHIPPED)
def test_a_policy_does_not_differ_from_itself(name: str, drafts: Mapping[str, Draft]) -> None:
    assert diff_policies(drafts[name], drafts[name]) == PolicyDiff(old=name, new=name, differences=())


@given(problems(), st.data())
def test_a_comparison_agrees_with_asking_both_tables_for_every_cell(
    problem: tuple[Space, tuple[Rule, ...]], data: st.DataObject
) -> None:
    space, rules = problem
    if is_empty(space.whole):
        return
    other = tuple(replace(rule, index=place) for place, rule in enumerate(data.draw(st.permutations(rules))))
    tables = tuple([(space.box(rule.when), rule.do) for rule in table] for table in (rules, other))
    found = compare(space.whole, (tables[0], tables[1]), [space.whole])
    assert isinstance(found, Comparison)
    expected: dict[tuple[str, str], int] = {}
    for cell in cells(space):
        old, new = (first_match(space, table, cell) for table in (rules, other))
        pair = ("" if old is None else rules[old].do, "" if new is None else other[new].do)
        if pair[0] != pair[1]:
            expected[pair] = expected.get(pair, 0) + 1
        for change in found.changes:
            if holds(space, change.box, cell):
                assert pair == (change.before, change.after)
    assert {(one.before, one.after): one.cells for one in found.changes} == expected


def changed_fallback(name: str, **values: object) -> Callable[[Draft], Draft]:
    return lambda draft: replace(
        draft,
        fallbacks={**draft.fallbacks, name: replace(draft.fallbacks[name], **values)},  # type: ignore[arg-type]
    )


def changed_operation(**values: object) -> Callable[[Draft], Draft]:
    def change(draft: Draft) -> Draft:
        made = [replace(one, **values) if one.name == "refund" else one for one in draft.operations]  # type: ignore[arg-type]
        return replace(draft, operations=tuple(made))

    return change


def also_for_another(draft: Draft) -> Draft:
    (issuer,) = draft.issuers
    return replace(draft, issuers=(replace(issuer, audience=(*issuer.audience, "another")),))


def changed_issuer(**values: object) -> Callable[[Draft], Draft]:
    return lambda draft: replace(draft, issuers=(replace(draft.issuers[0], **values),))  # type: ignore[arg-type]


def changed_timer(event: str, **values: object) -> Callable[[Draft], Draft]:
    return lambda draft: replace(
        draft,
        timers=tuple(replace(one, **values) if one.event == event else one for one in draft.timers),  # type: ignore[arg-type]
    )


def changed_line(machine: str, index: int, **values: object) -> Callable[[Draft], Draft]:
    def change(draft: Draft) -> Draft:
        spec = draft.machines[machine]
        lines = list(spec.lines)
        lines[index] = replace(lines[index], **values)  # type: ignore[arg-type]
        return replace(draft, machines={**draft.machines, machine: replace(spec, lines=tuple(lines))})

    return change


def limits(amount: str) -> tuple[Limit, ...]:
    """Give the worked policy's limits with another amount for one call."""
    return (
        Limit(name="refund/0", amount=amount, currency="EUR"),
        Limit(name="refund/1", amount="1000", currency="EUR", per=86_400.0),
        Limit(name="refund/2", calls=5, per=600.0, by="session"),
    )


def cors(*origins: str, **options: Any) -> Callable[[Draft], Draft]:
    """Let pages of these origins in, beside `https://a.test`, by POST."""
    known = {"allow_methods": ("POST",), "declared": True, "allow_origins": ("https://a.test", *origins)}
    return lambda draft: replace(draft, cors=Cors(**(known | options)))


def mapped(**states: str) -> Callable[[Draft], Draft]:
    return lambda draft: replace(draft, accounts=(replace(draft.accounts[0], map={**draft.accounts[0].map, **states}),))


def put_first(match: Match) -> Callable[[Draft], Draft]:
    first = Operation(name="all", match=match, risk="public", effect="read")
    return lambda draft: replace(draft, operations=(first, *draft.operations))


def any_method(draft: Draft) -> Draft:
    made = [replace(one, match=Match(path="/healthz")) if one.name == "health" else one for one in draft.operations]
    return replace(draft, operations=tuple(made))


def weaker_method(draft: Draft) -> Draft:
    methods = {**draft.methods, "default": structs.replace(draft.methods["default"], attempts=50)}
    return replace(draft, methods=methods)


def weaker_verifier(draft: Draft) -> Draft:
    return replace(draft, verifiers={**draft.verifiers, "otp": replace(draft.verifiers["otp"], pass_at=0.5)})


ANOTHER = Issuer(issuer="https://b.example", audience=("a",), algorithms=("ES256",), discovery=True)
HEADER = CredentialPlace(kind="header", name="x-token")
ENDING = Timer(event="session.revoked", after=60.0, since="entered", states=("idle",))
LOOSER, MAY = Direction.LOOSER, Direction.MAY_LOOSEN
STRICTER, CHANGED = Direction.STRICTER, Direction.CHANGED
BEYOND = [
    (LOOSER, "issuers", changed_issuer(algorithms=("ES256", "RS256", "EdDSA", "PS256"))),
    (STRICTER, "issuers", changed_issuer(algorithms=("ES256",))),
    (LOOSER, "issuers", changed_issuer(leeway=60.0)),
    (LOOSER, "issuers", changed_issuer(evidence="none")),
    (LOOSER, "issuers", changed_issuer(type="any")),
    (MAY, "issuers", changed_issuer(token="id")),
    (LOOSER, "issuers", changed_issuer(max_lifetime=86_400.0)),
    (LOOSER, "issuers", also_for_another),
    (STRICTER, "issuers", changed_issuer(require={"jti": ()})),
    (STRICTER, "issuers", changed_issuer(require_person=("scp",))),
    (STRICTER, "issuers", changed_issuer(require_person=("scp", "scope"))),
    (MAY, "issuers", changed_issuer(machine={"idtyp": ("app",)})),
    (MAY, "issuers", changed_issuer(levels=Levels(map={"1": "aal1"}))),
    (MAY, "issuers", changed_issuer(claims=ClaimSources(client=("azp",)))),
    (MAY, "issuers", changed_issuer(scope_prefix="api://a/")),
    (MAY, "issuers", changed_issuer(audience=("another",))),
    (LOOSER, "issuers", lambda d: replace(d, issuers=(*d.issuers, ANOTHER))),
    (STRICTER, "issuers", lambda d: replace(d, issuers=())),
    (LOOSER, "policy", lambda d: replace(d, credentials=(*d.credentials, HEADER))),
    (MAY, "policy", lambda d: replace(d, credentials=(HEADER,))),
    (LOOSER, "policy", lambda d: replace(d, agents=d.agents | {Agent(d.issuers[0].issuer, "stranger")})),
    (MAY, "policy", lambda d: replace(d, agents=frozenset())),
    (LOOSER, "policy", lambda d: replace(d, agents=frozenset(one._replace(alone=True) for one in d.agents))),
    (MAY, "policy", lambda d: replace(d, agents=frozenset(one._replace(issuer="https://b") for one in d.agents))),
    (LOOSER, "policy", lambda d: replace(d, staff_issuers=d.staff_issuers | {"https://partner.example"})),
    (STRICTER, "policy", lambda d: replace(d, staff_issuers=frozenset())),
    (LOOSER, "audit", lambda d: replace(d, audit=replace(d.audit, subjects="plain"))),
    (CHANGED, "policy", lambda d: replace(d, digest="another")),
    (LOOSER, "policy", lambda d: replace(d, on_fault="sign_in")),
    (LOOSER, "audit", lambda d: replace(d, audit=replace(d.audit, durability={"high": "async"}))),
    (LOOSER, "rollback", lambda d: replace(d, rollback=Rollback(authority={"release": Authority(role="operations")}))),
    (LOOSER, "accounts", lambda d: replace(d, accounts=())),
    (LOOSER, "accounts", mapped(locked="normal")),
    (STRICTER, "accounts", mapped(ok="dormant")),
    (LOOSER, "operations", changed_operation(risk="sensitive")),
    (LOOSER, "operations", changed_operation(effect="read")),
    (LOOSER, "operations", changed_operation(scopes=frozenset())),
    (LOOSER, "operations", changed_operation(acr="aal1")),
    (STRICTER, "operations", changed_operation(acr="aal3")),
    (LOOSER, "operations", changed_operation(max_age=3_600.0)),
    (LOOSER, "operations", changed_operation(max_age=0.0)),
    (LOOSER, "operations", changed_operation(scale=2)),
    (MAY, "operations", changed_operation(amount_at="", amount_form="amount")),
    (MAY, "operations", changed_operation(payee_form="to")),
    (MAY, "operations", changed_operation(currency_at="", currency_form="currency")),
    (LOOSER, "operations", changed_operation(limits=())),
    (STRICTER, "operations", changed_operation(limits=limits("100"))),
    (LOOSER, "operations", changed_operation(limits=limits("900"))),
    (LOOSER, "operations", put_first(Match(path="/orders/{rest:path}"))),
    (LOOSER, "operations", any_method),
    (STRICTER, "operations", lambda d: replace(d, operations=tuple(o for o in d.operations if o.name != "health"))),
    (LOOSER, "fallbacks", changed_fallback("prove_identity", attempts=30)),
    (LOOSER, "fallbacks", changed_fallback("step_up", attempts=0, per=0.0, then="")),
    (LOOSER, "fallbacks", changed_fallback("sign_in_fresh", since_entered=False)),
    (STRICTER, "fallbacks", changed_fallback("await_approval", approvers=(Approvers("supervisor", 2),))),
    (LOOSER, "fallbacks", changed_fallback("read_only", effects=frozenset({"read", "write"}))),
    (LOOSER, "fallbacks", changed_fallback("refuse", discloses=frozenset({"account"}))),
    (CHANGED, "fallbacks", changed_fallback("sign_in", status=403)),
    (LOOSER, "timers", changed_timer("session.idled", after=3_600.0)),
    (STRICTER, "timers", changed_timer("session.aged", after=3_600.0)),
    (LOOSER, "timers", changed_timer("verification.cooled", after=1.0)),
    (MAY, "timers", changed_timer("session.idled", since="entered")),
    (LOOSER, "timers", lambda d: replace(d, timers=tuple(t for t in d.timers if t.event != "session.aged"))),
    (STRICTER, "timers", lambda d: replace(d, timers=(*d.timers, ENDING))),
    (LOOSER, "machines", changed_line("session", 1, raises=())),
    (LOOSER, "machines", changed_line("session", 5, dest="active")),
    (STRICTER, "machines", changed_line("account", 0, dest="closed")),
    (LOOSER, "assurance", lambda d: replace(d, assurance=replace(d.assurance, map={"urn:weak": "aal3"}))),
    (LOOSER, "identity", lambda d: replace(d, identity="aal1")),
    (STRICTER, "identity", lambda d: replace(d, identity="")),
    (LOOSER, "methods", weaker_method),
    (CHANGED, "methods", lambda d: replace(d, methods={})),
    (LOOSER, "verifiers", weaker_verifier),
    (STRICTER, "channels", lambda d: replace(d, channels=Channels(declared=True))),
    (LOOSER, "channels", lambda d: replace(d, channels=Channels(trusts={"voice": frozenset({"web"})}))),
    (LOOSER, "cors", cors()),
    (LOOSER, "otherwise", lambda d: replace(d, admits_unnamed=True)),
    (STRICTER, "operations", lambda d: replace(d, operations=tuple(o for o in d.operations if o.name != "chat"))),
    (LOOSER, "invariants", lambda d: replace(d, invariants=d.invariants[1:])),
    (STRICTER, "invariants", lambda d: replace(d, invariants=(*d.invariants, replace(d.invariants[0], name="more")))),
]  # fmt: skip


CORS = [
    (LOOSER, cors("https://b.test")),
    (LOOSER, cors(allow_origins=("*",))),
    (LOOSER, cors(allow_origin_regex="https://.*")),
    (LOOSER, cors(allow_methods=("*",))),
    (LOOSER, cors(allow_methods=("POST", "PUT"))),
    (LOOSER, cors(allow_headers=("*",))),
    (LOOSER, cors(allow_credentials=True)),
    (LOOSER, cors(max_age=6_000)),
    (STRICTER, cors(allow_headers=())),
    (MAY, cors(allow_origins=("https://b.test",))),
]


@pytest.mark.parametrize(("direction", "change"), CORS)
def test_cors_that_lets_more_in_is_looser(
    drafts: Mapping[str, Draft], direction: Direction, change: Callable[[Draft], Draft]
) -> None:
    old = cors()(drafts["support-desk"])
    assert [one.direction for one in diff_policies(old, change(old)).differences if one.what == "cors"] == [direction]


@pytest.mark.parametrize(
    ("direction", "what", "change"), BEYOND, ids=[f"{i}-{case[0]}-{case[1]}" for i, case in enumerate(BEYOND)]
)
def test_what_differs_beyond_the_table_is_told_with_its_direction(
    drafts: Mapping[str, Draft], direction: Direction, what: str, change: Callable[[Draft], Draft]
) -> None:
    old = drafts["support-desk"]
    found = diff_policies(old, change(old)).differences
    assert [one for one in found if one.what == what and one.direction is direction], found
    if direction is not LOOSER:
        assert not [one for one in found if one.what == what and one.direction is LOOSER], found
    back = {LOOSER: {STRICTER, MAY}, STRICTER: {LOOSER}, MAY: {LOOSER, MAY}, CHANGED: {CHANGED}}[direction]
    reverse = diff_policies(change(old), old).differences
    assert [one for one in reverse if one.what == what and one.direction in back], reverse


def test_the_worst_comes_first_with_its_cell_and_the_events_that_lead_there(drafts: Mapping[str, Draft]) -> None:
    old = drafts["support-desk"]
    rules = [
        replace(rule, do="allow") if rule.do == "prove_identity" and "credential" not in rule.when else rule
        for rule in old.rules
    ]
    found = diff_policies(old, ruled(old, rules)).differences
    first = found[0]
    assert (first.direction, first.risk, first.before, first.after) == (LOOSER, "high", "verify", "allow")
    assert first.admits
    assert first.path == "session.accepted, account.normal"
    assert first.cell[:5] == ("live", "normal", "active", "unverified", "none")
    assert [one.risk for one in found if one.risk == "high"] == [one.risk for one in found][
        : len([0 for one in found if one.risk == "high"])
    ]


def test_a_new_state_is_looser_only_where_it_lets_somebody_in(drafts: Mapping[str, Draft]) -> None:
    old = drafts["support-desk"]
    spec = old.machines["account"]
    into = Line(triggers=("on_hold",), sources=("*",), dest="on_hold")
    spec = replace(spec, states=(*spec.states, "on_hold"), lines=(*spec.lines, into))
    new = replace(old, machines={**old.machines, "account": spec})
    held = ruled(new, [Rule(when={"account": frozenset({"on_hold"})}, do="refuse", index=0), *old.rules])
    assert not diff_policies(old, held).of(LOOSER)
    opened = ruled(new, [Rule(when={"account": frozenset({"on_hold"})}, do="allow", index=0), *old.rules])
    assert diff_policies(old, opened).of(LOOSER)
    assert diff_policies(opened, old).of(STRICTER)


def test_a_fallback_that_only_got_another_name_changes_no_cell(drafts: Mapping[str, Draft]) -> None:
    old = drafts["support-desk"]
    renamed = replace(old.fallbacks["refuse"], name="no")
    rules = [replace(rule, do="no") if rule.do == "refuse" else rule for rule in old.rules]
    new = replace(ruled(old, rules), fallbacks={**old.fallbacks, "no": renamed})
    assert not [one for one in diff_policies(old, new).differences if one.what == "decisions"]


def test_every_outcome_has_its_place_and_those_that_admit_come_first() -> None:
    assert set(ORDER) == set(Outcome)
    assert set(ORDER[: len(ADMITTING)]) == ADMITTING
