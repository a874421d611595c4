"""The content of a policy as data with stable keys: what its page shows, for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from authguard.core.approvers import count_places
from authguard.core.outcomes import ALLOW

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from authguard.core.deployment import AccountSource, Issuer
    from authguard.core.machine import Spec
    from authguard.core.outcomes import Fallback
    from authguard.policy.draft import Draft


def build_content(draft: Draft) -> dict[str, Any]:
    """Build the content of a merged policy.

    Args:
        draft: the policy; it need not be checked.

    Returns:
        ``rules``, ``machines``, ``invariants``, ``issuers``, ``account_map``, ``timers``, ``limits`` and ``fallbacks``:
        lists of objects that each have the same keys; ``machines`` maps a name to an object. Durations are seconds.
        A text or a list that the policy does not set is empty, and a number is 0.
    """
    fallbacks = {ALLOW.name: ALLOW} | dict(draft.fallbacks)
    return {
        "rules": [
            {
                "rule": rule.index,
                "phase": rule.phase,
                "when": _conditions(rule.when),
                "do": rule.do,
                "outcome": fallbacks[rule.do].kind.value if rule.do in fallbacks else "",
                "origin": rule.origin,
            }
            for rule in draft.rules
        ],
        "machines": {name: _machine(spec) for name, spec in draft.machines.items()},
        "invariants": [
            {
                "name": one.name,
                "never": _conditions(one.never),
                "always_reachable": list(one.always_reachable),
                "by": list(one.by),
            }
            for one in draft.invariants
        ],
        "issuers": [_issuer(one) for one in draft.issuers],
        "account_map": [line for source in draft.accounts for line in _account_map(source)],
        "timers": [
            {"event": one.event, "after": one.after, "since": one.since, "states": list(one.states)}
            for one in draft.timers
        ],
        "limits": [
            {
                "operation": operation.name,
                "limit": one.name,
                "amount": one.amount,
                "currency": one.currency,
                "calls": one.calls,
                "per": one.per,
                "by": one.by,
            }
            for operation in draft.all_operations
            for one in operation.limits
        ],
        "fallbacks": [_fallback(one) for one in fallbacks.values()],
    }


def describe_keys(issuer: Issuer) -> tuple[str, ...]:
    """Return where the keys of an issuer come from, one line for each source."""
    lines = []
    if issuer.discovery:
        lines.append(f"discovery at {issuer.discovery_url}" if issuer.discovery_url else "discovery")
    if issuer.jwks_uri:
        lines.append(issuer.jwks_uri)
    if issuer.key_file:
        lines.append(f"file {issuer.key_file}")
    if issuer.secret_env:
        lines.append(f"secret in ${issuer.secret_env}")
    return tuple(lines) or ("introspection alone",)


def _conditions(when: Mapping[str, frozenset[str]]) -> dict[str, list[str]]:
    return {name: sorted(values) for name, values in when.items()}


def _machine(spec: Spec) -> dict[str, Any]:
    return {
        "initial": spec.initial,
        "states": list(spec.states),
        "transitions": [
            {
                "events": list(line.triggers),
                "sources": list(line.sources),
                "dest": line.dest,
                "raises": list(line.raises),
            }
            for line in spec.lines
        ],
    }


def _issuer(one: Issuer) -> dict[str, Any]:
    levels = one.levels
    return {
        "issuer": one.issuer,
        "provider": one.provider,
        "tenants": list(one.tenants),
        "audience": list(one.audience),
        "algorithms": list(one.algorithms),
        "keys": list(describe_keys(one)),
        "levels": {
            "claims": list((levels.claim if levels else ()) or one.claims.acr),
            "map": dict(levels.map) if levels else {},
            "none": levels.none if levels else "",
        },
        "token": one.token,
        "type": one.type,
        "max_lifetime": one.max_lifetime,
        "leeway": one.leeway,
        "evidence": one.evidence,
        "sender_constraint": one.sender_constraint,
        "introspection": one.introspection.url if one.introspection else "",
    }


def _account_map(source: AccountSource) -> Iterator[dict[str, str]]:
    """Yield the account state of each status; one that is not listed is ``unrecognised``."""
    for value, state in source.map.items():
        yield {"source": source.name, "value": value, "state": state}


def _fallback(one: Fallback) -> dict[str, Any]:
    return {
        "fallback": one.name,
        "outcome": one.kind.value,
        "status": one.status,
        "methods": list(one.methods),
        "acr": one.acr,
        "max_age": one.max_age,
        "since_entered": one.since_entered,
        "role": ", ".join(place.role for place in one.approvers),
        "count": count_places(one.approvers) or 1,
        "approvers": [{"role": place.role, "count": place.count, "acr": place.acr} for place in one.approvers],
        "queue": one.queue,
        "after": one.after,
        "until_expiry": one.until_expiry,
        "effects": sorted(one.effects),
        "scopes": sorted(one.scopes),
        "error": one.error,
        "attempts": one.attempts,
        "per": one.per,
        "then": one.then,
        "discloses": sorted(one.discloses),
        "messages": [
            {"language": language, "channel": channel, "text": text}
            for (language, channel), text in sorted(one.message.texts.items())
        ],
    }
