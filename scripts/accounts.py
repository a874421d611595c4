"""Write docs/accounts.md, every account state of the standard policy; `--check` compares the page.

Rule: only the meaning and the reporter of each state are written here, one sentence per state or nothing is written.
The compiled policy determines what is allowed, the texts for the customer, and the ways out of a state.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from authguard.asgi.customer_text import DEFAULT_TEXTS
from authguard.core.decision_table import DIMENSIONS
from authguard.core.outcomes import ALLOW, Outcome
from authguard.policy.checks.attribution import EVENT_ACTORS
from authguard.policy.compiler import load

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from authguard.core.outcomes import Fallback
    from authguard.core.policy import Policy

HOW: Final = "python scripts/accounts.py"
PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "accounts.md"

#: reporter of most states
ANYBODY: Final = "any source (a directory, a claim), or the app (`guard.report`)"
#: state -> meaning, reporter
STATES: Final[Mapping[str, tuple[str, str]]] = {
    "unknown": (
        "No source has reported this account yet, or its last report is too old.",
        "no source; the clock, once a good report has aged",
    ),
    "normal": (
        "The account is in good standing.",
        "a source; the guard itself, if the policy has `accounts: none`",
    ),
    "dormant": (
        "The account has not been used for long, so the person signed in may not be its holder.",
        ANYBODY,
    ),
    "minor": (
        "The holder is under age: they may ask, and another person is responsible for costs and contracts.",
        ANYBODY,
    ),
    "delegated": (
        "Another person acts for the holder, by a power of attorney or as a guardian.",
        ANYBODY,
    ),
    "restricted": (
        "The holder may use the account, but not for final acts: a court order, a dispute, a pending check.",
        ANYBODY,
    ),
    "unrecognised": (
        "A source reported a status that the policy does not map. The log contains it, escaped and bounded.",
        "the guard, in the source's name",
    ),
    "locked": (
        "The account is closed temporarily: after too many wrong passwords, or at the request of the holder.",
        ANYBODY,
    ),
    "suspended": ("A person has decided to suspend the account.", ANYBODY),
    "compromised": (
        "An attacker may have the sign-in. Only a person lifts this state; no report does.",
        ANYBODY,
    ),
    "merged": (
        "The account was merged into another. Only a person lifts this state.",
        ANYBODY,
    ),
    "deceased": (
        "The holder has died. Only a person lifts this state; no report does, and it does not age.",
        ANYBODY,
    ),
    "closed": (
        "The account was closed. Only a person lifts this state; no report does, and it does not age.",
        ANYBODY,
    ),
}

#: request of a customer -> its conditions
REQUESTS: Final[Mapping[str, Mapping[str, str]]] = {
    "routine read": {"risk": "routine", "effect": "read"},
    "routine write": {"risk": "routine", "effect": "write"},
    "sensitive read": {"risk": "sensitive", "effect": "read"},
    "sensitive write": {"risk": "sensitive", "effect": "write"},
    "high write": {"risk": "high", "effect": "write"},
}
#: the other conditions: signed in, verified, sufficient assurance, within limits, without an agent
WELL: Final[Mapping[str, str]] = {
    "service": "live",
    "session": "active",
    "verification": "verified",
    "transaction": "none",
    "credential": "good",
    "scope": "granted",
    "assurance": "met",
    "limit": "within",
    "channel_change": "same",
    "actor": "subject",
}

#: outcomes with which the app answers
ADMITTED: Final = frozenset({Outcome.ALLOW, Outcome.RESTRICT})

INTRODUCTION: Final = f"""\
This page is generated from the standard policy by `{HOW}`; do not edit it. [The policy language](policies.md)
explains how to declare the sources, and how a policy adds states or responds differently; `authguard policy explain`
shows the same for your policy.

The last report of each source is stored with its time, and the strictest applies. A report older than the stored one,
or than a person's decision, changes nothing. A report of the app (`guard.report("account.locked")`) can only restrict.
A change affects every session and channel at its next request. Refusals of `locked`, missing and `merged` accounts are
identical bytes for the caller and take the same steps; only the log distinguishes them.

The page shows what is allowed to a customer if nothing else prevents it: signed in, identity proven, within every
limit, without an agent. The texts are the standard policy's; a policy can set others by channel and language
(`message`)."""


def page(policy: Policy) -> str:
    """Return the whole page.

    Raises:
        ValueError: a state has no sentence here, or a sentence no state.
    """
    states = policy.machines["account"].spec.states
    if set(states) != set(STATES):
        raise ValueError(f"not a sentence for every state: {', '.join(sorted(set(states) ^ set(STATES)))}")
    blocks = ["# The states of an account", INTRODUCTION, "## At a glance", _glance(policy, states)]
    for state in states:
        blocks += [f"## {state}", *_entry(policy, state)]
    return "\n\n".join(blocks) + "\n"


def _glance(policy: Policy, states: Sequence[str]) -> str:
    rows = [["state", *REQUESTS], ["---"] * (len(REQUESTS) + 1)]
    rows += [
        [f"[`{state}`](#{state})", *(f"`{_fallback(policy, state, request).kind}`" for request in REQUESTS)]
        for state in states
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _entry(policy: Policy, state: str) -> Iterator[str]:
    means, reporter = STATES[state]
    yield means
    answers = {request: _fallback(policy, state, request) for request in REQUESTS}
    allowed = [request for request, fallback in answers.items() if fallback.kind in ADMITTED]
    texts = dict.fromkeys(_customer_text(fallback) for fallback in answers.values() if fallback.kind not in ADMITTED)
    yield "\n".join(
        (
            f"- **Reported by** {reporter}.",
            f"- **Allowed:** {'; '.join(allowed) or 'public operations and sign-out only'}.",
            f"- **The customer is shown:** {' '.join(texts) or 'nothing; the request is answered.'}",
            f"- **Exit:** {_exit(policy, state)}.",
        )
    )


def _fallback(policy: Policy, state: str, request: str) -> Fallback:
    facts = {**WELL, **REQUESTS[request], "account": state}
    rule = policy.table.decide(tuple(facts[dimension] for dimension in DIMENSIONS))
    return policy.fallbacks.get(rule.do, ALLOW)


def _customer_text(fallback: Fallback) -> str:
    return f'"{fallback.message.find((), "") or DEFAULT_TEXTS[fallback.kind]}"'


def _exit(policy: Policy, state: str) -> str:
    """Return who can move an account out of the state: its sources, the clock, or a person only."""
    table = policy.machines["account"].table
    leading = [event for (source, event), to in table.items() if source == state and to.moves and to.dest != state]
    reports = [event for event in leading if f"account.{event}" not in EVENT_ACTORS]
    if state == "normal":
        return "none is needed; every other report leads to its state, and an aged one back to `unknown`"
    ways = []
    if "normal" in reports:
        ways.append("a newer report, `normal` or any other, of the same source")
    elif reports:
        ways.append(f"only these reports lead to another state: {', '.join(f'`{event}`' for event in reports)}")
    if "aged" in leading:
        ways.append("with time it becomes `unknown`, and the sources are queried again")
    if "reinstated" in leading:
        ways.append(
            "a person reinstates it (`authguard accounts reinstate`, or staff with the authority over "
            "`POST /.authguard/accounts/{subject}/reinstate`)"
        )
    return "; ".join(ways)


def main(wanted: Sequence[str]) -> int:
    """Write the page, or compare it; return the exit code."""
    if wanted not in ([], ["--check"]):
        sys.stderr.write(f"usage: {HOW} [--check]\n")
        return 2
    text = page(load("standard"))
    if not wanted:
        PAGE.write_text(text, "utf-8")
        return 0
    if not PAGE.exists() or PAGE.read_text("utf-8") != text:
        sys.stderr.write(f"docs/accounts.md not in step with the standard policy: run `{HOW}`\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
