"""Seeded random policy documents, as plain trees: extensions of `standard`, and whole policies written from scratch.

A document may be refused by `policy check`; the campaign counts these. What is drawn here is what a person may write:
every part of the language whose meaning differs at run time, in combinations that nobody thought of.
"""

from __future__ import annotations

import json
from copy import deepcopy
from functools import cache
from importlib.resources import files
from random import Random
from typing import TYPE_CHECKING, Any

from authguard.core.decision_table import CONDITIONS
from tests.campaign.extension import extend
from tests.campaign.operation import OperationGenerator
from tests.campaign.vocabulary import (
    AGENT,
    AUDIENCE,
    CHANNELS,
    DURATIONS,
    ISSUER,
    LEVELS,
    LINES,
    LIVING,
    MAPPED_LEVEL,
    RAISED,
    RENEWED,
    REPORTED,
    RISKS,
    ROLES,
    STATUS_WORDS,
    TIMERS,
    VERIFIERS,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

Document = dict[str, Any]
#: phases of drawn rules; the default is the most frequent one
RULE_PHASES = ("service", "service", "caller", "account", "account", "identity", "transaction", "request")


def _plain(node: Any) -> Any:
    value = node[0]
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return {name: _plain(one) for name, one in value.items()} if isinstance(value, dict) else value


@cache
def _standard() -> Document:
    text = files("authguard.policy").joinpath("parsed/standard.json").read_text("utf-8")
    tree: Document = _plain(json.loads(text)["tree"])
    return tree


def standard() -> Document:
    """Return the standard policy as a plain tree, a new one each time."""
    return deepcopy(_standard())


def write(document: Document) -> bytes:
    """Write a document as YAML; JSON is a subset of it."""
    return json.dumps(document, indent=1).encode()


class DocumentGenerator:
    """Draws one document.

    Args:
        seed: the same seed gives the same document.
    """

    def __init__(self, seed: int | str) -> None:
        self.random = Random(f"document {seed}")  # noqa: S311 - a campaign is repeated, not guessed
        #: of what no run of an accepted policy meets, so that the rest is drawn alike with and without it
        self.aside = Random(f"unproved {seed}")  # noqa: S311
        self.added_states: list[str] = []
        self.has_agents = self.random.random() < 0.7

    def draw(self) -> Document:
        """Return a document."""
        from_scratch = self._chance(0.15)
        document: Document = standard() if from_scratch else {"authguard": 1, "extends": "standard"}
        document.pop("base", None)
        document["name"] = "campaign"
        document |= self._deployment()
        self._machines(document)
        self._timers(document)
        self._fallbacks(document)
        self._decisions(document)
        self._invariants(document)
        if from_scratch:
            self._rewrite(document)
        return document

    def _chance(self, odds: float) -> bool:
        return self.random.random() < odds

    def _some(self, values: Sequence[str], least: int = 1) -> list[str]:
        return self.random.sample(list(values), self.random.randint(least, len(values)))

    def _deployment(self) -> Document:
        pick = self.random
        issuer: Document = {"issuer": ISSUER, "audience": AUDIENCE, "algorithms": ["ES256"]}
        issuer |= {"keys": {"file": "keys.json"}, "max_lifetime": pick.choice(["1h", "12h"])}
        issuer["evidence"] = pick.choice(["auth_time", "auth_time", "any", "sid"])
        made: Document = {
            "issuers": [issuer],
            "operations": OperationGenerator(pick, has_agents=self.has_agents).draw(),
        }
        if self.has_agents:
            made["agents"] = [{"client": AGENT}]
        made["accounts"] = self._accounts()
        made["otherwise"] = pick.choice(["deny", "deny", {"risk": "sensitive", "effect": "write"}])
        made["assurance"] = {"order": list(LEVELS), "map": {MAPPED_LEVEL: pick.choice(LEVELS[1:])}}
        if self._chance(0.6):
            made["identity"] = {"credential": pick.choice(LEVELS)}
        made |= self._methods()
        if self._chance(0.5):
            made["channels"] = self._channels()
        if self._chance(0.5):
            made["staff"] = {"claim": "roles", "authority": {"reinstate": "supervisor", "reset": "supervisor"}}
        if self._chance(0.7):
            made["reports"] = {"app": [f"account.{state}" for state in self._some(REPORTED)]}
        if self._chance(0.3):
            made["rollback"] = {"authority": {"engage": {"role": "supervisor"}, "release": {"role": "supervisor"}}}
        if self._chance(0.3):
            made["transactions"] = {"max_held": pick.randint(1, 3)}
        made["budget"] = {"request": "60s"}
        return made

    def _accounts(self) -> list[Document] | str:
        pick = self.random
        if self._chance(0.12):
            return "none"
        sources: list[Document] = []
        names = {word: pick.choice(states) for word, states in STATUS_WORDS.items() if self._chance(0.8)}
        names.setdefault("ok", "normal")
        if self._chance(0.85):
            sources.append({"from": "claim", "claim": "account_status", "map": names})
        if not sources or self._chance(0.2):
            sources.append(
                {
                    "from": "python",
                    "call": "tests.campaign.doubles:account_status",
                    "map": {"ok": "normal", "locked": "locked", "frozen": pick.choice(["suspended", "restricted"])},
                    "max_age": pick.choice(["5m", "1h"]),
                }
            )
        return sources

    def _methods(self) -> Document:
        pick = self.random
        verifiers: Document = {
            name: {
                "type": "python",
                "call": f"tests.campaign.doubles:{name}",
                "pass_at": pick.choice([0.8, 0.9]),
                "fail_at": pick.choice([0.3, 0.4]),
            }
            for name in VERIFIERS
        }
        methods: Document = {"default": {"all": ["otp"]}}
        methods["alternate"] = pick.choice(
            [
                {"all": ["document"]},
                {"any": ["otp", "document"]},
                {"all": ["otp", "passkey"]},
                {"sequence": ["otp", "document"]},
                {"quorum": 2, "of": ["otp", "document", "passkey"]},
            ]
        )
        if self._chance(0.4):
            methods["further"] = {"any": ["passkey"]}
        for method in methods.values():
            if self._chance(0.5):
                method |= {"attempts": pick.randint(1, 3), "per": pick.choice(DURATIONS[2:4])}
            if self._chance(0.15):
                method["backoff"] = "5s"
            if self._chance(0.15):
                method["on_doubt"] = "failed"
        return {"verifiers": verifiers, "methods": methods}

    def _channels(self) -> Document:
        source: Document = self.random.choice(
            [
                {"header": "X-Channel", "secret_header": "X-Channel-Secret", "secret_env": "CHANNEL_SECRET"},
                {"claim": "channel"},
            ]
        )
        names = CHANNELS[: self.random.randint(2, 3)]
        return {
            "from": source,
            "trusts": {name: self._some([one for one in names if one != name], 0) for name in names},
        }

    def _machines(self, document: Document) -> None:
        pick = self.random
        machines: Document = document.setdefault("machines", {})
        if self._chance(0.4):
            state = "on_watch"
            self.added_states.append(state)
            account = machines.setdefault("account", {})
            account.setdefault("states", []).append(state)
            line: Document = {"trigger": state, "source": list(LIVING), "dest": state}
            if self._chance(0.4):
                line["raises"] = pick.choice(RAISED["account"])
            lines = [
                line,
                {"trigger": state, "source": "*", "dest": "="},
                {"trigger": list(LIVING[1:]), "source": state, "dest": "="},
            ]
            if self._chance(0.5):
                lines.append({"trigger": "aged", "source": state, "dest": "unknown"})
            account["transitions"] = [*lines, *account.get("transitions", [])]
            for source in document["accounts"] if isinstance(document["accounts"], list) else ():
                source["map"]["watch"] = state
            if self._chance(0.5):
                document.setdefault("reports", {}).setdefault("app", []).append(f"account.{state}")
        if self._chance(0.5):
            for _ in range(pick.randint(1, 2)):
                name = pick.choice(list(LINES))
                trigger, source, dest = pick.choice(LINES[name])
                line = {"trigger": trigger, "source": list(source), "dest": dest}
                if self._chance(0.1 if name == "service" else 0.8):
                    line["raises"] = pick.choice(RAISED[name])
                machine = machines.setdefault(name, {})
                machine["transitions"] = [line, *machine.get("transitions", [])]
        if not machines:
            document.pop("machines")

    def _timers(self, document: Document) -> None:
        if not self._chance(0.5):
            return
        timers = document.setdefault("timers", [])
        for event, since, states in self.random.sample(TIMERS, self.random.randint(1, 2)):
            timer: Document = {"event": event, "after": self.random.choice(DURATIONS), "since": since}
            if states:
                timer["states"] = list(states)
            timers.append(timer)
        if "extends" in document:  # what is written replaces all inherited timers of the event
            named = {timer["event"] for timer in timers}
            kept = [one for one in standard()["timers"] if one["event"] in named and self._chance(0.9)]
            own = {(timer["event"], *timer.get("states", ())) for timer in timers}
            timers += [one for one in kept if (one["event"], *one.get("states", ())) not in own]

    def _fallbacks(self, document: Document) -> None:  # noqa: C901 - one branch for each kind
        pick = self.random
        fallbacks = document.setdefault("fallbacks", {})
        for name in pick.sample(list(RENEWED), pick.randint(1, 4)):
            kind = RENEWED[name]
            made: Document = {"kind": kind}
            if kind == "step_up" and name == "sign_in_fresh":
                made["max_age"] = "since_entered"
            elif kind == "step_up" and self._chance(0.3):
                made["acr"] = pick.choice(LEVELS[1:])
            elif kind == "verify":
                made["methods"] = self._some([one for one in document["methods"] if one != "further"], 1)
                if self._chance(0.3) and "further" in document["methods"]:
                    made["methods"] = ["further"]
            elif kind == "retry":
                made["after"] = pick.choice(["5s", "30s"])
            elif kind == "restrict":
                made["effects"] = ["read"]
            elif kind == "deny" and self._chance(0.2):
                made["error"] = "access_denied"
            if kind in ("step_up", "verify", "retry") and self._chance(0.7):
                made |= {"attempts": pick.randint(1, 3), "per": pick.choice(DURATIONS[2:5]), "then": "to_a_person"}
                if self._chance(0.3):
                    made["then"] = f"then_{name}"
                    fallbacks[f"then_{name}"] = self._second()
            fallbacks[name] = made
        if self._chance(0.2):
            fallbacks["await_approval"] = {
                "kind": "hold",
                "approvers": {"role": pick.choice(ROLES), "count": pick.randint(1, 2)},
            }

    def _second(self) -> Document:
        """Return a link of a chain of `then`, which ends with a person."""
        pick = self.random
        made: Document = {"attempts": pick.randint(1, 2), "per": pick.choice(DURATIONS[2:5]), "then": "to_a_person"}
        kind: Document = pick.choice(
            [
                {"kind": "step_up", "acr": pick.choice(LEVELS[1:])},
                {"kind": "verify", "methods": ["alternate"]},
                {"kind": "retry", "after": "10s"},
            ]
        )
        return kind | made

    def _decisions(self, document: Document) -> None:
        rules = [self._rule() for _ in range(self.random.choice([0, 0, 1, 1, 2, 3]))]
        if self.added_states:
            rules += self._rules_of_added_states()
        if rules:
            document["decisions"] = [*rules, *document.get("decisions", [])]

    def _rules_of_added_states(self) -> list[Document]:
        when: Document = {"account": self.added_states, "service": ["live", "degraded", "recovering"]}
        when |= {"credential": "good", "session": "active", "actor": ["subject", "agent", "representative"]}
        when["scope"] = "granted"
        high = when | {"risk": ["sensitive", "high"]}
        return [
            {"when": high, "do": self.random.choice(["to_a_person", "to_a_person", "to_a_person", "step_up"])},
            {
                "when": when | {"risk": "routine", "effect": "write"},
                "do": self.random.choice(["to_a_person", "to_a_person", "refuse"]),
            },
        ]

    def _rule(self) -> Document:
        pick = self.random
        states = {
            "service": ("degraded", "recovering", "rolled_back"),
            "account": (*LIVING, *self.added_states),
            "session": ("idle", "expired"),
            "verification": ("unverified", "pending", "ambiguous", "failed", "unavailable"),
        }
        conditions = {
            name: values for name, values in CONDITIONS.items() if name not in ("risk", "effect", "credential")
        }
        when: Document = {
            "risk": self._some(RISKS[1:], 1),
            "credential": "good",
            "session": "active",
            "scope": "granted",
        }
        for name in pick.sample([*states, *conditions], pick.randint(1, 3)):
            values = (states | conditions)[name]
            when[name] = self._some(values, 1)[:2]
        # from the phase of accounts on, other sessions and actors are decided
        phase = pick.choice(RULE_PHASES) if when["session"] == "active" and when["scope"] == "granted" else "service"
        if self._chance(0.4):
            when["effect"] = pick.choice(["read", "write"])
        wanted = ["to_a_person"] * 4 + ["refuse", "try_later", "step_up", "prove_identity", "slow_down"]
        wanted += ["read_only", "allow"] * 3
        if self._chance(0.2):
            wanted = ["await_approval"]
            when |= {"effect": "write", "risk": "high", "transaction": "none"}
        do = pick.choice(wanted)
        if do == "read_only":
            when["effect"] = "read"
        if do in ("allow", "read_only"):
            when |= {"actor": ["subject", "agent"], "assurance": "met", "limit": "within", "transaction": "none"}
            when |= {"service": ["live", "degraded", "recovering"], "session": "active", "scope": "granted"}
            if "routine" not in when["risk"] or when["risk"] != ["routine"]:
                when["verification"] = "verified"
        return {"phase": phase, "when": when, "do": do}

    def _invariants(self, document: Document) -> None:
        pick = self.random
        made = []
        if self._chance(0.2):
            states = self._some(("locked", "suspended", "compromised", "deceased", "closed"), 1)
            made.append(
                {"name": "no money from bad accounts", "never": {"risk": "high", "outcome": "allow", "account": states}}
            )
        if self._chance(0.3):
            forbidden = {"limit": "exceeded", "transaction": "none", "outcome": "allow", "risk": pick.choice(RISKS[1:])}
            made.append({"name": "limits hold", "never": forbidden})
        if self._chance(0.15):
            by = ["caller", *self._some(("clock", "operator"), 0)]
            wanted = self._some(("allow", "handoff", "deny"), 2)
            made.append({"name": "a way", "always_reachable": wanted, "by": by})
        if self.aside.random() < 0.12:  # what most policies break: only a checker without this proof accepts it
            never: Document = {"risk": list(RISKS[1:]), "outcome": "allow"}
            made.append({"name": "nothing for anyone", "never": never})
        if made:
            document["invariants"] = [*document.get("invariants", []), *made]

    def _rewrite(self, document: Document) -> None:
        """Change a policy from scratch where an extension cannot: remove and reorder inherited parts."""
        pick = self.random
        for _ in range(pick.randint(1, 3)):
            match pick.randrange(6):
                case 0:
                    rules = document["decisions"]
                    place = pick.randrange(len(rules) - 1)
                    rules[place], rules[place + 1] = rules[place + 1], rules[place]
                case 1:
                    document["decisions"].pop(pick.randrange(len(document["decisions"])))
                case 2:
                    document["invariants"].pop(pick.randrange(len(document["invariants"])))
                case 3:
                    document["timers"].pop(pick.randrange(len(document["timers"])))
                case 4:
                    states = document["machines"]["account"]["states"]
                    here = pick.randrange(1, len(states) - 1)
                    states[here], states[here + 1] = states[here + 1], states[here]
                case _:
                    rule = pick.choice(document["decisions"])
                    rule["do"] = pick.choice(["to_a_person", "refuse", "try_later"])


def draw_document(seed: int | str) -> Document:
    """Return the document of a seed."""
    document = DocumentGenerator(seed).draw()
    extend(seed, document)
    return document
