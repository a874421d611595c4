"""Digests of the parts of a policy, recorded at each start of the guard: a replay compares them with another policy.

A log names the policy of each decision by one digest. From the digests of its parts, a reader without that policy knows
which part differs, and so which recorded values another policy would have read or computed in the same way.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

from authguard.core.flags import COMMITTED
from authguard.core.outcomes import Outcome

if TYPE_CHECKING:
    from authguard.core.outcomes import Fallback
    from authguard.core.policy import Policy
    from authguard.core.request import Operation

#: what the guard reads of a request: its credential, its accounts' reports, its channel, its actor
READING: Final = "reading"
#: what moves the machines: their tables, timers, levels of identity, trust between channels, verification, reports
STATES: Final = "states"
#: what sets the flags by an answer of the app, which the log holds only as their changes; only of a policy with flags
FLAGS: Final = "flags"
#: the rules of the table
RULES: Final = "rules"
#: what precedes the name of a fallback, and of an operation
FALLBACK: Final = "fallback:"
OPERATION: Final = "operation:"
#: digests of an operation: how a request matches it, what it demands of the caller, where its amount and payee are,
#: its limits, and how often it runs
MATCH, DEMANDS, PLACES, LIMITS, RUNS = range(5)
#: characters of all parts together; of a larger policy, operations are left out
MAX_PARTS_CHARS: Final = 40_000
_DIGEST_BYTES: Final = 6


def digest_parts(policy: Policy) -> dict[str, str]:
    """Return part -> digest; of an operation, five digests joined by dots.

    Args:
        policy: compiled.
    """
    sources = [replace(source, map={}) for source in policy.accounts]
    channels = replace(policy.channels, trusts=dict.fromkeys(policy.channels.trusts, frozenset()))
    fallbacks = sorted(policy.fallbacks.values(), key=lambda one: one.name)
    verifying = [one for one in fallbacks if one.kind is Outcome.VERIFY]
    rules = policy.table.rules
    parts = {
        READING: _digest(
            *(policy.issuers, policy.credentials, policy.hosts, policy.settings.root_path),
            *(sorted(policy.agents), sources),
            *(channels, policy.staff_claim, policy.staff_issuers, policy.audit.subjects == "pseudonymous"),
            *policy.conditions,
        ),
        STATES: _digest(
            *([machine.spec for machine in policy.machines.values()], policy.timers.declared, policy.identity),
            *(policy.assurance, policy.channels.trusts, policy.methods, policy.verifiers, policy.reports.app),
            [source.map for source in policy.accounts],
            [(one.name, one.attempts, one.per, one.methods) for one in verifying],
            {act: (one.role, one.count) for act, one in policy.rollback.authority.items()},
            *(policy.transactions.max_held, policy.transactions.response_retention, policy.staff_roles, policy.flags),
        ),
        RULES: _digest(
            [(rule.when, rule.do) for rule in rules],
            *(policy.admits_unnamed, policy.on_fault),
            *([rule.phase for rule in rules] if any(rule.skips for rule in rules) else ()),
        ),
    }
    if policy.flags:
        answered = [(flag, [one for one in flag.set_by if one.event == COMMITTED]) for flag in policy.flags]
        # a set flag is written again only after a part of its time
        parts[FLAGS] = _digest([(flag.name, flag.by, flag.expires, found) for flag, found in answered if found])
    for fallback in fallbacks:
        parts[FALLBACK + fallback.name] = _digest(_counted(policy, fallback))
    for operation in policy.all_operations:
        parts[OPERATION + operation.name] = ".".join(_digest_operation(operation))
    return parts


def format_parts(policy: Policy) -> tuple[str, ...]:
    """Return the parts as a record has them, each ``part=digest``."""
    found, size = [], 0
    for name, digest in digest_parts(policy).items():
        size += len(name) + len(digest) + 4
        if size > MAX_PARTS_CHARS:
            break
        found.append(f"{name}={digest}")
    return tuple(found)


def parse_parts(recorded: tuple[str, ...]) -> dict[str, str]:
    """Return part -> digest of a record."""
    pairs = (one.rpartition("=") for one in recorded)
    return {name: digest for name, _, digest in pairs}


def _counted(policy: Policy, fallback: Fallback) -> list[object]:
    """Return what decides how often a fallback answers, and what answers then."""
    seen, found = set(), list[object]()
    while fallback.name not in seen:
        seen.add(fallback.name)
        found.append((fallback.name, fallback.kind, fallback.attempts, fallback.per))
        fallback = policy.fallbacks.get(fallback.then, fallback)
    return found


def _digest_operation(operation: Operation) -> tuple[str, ...]:
    amount = (operation.amount_at, operation.amount_form, operation.scale, operation.currency_at)
    return (
        _digest(operation.match, operation.hosts),
        _digest(
            *(operation.scopes, operation.roles, operation.acr, operation.max_age, operation.actor),
            operation.risk == "public",
        ),
        _digest(amount, operation.currency_form, operation.currency, operation.payee_at, operation.payee_form),
        _digest(operation.limits),
        _digest(operation.transactional, operation.idempotency, operation.failed_on, operation.binds),
    )


def _digest(*values: object) -> str:
    encoded = msgspec.json.encode(values, order="deterministic")
    return blake2b(encoded, digest_size=_DIGEST_BYTES, person=b"policy part").hexdigest()
