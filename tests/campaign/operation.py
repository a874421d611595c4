"""Random operations of a policy: risks, effects, scopes, roles, levels, limits by every key, keys of requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.campaign.vocabulary import DURATIONS, LEVELS, LIMIT_KEYS, RISKS, ROLES, SCOPES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from tests.campaign.document import Document


class OperationGenerator:
    """Draws the operations of a document.

    Args:
        random: of the document.
        has_agents: whether the policy names an agent.
    """

    def __init__(self, random: Random, *, has_agents: bool) -> None:
        self.random = random
        self.has_agents = has_agents

    def _chance(self, odds: float) -> bool:
        return self.random.random() < odds

    def _some(self, values: Sequence[str], least: int = 1) -> list[str]:
        return self.random.sample(list(values), self.random.randint(least, len(values)))

    def draw(self) -> list[Document]:
        """Return two to five operations."""
        return [self._operation(f"op{number}") for number in range(self.random.randint(2, 5))]

    def _operation(self, name: str) -> Document:
        pick = self.random
        risk = pick.choices(RISKS, (1, 3, 4, 4))[0]
        effect = "write" if self._chance(0.75 if risk == "high" else 0.4) else "read"
        method = "GET" if effect == "read" else pick.choice(["POST", "PUT"])
        made: Document = {"name": name, "match": {"path": f"/{name}", "method": method}, "risk": risk, "effect": effect}
        if risk == "public":
            return made
        if self._chance(0.6):
            made["scopes"] = self._some(SCOPES[:2] if effect == "read" else SCOPES, 1)[:2]
        if self._chance(0.1):
            made["roles"] = [pick.choice(ROLES)]
        checked = risk != "routine" or effect == "write"
        if checked and self._chance(0.4):
            made["assurance"] = {"acr": pick.choice(LEVELS[1:])}
            if self._chance(0.5):
                made["assurance"]["max_age"] = pick.choice(DURATIONS[1:5])
        if self._chance(0.08):
            made["actor"] = pick.choice(["required", "forbidden"]) if self.has_agents else "forbidden"
        if checked and effect == "write":
            self._writes(made, risk)
        elif self._chance(0.2):
            made["limits"] = [self._calls()]
        return made

    def _writes(self, made: Document, risk: str) -> None:
        pick = self.random
        if self._chance(0.5):
            limits = [self._calls() for _ in range(pick.randint(0, 2))]
            if self._chance(0.6):
                made["amount"] = {"at": "/amount", "currency": {"at": "/currency"}}
                limits.append({"amount": f"{pick.choice([100, 500])} EUR", "per": "call"})
                if self._chance(0.5):
                    by = pick.choice(LIMIT_KEYS)
                    limits.append(
                        {"amount": f"{pick.choice([150, 600])} EUR", "per": pick.choice(["1h", "1d"]), "by": by}
                    )
                if self._chance(0.2):
                    made["payee"] = {"at": "/payee"}
                    limits.append({"amount": "300 EUR", "per": "1d", "by": "payee"})
            if limits:
                made["limits"] = limits
        if self._chance(0.4):
            made["idempotency"] = "required"
        if risk == "high" and self._chance(0.3):
            made["failed_on"] = [402]
        if risk == "high" and self._chance(0.2):
            made["binds"] = ["X-Tenant"]

    def _calls(self) -> Document:
        pick = self.random
        return {"calls": pick.randint(1, 4), "per": pick.choice(["1m", "15m", "1d"]), "by": pick.choice(LIMIT_KEYS)}
