"""Oracles of what is counted: amounts and calls of each limit, and refused attempts, counted from what a walk saw.

They count anew, from requests and claims; they read no counter of the guard.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from authguard.core.decision_table import DIMENSIONS
from authguard.core.outcomes import Outcome
from tests.campaign.oracle import Finding
from tests.campaign.vocabulary import AGENT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from authguard.core.policy import Policy
    from authguard.core.request import Limit
    from tests.campaign.world import Seen

#: seconds by which the times of a walk and of the guard may differ
LEEWAY_S: Final = 2.0


def find_exceeded_limits(policy: Policy, seen: Sequence[Seen]) -> Iterator[Finding]:
    """Find operations that ran as within their limits although earlier runs had used one of them up."""
    transaction, measured = DIMENSIONS.index("transaction"), DIMENSIONS.index("limit")
    for operation in policy.all_operations:
        for limit in operation.limits:
            used: dict[str, list[tuple[float, Decimal]]] = {}
            for place, one in enumerate(seen):
                # a run that the app calls failed may be given back, and an approver may accept what exceeds a limit
                if one.ran != operation.name or one.status >= 400 or not one.decisions:
                    continue
                cell = one.decisions[-1].cell
                if cell[transaction] == "approved" or cell[measured] != "within":
                    continue
                runs = used.setdefault(_counter(limit, one), [])
                runs.append((one.at, _cost(limit, one)))
                window = max(limit.per - LEEWAY_S, 0.0)
                total = sum((cost for at, cost in runs[:-1] if one.at - at < window), runs[-1][1])
                if total > Decimal(limit.amount or limit.calls):
                    yield Finding("limit", f"`{operation.name}` ran as within {limit}, and {total} was used", place)


def _counter(limit: Limit, seen: Seen) -> str:
    """Return whose counter a run uses."""
    match limit.by:
        case "subject":
            return seen.action.who
        case "session":
            return f"{seen.action.who} {seen.action.sid}"
        case "actor":
            return AGENT if "act" in seen.claims else seen.action.who
        case "payee":
            return str(seen.action.values["body"]["payee"])
        case _:
            return ""  # one client, one issuer, one service, one operation


def _cost(limit: Limit, seen: Seen) -> Decimal:
    return Decimal(1) if limit.calls else Decimal(str(seen.action.values["body"]["amount"]))


class _Tally:
    """Attempts of one subject at one operation by one fallback, in its current window."""

    def __init__(self) -> None:
        self.since = 0.0
        self.count = 0
        self.credential = ""

    def add(self, at: float, per: float, credential: str) -> int:
        """Count a refused request, unless its credential is that of the last one; return the count."""
        if not self.count or at - self.since >= per - LEEWAY_S:
            self.since, self.count, self.credential = at, 0, ""
        if credential != self.credential:
            self.count, self.credential = self.count + 1, credential
        return self.count


def find_uncounted_attempts(policy: Policy, seen: Sequence[Seen]) -> Iterator[Finding]:
    """Find refusals by a fallback whose attempts other credentials had spent; those to verify are counted elsewhere."""
    tallies: dict[tuple[str, str, str], _Tally] = {}
    names = {one.name for one in policy.operations}
    for place, one in enumerate(seen):
        if any(decision.operation.startswith("authguard.") for decision in one.decisions):
            if one.action.values.get("path", "").endswith("/reinstate"):
                tallies.clear()  # staff gives a person new attempts
            continue
        for decision in one.decisions:
            fallback = policy.fallbacks[decision.fallback]
            if not fallback.attempts or fallback.kind is Outcome.VERIFY or not decision.subject or not one.claims:
                continue
            if decision.operation not in names:
                continue
            tally = tallies.setdefault((one.action.who, decision.operation, decision.fallback), _Tally())
            count = tally.add(one.at, fallback.per, _credential(one.claims))
            if count > fallback.attempts:
                words = f"attempt {count} by `{decision.fallback}`, which has {fallback.attempts}"
                yield Finding("attempt", f"`{decision.operation}`: {words}", place)


def _credential(claims: dict[str, Any]) -> str:
    return json.dumps(claims, sort_keys=True)
