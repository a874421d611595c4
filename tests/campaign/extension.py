"""Adds to a drawn document what names operations and moments: groups, conditions, flags, tiers, skips and delegations.

Each part has a seed of its own, so that a document without it is drawn as before.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, Final

from tests.campaign.vocabulary import CHANNEL_SECRET, ROLES

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.campaign.document import Document

#: share of documents with such parts, and of each part in them
EXTENDED: Final = 0.5
PART: Final = 0.5
GROUP: Final = "money"
SECRET_ENV: Final = "SEGMENT_SECRET"
ENVIRON: Final = {"CHANNEL_SECRET": CHANNEL_SECRET, SECRET_ENV: CHANNEL_SECRET}
#: phases in which a rule may come before the inherited ones that decide on a known caller
PHASES: Final = ("account", "account", "identity", "request")
ANSWERS: Final = ("to_a_person", "to_a_person", "refuse", "try_later")
CONDITIONS: Final[dict[str, Document]] = {
    "country": {"from": {"claim": "country"}, "values": {"home": ["DE", "AT"]}, "default": "abroad"},
    "segment": {
        "from": {"header": "X-Segment", "secret_header": "X-Segment-Secret", "secret_env": SECRET_ENV},
        "values": ["vip"],
        "default": "plain",
    },
    "desk": {
        "from": {"time_zone": "Europe/Berlin"},
        "values": {"open": "Mo-Fr 08:00-18:00; Sa 22:00-02:30"},
        "except": ["2027-01-18"],
        "default": "closed",
    },
    "tier": {"from": {"source": "/tier"}, "values": ["gold"], "default": "plain"},
    "screening": {"from": {"call": "tests.campaign.doubles:screen", "timeout": "2s"}, "values": ["clean", "match"]},
}
#: values of each condition for which a rule closes an answer
CLOSING: Final[dict[str, tuple[Any, ...]]] = {
    "country": ("abroad",),
    "segment": ("plain",),
    "desk": ("closed",),
    "tier": ("plain", ["plain", "unavailable"]),
    "screening": ("match", ["match", "unavailable"]),
}
#: account states that a request may have after the phase of accounts
PASSED: Final = ("dormant", "minor", "delegated", "restricted")
JOINT: Final[Document] = {
    "kind": "hold",
    "approvers": [{"role": "clerk", "count": 1}, {"role": "supervisor", "count": 1}],
}
TIER_ANSWERS: Final = {"write": ("two_approve", "await_approval", "refuse"), "read": ("slow_down", "refuse")}
COOLING: Final[Document] = {"kind": "retry", "status": 409, "after": "expiry"}


class ExtensionGenerator:
    """Extends one document in place.

    Args:
        seed: of the document.
        document: complete without the extension.
    """

    def __init__(self, seed: int | str, document: Document) -> None:
        self.random = Random(f"extension {seed}")  # noqa: S311 - a campaign is repeated, not guessed
        self.document = document
        self.guarded = [one for one in document["operations"] if one["risk"] != "public"]
        self.rules: list[Document] = []

    def extend(self) -> None:
        """Add the drawn parts."""
        if self.random.random() >= EXTENDED or not self.guarded:
            return
        parts: tuple[Callable[[], None], ...] = (
            *(self._group, self._conditions, self._flags, self._tiers, self._skip, self._channel),
            *(self._delegations, self._like),
        )
        for part in parts:
            if self.random.random() < PART:
                part()
        if self.rules:
            self.document["decisions"] = [*self.rules, *self.document.get("decisions", [])]
            remove_impossible(self.document)

    def _operation(self) -> Document:
        operation: Document = self.random.choice(self.guarded)
        return operation

    def _add(self, when: Document, answers: tuple[str, ...] = ANSWERS) -> None:
        """Add a rule for one operation, in a phase that its requests come to."""
        operation = self._operation()
        is_plain = operation["risk"] == "routine" and operation["effect"] == "read"
        phase = "account" if is_plain else self.random.choice(PHASES)
        named = operation["name"]
        if GROUP in operation.get("groups", ()) and not is_plain and self.random.random() < PART:
            named = GROUP
            phase = "account"
        rule: Document = {"when": {"operation": named, **when}, "do": self.random.choice(answers)}
        self.rules.append(rule if phase == "account" else {"phase": phase, **rule})

    def _group(self) -> None:
        for one in self.random.sample(self.guarded, self.random.randint(1, len(self.guarded))):
            one["groups"] = [GROUP]
        self._add({"actor": self.random.choice(["agent", ["agent", "representative"]])}, ("to_a_person", "refuse"))

    def _conditions(self) -> None:
        asked = self.document["accounts"]
        has_source = isinstance(asked, list) and asked[-1]["from"] == "python"
        names = [name for name in CONDITIONS if name != "tier" or has_source]
        made = self.document["conditions"] = {}
        for name in self.random.sample(names, self.random.randint(1, 3)):
            made[name] = dict(CONDITIONS[name])
            when = {name: self.random.choice(CLOSING[name])}
            self._add(when, self._timed() if name == "desk" else ANSWERS)
        if "tier" in made:
            asked[-1]["call"] = "tests.campaign.doubles:account_document"

    def _timed(self) -> tuple[str, ...]:
        """Return answers to what time lifts."""
        self.document.setdefault("fallbacks", {})["cooling_off"] = dict(COOLING)
        return (*ANSWERS, "cooling_off")

    def _flags(self) -> None:
        pick = self.random
        made = self.document["flags"] = {}
        for number in range(pick.randint(1, 2)):
            name = f"flag{number}"
            opens = pick.random() < 0.4
            flag: Document = {"by": "subject", "expires": pick.choice(["10m", "1h", "24h"])}
            setters: list[Document]
            if opens:
                flag["by"] = pick.choice(["subject", "session"])
                setters = [{"operation": self._operation()["name"], "event": "committed"}]
                if flag["by"] == "subject":  # nobody can name the session of another person
                    setters = pick.choice([setters, setters, [{"role": pick.choice(ROLES)}]])
                self._add({name: "clear"}, ("to_a_person",))
            else:
                setters = self._restricting()
                if all("role" in one for one in setters) or pick.random() < 0.2:
                    flag["expires"] = "never"
                answers = ANSWERS if flag["expires"] == "never" else self._timed()
                self._add({name: "set"}, answers)
            flag["set_by"] = setters
            if flag["expires"] == "never" or (flag["by"] == "subject" and pick.random() < PART):
                flag["cleared_by"] = [{"role": pick.choice(ROLES)}]
            made[name] = flag

    def _restricting(self) -> list[Document]:
        """Return what may set a flag that restricts."""
        pick = self.random
        setters: list[Document] = [
            {"operation": self._operation()["name"], "event": "started"},
            {"app": "report"},
            {"role": pick.choice(ROLES)},
        ]
        held = [one for one in self.guarded if one["effect"] == "write" and one["risk"] == "high"]
        if held:
            event = pick.choice(["failed", "lapsed", "denied"])
            setters.append({"operation": pick.choice(held)["name"], "event": event})
        return pick.sample(setters, pick.randint(1, 2))

    def _tiers(self) -> None:
        fallbacks = self.document.setdefault("fallbacks", {})
        for operation in self.guarded:
            limits = operation.get("limits", [])
            if not limits or self.random.random() < 0.3:
                continue
            tier = self.random.choice(limits)
            writes = operation["effect"] == "write" and operation["risk"] != "routine"
            then = self.random.choice(TIER_ANSWERS["write" if writes else "read"])
            if then == "two_approve":
                fallbacks["two_approve"] = {"kind": "hold", "approvers": [dict(one) for one in JOINT["approvers"]]}
            tier |= {"name": f"tier_{operation['name']}", "then": then}
            limits.remove(tier)
            limits.insert(0, tier)

    def _skip(self) -> None:
        """Let one operation of high risk go on for an account that would be refused."""
        high = [one for one in self.guarded if one["risk"] == "high"]
        if high:
            when: Document = {"operation": self.random.choice(high)["name"], "account": self.random.choice(PASSED)}
            if self.random.random() < PART:
                when["actor"] = "subject"
            self.rules.append({"when": when, "do": "skip_phase"})

    def _channel(self) -> None:
        if "channels" in self.document:
            names = list(self.document["channels"]["trusts"])
            self._add({"channel": self.random.choice([names[-1], ["unknown", names[-1]]])}, ("to_a_person", "refuse"))

    def _delegations(self) -> None:
        sources = self.document["accounts"]
        if isinstance(sources, list) and sources[0]["from"] == "claim":
            sources[0]["delegations"] = "/may_act"

    def _like(self) -> None:
        """Add an account state that is treated like another."""
        account = self.document.setdefault("machines", {}).setdefault("account", {})
        if account.get("states"):
            return
        account["states"] = [{"name": "in_arrears", "like": self.random.choice(["normal", "restricted"])}]
        for source in self.document["accounts"] if isinstance(self.document["accounts"], list) else ():
            source["map"]["late"] = "in_arrears"
        self._add({"account": "in_arrears"}, ("to_a_person",))


def remove_impossible(document: Document) -> None:
    """Remove rules and invariants that no request of the named operations meets, as `policy check` asks for."""
    for key, inner in (("decisions", "when"), ("invariants", "never")):
        if key in document:
            kept = [one for one in document[key] if is_possible(document, one.get(inner, {}))]
            document[key] = kept
            if not kept:
                del document[key]


def is_possible(document: Document, when: Document) -> bool:
    """Return whether some operation of a document can meet the conditions of a rule."""
    wanted = {name: set(value if isinstance(value, list) else [value]) for name, value in when.items()}
    others = document["otherwise"]
    operations = [*document["operations"], *([others | {"name": "otherwise"}] if isinstance(others, dict) else [])]
    return any(_fits(document, operation, wanted) for operation in operations)


def _fits(document: Document, operation: Document, wanted: dict[str, set[str]]) -> bool:
    if any(operation[name] not in wanted.get(name, {operation[name]}) for name in ("risk", "effect")):
        return False
    names = {operation["name"], *operation.get("groups", ())}
    if "operation" in wanted and names.isdisjoint(wanted["operation"]):
        return False
    limits, need = operation.get("limits", ()), operation.get("assurance", {})
    actors = {"subject", *(["agent"] if "agents" in document else [])}
    actors -= {"forbidden": {"agent"}, "required": {"subject"}}.get(operation.get("actor", "any"), set())
    possible = {
        "limit": {"within", *(["exceeded"] if limits else []), *(one["name"] for one in limits if "name" in one)},
        "scope": {"granted", *(["missing"] if operation.get("scopes") or operation.get("roles") else [])},
        "assurance": {"met", *(["insufficient"] if "acr" in need else []), *(["stale"] if "max_age" in need else [])},
        "channel_change": {"same", *(["switched", "unknown"] if "channels" in document else [])},
        "actor": actors | {"stranger"},
    }
    if any("amount" in one for one in limits):
        possible["limit"].add("unmeasured")
    return all(not possible[name].isdisjoint(wanted.get(name, possible[name])) for name in possible)


def extend(seed: int | str, document: Document) -> None:
    """Extend the document of a seed in place."""
    ExtensionGenerator(seed, document).extend()
