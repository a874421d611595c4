"""Scenarios of a new policy: those that tokens of the provider bring about.

Rule: a scenario that does not come about, or not with the stated outcome, is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.policy.loading import locator
from authguard.policy.mutation.scenario_text import run_plain
from authguard.policy.render.proposed_operations import list_scenarios
from authguard.policy.scaffold.answers import NONE
from authguard.policy.scaffold.policy_text import SCHEMA_LINE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.core.policy import Policy
    from authguard.policy.render.proposed_operations import Row
    from authguard.policy.scaffold.answers import Answers


def write_scenarios(answers: Answers, policy: Policy) -> dict[str, str]:
    """Return the files of scenarios: relative path -> text."""
    if answers.extends == "standard":
        return {"scenarios/first.yaml": "\n".join(_first(answers, policy)) + "\n"}
    folder = locator.scenarios_folder(locator.find_shipped(answers.extends))
    return {
        f"scenarios/{path.name}": path.read_text("utf-8").replace("$schema=../../", "$schema=../")
        for path in sorted(folder.glob("*.yaml"))
    }


#: outcome for a customer whose identity is not proven -> its words
_UNPROVEN: Final = {
    "step_up": "is asked for a stronger sign-in",
    "verify": "is asked for a proof of identity",
    "handoff": "is handed to a person",
}


def _first(answers: Answers, policy: Policy) -> Iterator[str]:
    """Yield the first scenarios, each named by a plain sentence: those that tokens of the provider bring about."""
    yield f"{SCHEMA_LINE}../scenarios.schema.json"
    yield "# Expected decisions of this policy. Add a scenario for each important case."
    rows = list_scenarios(answers.operations, answers.proof) if answers.operations else _list_examples(answers)
    for name, given, when, ask, outcome in rows:
        if not _passes(policy, name, given, when, ask, outcome):
            continue  # no token of this provider brings it about
        yield ""
        yield f"- name: {name}"
        yield f"  given: {{{given}}}"
        if when:
            yield f"  when: [{when}]"
        yield f"  ask: {{{ask}}}"
        yield f"  then: {{outcome: {outcome}}}"


def _passes(policy: Policy, *scenario: str) -> bool:
    """Return whether a scenario comes about under a policy, with the stated outcome."""
    name, given, when, ask, outcome = scenario
    plain = {
        "name": name,
        "given": _mapping(given),
        "when": when.split(", ") if when else [],
        "ask": _mapping(ask),
        "then": {"outcome": outcome},
    }
    result = run_plain(plain, policy)
    return result is not None and not result.differences


def _mapping(text: str) -> dict[str, str]:
    return dict(pair.split(": ", 1) for pair in text.split(", "))


def _list_examples(answers: Answers) -> list[Row]:
    """Return the scenarios of the example operations."""
    known = "account: normal, verification: verified"
    proof = answers.proof
    unproven = _UNPROVEN[proof]
    scenarios: list[Row] = [
        (
            "the health check needs no sign-in",
            "session: absent",
            "",
            "operation: health, credential: missing",
            "allow",
        ),
        (
            "an unauthenticated chat request is challenged",
            "session: absent",
            "",
            "operation: chat, credential: missing",
            "challenge",
        ),
        ("a signed-in customer chats", "account: normal", "", "operation: chat", "allow"),
        (
            "a token that expires during a chat is challenged",
            known,
            "",
            "operation: chat, credential: expired",
            "challenge",
        ),
        ("an idle session requires a fresh sign-in", known, "session.idled", "operation: chat", "step_up"),
        (
            "an idle session of a token without a sign-in time is handed to a person",
            known,
            "session.idled",
            "operation: chat, credential: undated",
            "handoff",
        ),
        (
            "an ambiguous verification of such a token is handed to a person",
            known,
            "session.idled, verification.doubted",
            "operation: chat, credential: undated",
            "handoff",
        ),
        ("a verified customer sees the profile", known, "", "operation: profile", "allow"),
        (
            "a failed verification is handed to a person",
            known,
            "verification.failed",
            "operation: profile",
            "handoff",
        ),
        ("a workload that is no registered agent is refused", "account: normal", "", "operation: chat", "deny"),
        (f"an unverified customer {unproven}", "account: normal", "", "operation: profile", proof),
        (
            "an ambiguous verification is handed to a person",
            known,
            "verification.doubted",
            "operation: profile",
            "handoff",
        ),
        ("a missing scope is denied", known, "", "operation: profile, scope: missing", "deny"),
        ("during a rollback a person answers", known, "service.engaged", "operation: chat", "handoff"),
    ]
    if answers.accounts != NONE:
        scenarios.append(
            ("a closed account is handed to a person", known, "account.closed", "operation: chat", "handoff")
        )
    if answers.agent:
        agent = "an agent of an unverified customer is handed to a person"
        scenarios.append((agent, "account: normal", "", "operation: profile, actor: agent", "handoff"))
        scenarios.append(("an unregistered agent is refused", known, "", "operation: chat, actor: stranger", "deny"))
    if answers.payments:
        scenarios += [
            ("a payment within its limits is allowed", known, "", "operation: pay", "allow"),
            ("no payment on tokens that state no level of the sign-in", known, "", "operation: pay", "step_up"),
            ("no payment on tokens that state no time of the sign-in", known, "", "operation: pay", "handoff"),
            ("a payment above its limits waits for approval", known, "", "operation: pay, limit: exceeded", "hold"),
            ("a stale sign-in cannot pay", known, "", "operation: pay, assurance: stale", "step_up"),
            (
                "a repeated payment returns the first response",
                f"{known}, transaction: done",
                "",
                "operation: pay",
                "repeat",
            ),
        ]
        if answers.agent:
            scenarios.append(
                ("a payment by an agent waits for approval", known, "", "operation: pay, actor: agent", "hold")
            )
    return scenarios
