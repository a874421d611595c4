"""Seeded mutants of a document: one to three edits, each of which a person may make and may change who is admitted."""

from __future__ import annotations

from copy import deepcopy
from random import Random
from typing import TYPE_CHECKING, Any, Final

from tests.campaign.document import standard
from tests.campaign.vocabulary import AGENT, DURATIONS, LEVELS, ROLES, SCOPES, STATUS_WORDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.campaign.document import Document

#: rules that a mutant may add before the others
RULES: Final[tuple[Document, ...]] = (
    {
        "when": {"risk": "routine", "effect": "read", "credential": "good", "session": "active", "scope": "granted"},
        "do": "refuse",
    },
    {"when": {"risk": ["routine", "sensitive"], "account": "restricted", "session": "active"}, "do": "to_a_person"},
    {"when": {"risk": "high", "transaction": "none", "actor": "agent"}, "do": "to_a_person"},
    {
        "when": {"risk": "sensitive", "effect": "read", "verification": "failed", "credential": "good"},
        "do": "try_later",
    },
)


class Mutator:
    """Edits a document.

    Args:
        seed: the same seed gives the same edits.
    """

    def __init__(self, seed: int | str) -> None:
        self.random = Random(f"mutant {seed}")  # noqa: S311 - a campaign is repeated, not guessed

    def mutate(self, document: Document) -> tuple[Document, tuple[str, ...]]:
        """Return a copy with some edits, and their names; none may change anything if nothing fits."""
        changed = deepcopy(document)
        names = []
        for edit in self.random.sample(EDITS, self.random.randint(1, 3)):
            before = deepcopy(changed)
            edit(self, changed)
            if changed != before:
                names.append(edit.__name__)
        return changed, tuple(names)

    def _operation(self, document: Document, key: str = "") -> Document:
        fitting = [one for one in document["operations"] if not key or key in one]
        return self.random.choice(fitting) if fitting else {}

    def timer_delay(self, document: Document) -> None:
        """Change or add a delay."""
        timers = document.setdefault("timers", [])
        if not timers:
            wanted = self.random.choice(["session.idled", "verification.aged", "account.aged", "session.aged"])
            timers += [one for one in standard()["timers"] if one["event"] == wanted]
        self.random.choice(timers)["after"] = self.random.choice(DURATIONS)

    def timer_dropped(self, document: Document) -> None:
        """Remove one of several timers of an event."""
        timers = document.setdefault("timers", [])
        if not timers:
            timers += [one for one in standard()["timers"] if one["event"] == "verification.aged"]
        timers.pop(self.random.randrange(len(timers)))

    def limit(self, document: Document) -> None:
        """Change, remove or add a limit."""
        operation = self._operation(document, "limits")
        if not operation:
            return
        limits = operation["limits"]
        chosen = self.random.choice(limits)
        match self.random.randrange(5):
            case 0:
                limits.remove(chosen)
                if not limits:
                    del operation["limits"]
                    operation.pop("payee", None)
            case 1 if "calls" in chosen:
                chosen["calls"] = self.random.choice([1, 2, 10])
            case 1:
                chosen["amount"] = self.random.choice(["60 EUR", "1000 EUR"])
            case 2 if chosen["per"] != "call":
                chosen["per"] = self.random.choice(["1m", "1h", "7d"])
            case 3 if "by" in chosen:
                chosen["by"] = self.random.choice(["subject", "session", "client", "service"])
            case _:
                limits.append({"calls": 1, "per": "1h", "by": "subject"})

    def scopes(self, document: Document) -> None:
        """Remove, replace or add a scope."""
        operation = self._operation(document)
        if operation["risk"] == "public":
            return
        operation["scopes"] = self.random.choice([[], ["chat"], [self.random.choice(SCOPES)], list(SCOPES)])

    def assurance(self, document: Document) -> None:
        """Change the level or the age that an operation demands."""
        operation = self._operation(document, "assurance")
        if operation:
            need = operation["assurance"]
            match self.random.randrange(4):
                case 0:
                    del operation["assurance"]
                case 1:
                    need["acr"] = self.random.choice(LEVELS)
                case 2:
                    need["max_age"] = self.random.choice(DURATIONS[1:])
                case _:
                    need.pop("max_age", None)

    def roles(self, document: Document) -> None:
        """Change a role."""
        operation = self._operation(document, "roles")
        if operation:
            operation["roles"] = self.random.choice([[self.random.choice(ROLES)], list(ROLES)])
        fallback = document.get("fallbacks", {}).get("await_approval")
        if fallback:
            fallback["approvers"] = {"role": self.random.choice(ROLES), "count": self.random.randint(1, 2)}

    def source_map(self, document: Document) -> None:
        """Map a word of an account source to another state."""
        if isinstance(document["accounts"], list):
            source = self.random.choice(document["accounts"])
            word = self.random.choice(list(source["map"]))
            source["map"][word] = self.random.choice(["normal", "restricted", "locked", *STATUS_WORDS["kid"]])

    def sources(self, document: Document) -> None:
        """Remove a source, or all."""
        if isinstance(document["accounts"], list):
            document["accounts"].pop()
            document["accounts"] = document["accounts"] or "none"

    def strictness(self, document: Document) -> None:
        """Reorder the states of the account."""
        states = document.get("machines", {}).get("account", {}).get("states", [])
        if len(states) > 10:
            place = self.random.randrange(1, len(states) - 1)
            states[place], states[place + 1] = states[place + 1], states[place]
        elif not states:
            states = standard()["machines"]["account"]["states"]
            place = self.random.randrange(1, len(states) - 1)
            states[place], states[place + 1] = states[place + 1], states[place]
            document.setdefault("machines", {}).setdefault("account", {})["states"] = states

    def trusts(self, document: Document) -> None:
        """Add or remove trust between channels, or the channels."""
        channels = document.get("channels")
        if channels:
            name = self.random.choice(list(channels["trusts"]))
            others = [one for one in channels["trusts"] if one != name]
            channels["trusts"][name] = self.random.sample(others, self.random.randint(0, len(others)))

    def method(self, document: Document) -> None:
        """Make a method weaker or stronger."""
        methods = document["methods"]
        name = self.random.choice(list(methods))
        match self.random.randrange(4):
            case 0:
                methods[name] = {"any": ["otp", "document"]}
            case 1:
                methods[name] = {"all": ["otp", "passkey"]}
            case 2:
                methods[name] = {"quorum": 1, "of": ["otp", "document"]}
            case _:
                methods[name] |= {"attempts": self.random.choice([1, 5]), "per": self.random.choice(DURATIONS[2:])}

    def verifier(self, document: Document) -> None:
        """Move a threshold of a verifier."""
        verifier = self.random.choice(list(document["verifiers"].values()))
        verifier["pass_at"] = self.random.choice([0.5, 0.7, 0.95])

    def attempts(self, document: Document) -> None:
        """Change the attempts of a fallback, or the fallback after them."""
        fallbacks = [one for one in document.get("fallbacks", {}).values() if "attempts" in one]
        if fallbacks:
            fallback = self.random.choice(fallbacks)
            match self.random.randrange(3):
                case 0:
                    fallback["attempts"] = self.random.choice([1, 2, 9])
                case 1:
                    fallback["per"] = self.random.choice(DURATIONS[1:])
                case _:
                    for key in ("attempts", "per", "then"):
                        del fallback[key]

    def identity(self, document: Document) -> None:
        """Change the level at which a sign-in proves identity."""
        if self.random.random() < 0.3:
            document.pop("identity", None)
        else:
            document["identity"] = {"credential": self.random.choice(LEVELS)}

    def rules(self, document: Document) -> None:
        """Add, remove, reorder or change rules."""
        rules = document.setdefault("decisions", [])
        match self.random.randrange(4):
            case 0 if len(rules) > 1:
                place = self.random.randrange(len(rules) - 1)
                rules[place], rules[place + 1] = rules[place + 1], rules[place]
            case 1 if rules:
                rules.pop(self.random.randrange(len(rules)))
            case 2 if rules:
                self.random.choice(rules)["do"] = self.random.choice(["allow", "to_a_person", "refuse", "step_up"])
            case _:
                rules.insert(0, deepcopy(self.random.choice(RULES)))

    def actor(self, document: Document) -> None:
        """Change who may act for the subject."""
        if self.random.random() < 0.5:
            operation = self._operation(document)
            operation["actor"] = self.random.choice(["any", "forbidden"])
        elif "agents" in document:
            del document["agents"]
        else:
            document["agents"] = [{"client": AGENT}]

    def once(self, document: Document) -> None:
        """Drop the key, the bound header or the failures of an operation."""
        operation = self._operation(document)
        for key in ("idempotency", "binds", "failed_on"):
            operation.pop(key, None)

    def lines(self, document: Document) -> None:
        """Drop a line of a machine, or what it raises."""
        machines = [one for one in document.get("machines", {}).values() if one.get("transitions")]
        if machines and "extends" in document:
            transitions = self.random.choice(machines)["transitions"]
            line = self.random.choice(transitions)
            if "raises" in line and self.random.random() < 0.7:
                del line["raises"]
            else:
                transitions.remove(line)

    def risk(self, document: Document) -> None:
        """Change the risk or the effect of an operation."""
        operation = self._operation(document)
        if self.random.random() < 0.7:
            operation["risk"] = self.random.choice(["routine", "sensitive", "high"])
        else:
            operation["effect"] = "read" if operation["effect"] == "write" else "write"

    def unnamed(self, document: Document) -> None:
        """Remove an operation, so that `otherwise` decides its requests."""
        if len(document["operations"]) > 1:
            document["operations"].pop(self.random.randrange(len(document["operations"])))
        document["otherwise"] = self.random.choice(["deny", {"risk": "routine", "effect": "read"}])

    def issuer(self, document: Document) -> None:
        """Change what an issuer states about a sign-in."""
        document["issuers"][0]["evidence"] = self.random.choice(["auth_time", "any", "sid"])

    def levels(self, document: Document) -> None:
        """Change the level of a mapped value."""
        document["assurance"]["map"] = self.random.choice([{}, {"urn:test:2fa": self.random.choice(LEVELS)}])


EDITS: Final[tuple[Callable[[Mutator, Any], None], ...]] = (
    Mutator.timer_delay,
    Mutator.timer_dropped,
    Mutator.limit,
    Mutator.scopes,
    Mutator.assurance,
    Mutator.roles,
    Mutator.source_map,
    Mutator.sources,
    Mutator.strictness,
    Mutator.trusts,
    Mutator.method,
    Mutator.attempts,
    Mutator.identity,
    Mutator.rules,
    Mutator.actor,
    Mutator.once,
    Mutator.lines,
    Mutator.risk,
    Mutator.unnamed,
    Mutator.issuer,
    Mutator.levels,
)


def draw_mutant(seed: int | str, document: Document) -> tuple[Document, tuple[str, ...]]:
    """Return a mutant of a document, and the names of its edits."""
    return Mutator(seed).mutate(document)
