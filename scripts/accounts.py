"""Write docs/accounts.md: every state of an account in the standard policy; `--check` says whether it is in step.

Rule: what a state means and who brings it is a person's sentence and stands here, one for every state or nothing is
written; what is allowed, what the customer hears and what leads out are asked of the compiled policy.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from authguard.asgi.reply import DEFAULT_TEXTS
from authguard.core.decision_table import DIMENSIONS
from authguard.core.outcomes import ALLOW, Outcome
from authguard.policy.checks.attribution import EVENT_ACTORS
from authguard.policy.compiler import load

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from authguard.core.outcomes import Fallback
    from authguard.policy.compiled_policy import Policy

HOW: Final = "python scripts/accounts.py"
PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "accounts.md"

#: who reports most states
ANYBODY: Final = "any source (a directory, a claim), or the app (`guard.report`)"
#: state -> what it means; who reports it
STATES: Final[Mapping[str, tuple[str, str]]] = {
    "unknown": (
        "Nobody has said anything of this account yet, or what was said is older than its source allows.",
        "nobody; the clock, where good news has aged",
    ),
    "normal": (
        "The account is in good standing.",
        "a source; the guard itself, where the policy says `accounts: none`",
    ),
    "dormant": (
        "The account has not been used for long; whoever holds the sign-in may not be who opened it.",
        ANYBODY,
    ),
    "minor": (
        "The account belongs to a person under age: they may ask, and somebody else answers for what costs or binds.",
        ANYBODY,
    ),
    "delegated": (
        "Somebody else acts for the holder, by a mandate, a power of attorney or a guardianship.",
        ANYBODY,
    ),
    "restricted": (
        "The holder may use the account, but not for what is final: a court order, a dispute, a pending check.",
        ANYBODY,
    ),
    "unrecognised": (
        "A source gave a word that the policy does not map. The word stands in the log, escaped and bounded.",
        "the guard, in the source's name",
    ),
    "locked": (
        "The account is shut for now: too many wrong passwords, or the holder asked for it.",
        ANYBODY,
    ),
    "suspended": ("The account is shut by somebody's decision.", ANYBODY),
    "compromised": (
        "Somebody else may have the sign-in. Only a person lifts this; no report does.",
        ANYBODY,
    ),
    "merged": (
        "The account went over into another; what it held is elsewhere. Only a person lifts this.",
        ANYBODY,
    ),
    "deceased": (
        "The holder has died. Only a person lifts this; no report does, and it does not age.",
        ANYBODY,
    ),
    "closed": (
        "The account was closed. Only a person lifts this; no report does, and it does not age.",
        ANYBODY,
    ),
}

#: what a customer may want, and the conditions of it
WISHES: Final[Mapping[str, Mapping[str, str]]] = {
    "ask (routine read)": {"risk": "routine", "effect": "read"},
    "change (routine write)": {"risk": "routine", "effect": "write"},
    "see what is private (sensitive read)": {"risk": "sensitive", "effect": "read"},
    "change what is private (sensitive write)": {"risk": "sensitive", "effect": "write"},
    "pay (high write)": {"risk": "high", "effect": "write"},
}
#: everything else is well: signed in, proven, strong enough, within limits, the customer's own hand
WELL: Final[Mapping[str, str]] = {
    "service": "live",
    "session": "active",
    "verification": "verified",
    "transaction": "none",
    "credential": "good",
    "scope": "granted",
    "assurance": "met",
    "limit": "within",
    "channel": "same",
    "actor": "subject",
}

#: outcomes with which the app answers
ADMITTED: Final = frozenset({Outcome.ALLOW, Outcome.RESTRICT})

INTRODUCTION: Final = f"""\
This page is generated from the standard policy by `{HOW}`; do not edit it. [The policy language](policies.md)
says how to declare the sources, and how a policy of yours adds states or answers otherwise; `authguard policy explain`
tells the same of yours.

Each source's last report is kept with its time, and the strictest holds. A report older than the kept one, or than a
person's decision, changes nothing. What the app reports (`guard.report("account.locked")`) only tightens. A change seen
anywhere acts on every session and channel at its next request. Refusals of `locked`, missing and `merged` accounts are
byte for byte the same to the caller and take the same steps; only the log tells them apart.

What is allowed is told for a customer with whom all else is well: signed in, identity proven, within every limit, by
their own hand. The words are the standard policy's; a policy says its own by channel and language (`message`)."""


def page(policy: Policy) -> str:
    """Write the whole page.

    Raises:
        ValueError: a state has no sentence here, or a sentence no state.
    """
    states = policy.machines["account"].spec.states
    if set(states) != set(STATES):
        raise ValueError(f"not a sentence for every state: {', '.join(sorted(set(states) ^ set(STATES)))}")
    told = ["# The states of an account", INTRODUCTION, "## At a glance", _glance(policy, states)]
    for state in states:
        told += [f"## {state}", *_entry(policy, state)]
    return "\n\n".join(told) + "\n"


def _glance(policy: Policy, states: Sequence[str]) -> str:
    rows = [["state", *WISHES], ["---"] * (len(WISHES) + 1)]
    rows += [
        [f"[`{state}`](#{state})", *(f"`{_fallback(policy, state, wish).kind}`" for wish in WISHES)] for state in states
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _entry(policy: Policy, state: str) -> Iterator[str]:
    means, reporter = STATES[state]
    yield means
    answers = {wish: _fallback(policy, state, wish) for wish in WISHES}
    allowed = [wish for wish, fallback in answers.items() if fallback.kind in ADMITTED]
    heard = dict.fromkeys(_heard(fallback) for fallback in answers.values() if fallback.kind not in ADMITTED)
    yield "\n".join(
        (
            f"- **Reported by** {reporter}.",
            f"- **Still allowed:** {'; '.join(allowed) or 'nothing but what is public, and signing out'}.",
            f"- **The customer hears:** {' '.join(heard) or 'nothing of it; they get what they asked for.'}",
            f"- **The way out:** {_way_out(policy, state)}.",
        )
    )


def _fallback(policy: Policy, state: str, wish: str) -> Fallback:
    facts = {**WELL, **WISHES[wish], "account": state}
    rule = policy.table.decide(tuple(facts[dimension] for dimension in DIMENSIONS))
    return policy.fallbacks.get(rule.do, ALLOW)


def _heard(fallback: Fallback) -> str:
    return f'"{fallback.message.find((), "") or DEFAULT_TEXTS[fallback.kind]}"'


def _way_out(policy: Policy, state: str) -> str:
    """Tell by whose hand the state is left: the customer's sources, the clock, or a person alone."""
    table = policy.machines["account"].table
    leading = [event for (source, event), to in table.items() if source == state and to.moves and to.dest != state]
    reports = [event for event in leading if f"account.{event}" not in EVENT_ACTORS]
    if state == "normal":
        return "none is needed; every other report leads to its state, and an old one back to `unknown`"
    ways = []
    if "normal" in reports:
        ways.append("a newer report, `normal` or any other, of the source that said so")
    elif reports:
        ways.append(f"no report but these leads elsewhere: {', '.join(f'`{event}`' for event in reports)}")
    if "aged" in leading:
        ways.append("in time it is `unknown` again, and the sources are asked anew")
    if "reinstated" in leading:
        ways.append(
            "a person reinstates it (`authguard accounts reinstate`, or staff with the authority over "
            "`POST /.authguard/accounts/{subject}/reinstate`)"
        )
    return "; ".join(ways)


def main(wanted: Sequence[str]) -> int:
    """Write the page, or compare it; give the exit code."""
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
