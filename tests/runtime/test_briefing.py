"""Briefings are safe in a prompt: two or three sentences that a customer may read, equal for equal outcomes."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from authguard.core.events import MACHINES
from authguard.core.outcomes import Fallback, Outcome, Reason
from authguard.core.request import Proven
from authguard.evaluation.preview import briefing, preview
from authguard.evaluation.request import NO_CREDENTIAL
from authguard.policy.compiler import load
from authguard.policy.loading import locator
from tests.support.harness import POLICY, EnforcerHarness, policy_of
from tests.support.possible_cells import find_impossible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.core.policy import Policy
    from authguard.evaluation.decision import Verdict

POLICIES = ["standard", *sorted(set(locator.shipped_policies()) - {"standard"})]
#: words of the fixed sentences that are also the name of a state or an event somewhere
COMMON = frozenset({"a", "to"})


def policy_named(name: str) -> Policy:
    """Load a shipped policy; add operations to the standard one, which has none."""
    return policy_of(POLICY) if name == "standard" else load(name)


async def customers(policy: Policy) -> list[Verdict]:
    """Return verdicts on the same request by strong, weak, scopeless, agent, stranger and unproven callers."""
    desk = EnforcerHarness()
    scopes = frozenset().union(*(operation.scopes for operation in policy.operations))
    agent = sorted(one.client for one in policy.agents)[:1] or ["nobody-registered"]
    kinds = [
        {"token_scopes": scopes},
        {"token_scopes": scopes, "acr": "aal1"},
        {"token_scopes": frozenset()},
        {"token_scopes": scopes, "actor": agent[0]},
        {"token_scopes": scopes, "actor": "a-stranger"},
    ]
    # the first value of each condition, since another may refuse everything (a foreign tenant)
    usual = {one.claim: next(iter(one.labels)) for one in policy.own_conditions if one.claim}
    verdicts = []
    for kind in kinds:
        token = desk.login("somebody-very-private", claims={"account_status": "ok", **usual}, **kind)
        verdicts.append(await desk.ask("chat", token))
    for verdict in verdicts:
        assert isinstance(verdict.credential, Proven)
    return [*verdicts, replace(verdicts[0], credential=NO_CREDENTIAL)]


def everywhere(policy: Policy, verdict: Verdict) -> Iterator[Verdict]:
    """Return a verdict for each state of the four machines that a briefing reads, including unreachable ones."""
    machines = [policy.machines[name].spec.states for name in MACHINES[:4]]
    for states in itertools.product(*machines):
        service, account, session, verification = states
        now = verdict.snapshot
        snapshot = replace(
            now,
            service=replace(now.service, state=service),
            account=replace(now.account, state=account),
            session=replace(now.session, state=session, verification=verification),
        )
        for kind in (Outcome.ALLOW, Outcome.RESTRICT)[: 2 if service == "live" else 1]:
            fallback = Fallback(name=kind.value, kind=kind)
            yield replace(verdict, decision=replace(verdict.decision, snapshot=snapshot, fallback=fallback))


def secrets(policy: Policy) -> frozenset[str]:
    """Return the words that only the guard may use: states, events, fallbacks, rules, reasons, machines, identities."""
    states = {state for machine in policy.machines.values() for state in machine.spec.states}
    triggers = {trigger for machine in policy.machines.values() for trigger in machine.spec.triggers}
    named = {*policy.fallbacks, *policy.methods, *policy.verifiers, *(reason.code for reason in Reason), *MACHINES}
    return frozenset({*states, *triggers, *named, "somebody-very-private", "somebody", "issuer"}) - COMMON


@pytest.mark.slow
@pytest.mark.parametrize("name", POLICIES)
async def test_in_every_state_it_is_short_complete_and_holds_nothing_of_the_guards_own(name: str) -> None:
    policy = policy_named(name)
    hidden, said_for = secrets(policy), {}
    operations = {operation.name: operation.name.replace("_", " ").replace("-", " ") for operation in policy.operations}
    for customer in await customers(policy):
        for verdict in everywhere(policy, customer):
            said = briefing(policy, verdict)
            steps = preview(policy, verdict)
            key = (tuple(steps.items()), verdict.fallback.kind)
            assert said_for.setdefault(key, said) == said, "who gets the same answers reads the same"
            if said_for[key] is not said:
                continue
            assert re.fullmatch(r"[A-Z][^.]*\.( [A-Z][^.]*\.){1,2}", said), said
            assert said.isprintable()
            bare = said
            for operation in sorted((operations[name] for name in steps), key=len, reverse=True):
                assert re.search(rf"\b{re.escape(operation)}\b", said), operation
                bare = re.sub(rf"\b{re.escape(operation)}\b", "", bare)
            assert not hidden & set(re.findall(r"[\w-]+", bare.lower())), said
            if "stop" in steps.values():
                assert "Do not offer" in said
    assert len(said_for) > 8
    assert not find_impossible(policy), "it is about requests that can be made"


@pytest.mark.parametrize(
    "alike", [("locked", "suspended", "unrecognised"), ("merged", "closed", "deceased", "compromised")]
)
async def test_accounts_that_are_treated_alike_are_spoken_of_alike(alike: tuple[str, ...]) -> None:
    policy = policy_named("standard")
    for customer in await customers(policy):
        said = {
            briefing(policy, customer.with_snapshot(replace(customer.snapshot, account=account)))
            for account in (replace(customer.snapshot.account, state=state) for state in alike)
        }
        assert len(said) == 1
