"""Commands that an operator can type after a refused request, as its states and conditions permit.

Rule: ids and names come from a log, which a forger may have written, or from an issuer. Each is quoted for the shell,
and one that would be read as an option is left out.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from authguard.core.policy import Policy

_BY: Final = "--by NAME --reason TEXT"
#: fewest characters of an id that `audit_person` accepts as a pseudonym instead of a name
_PSEUDONYM_DIGITS: Final = 32


def list_commands(
    policy: Policy,
    source: str,
    record: Mapping[str, object],
    states: Mapping[str, str],
    blocking: frozenset[str],
    person: str,
) -> Iterator[str]:
    """Yield the commands, the most useful one first.

    Args:
        policy: compiled policy.
        source: value of `--policy`.
        record: record of the decision.
        states: dimension -> state or value in the decision.
        blocking: dimensions that would have to change.
        person: name of the subject at its issuer; empty if unknown.
    """
    session, transaction, ticket = (quote_value(record.get(name, "")) for name in ("session", "transaction", "ticket"))
    if "service" in blocking:
        stopped = states["service"] == policy.rollback_state
        yield f"authguard rollback release {_BY}" if stopped else "authguard rollback status"
    if transaction:
        yield _transaction_command(transaction, states["transaction"], str(record.get("outcome", "")))
    if "account" in blocking:
        account = _account(person, session)
        if account and _has_edge(policy, "account", states["account"], "reinstated"):
            yield f"authguard accounts reinstate {account} {_BY}"
        elif account:
            yield f"authguard accounts show {account}"
    if "verification" in blocking and session and _has_edge(policy, "verification", states["verification"], "reset"):
        yield f"authguard sessions reset {session} {_BY}"
    if {"scope", "assurance", "credential"} & blocking:
        yield f"authguard token check {shlex.quote(source)} < TOKEN_FILE"
    if ticket:
        yield f"authguard handoff take {ticket} --by NAME"


def quote_value(value: object) -> str:
    """Return a value as one word of a shell command; empty for none, and for one that would be read as an option."""
    text = str(value)
    return shlex.quote(text) if text and not text.startswith("-") else ""


def _transaction_command(transaction: str, state: str, outcome: str) -> str:
    if state == "held" or (state == "none" and outcome == "hold"):
        return f"authguard transactions approve {transaction} {_BY}"
    if state == "in_doubt":
        return f"authguard transactions settle {transaction} done|failed {_BY}"
    return f"authguard transactions show {transaction}"


def _account(person: str, session: str) -> str:
    """Return the words that select the account of a command; empty if nothing does."""
    if len(person) < _PSEUDONYM_DIGITS and (name := quote_value(person)):
        return name
    return f"--session {session}" if session else ""


def _has_edge(policy: Policy, machine: str, state: str, event: str) -> bool:
    """Return whether an event leads out of a state."""
    edge = policy.machines[machine].table.get((state, event))
    return edge is not None and edge.dest != state
