"""Generator of a long log: sessions of customers under a real policy, with the real encoder, chain and checkpoints.

The policy determines the content: its tables move each machine and its rules decide each cell, so a replay under the
same policy finds no difference. The same seed gives the same records.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from authguard import signing_key
from authguard.audit import checkpoint_file
from authguard.core.decision_table import DIMENSIONS
from authguard.core.policy_parts import format_parts
from authguard.policy.compiler import load
from authguard.records.chain import GENESIS, format_line
from authguard.records.entries import ActEntry, DecisionEntry, RefusalEntry, TransitionEntry, WithdrawalEntry
from authguard.records.merkle import Tree, leaf
from authguard.records.signed_note import Checkpoint, sign_note

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from authguard.core.policy import Policy
    from authguard.core.request import Operation
    from authguard.records.entries import Entry
    from authguard.signing_key import SigningKey

POLICY: Final = "support-desk"
#: epoch seconds UTC of the first record, and the mean time between records
BEGAN: Final = 1_700_000_000.0
EVERY: Final = 0.26
#: concurrent sessions
LIVE: Final = 64
#: lines per checkpoint, as in the standard policy
SIGNED: Final = 1_000
#: an operator acts once in so many records
ACTS: Final = 5_000
SEED: Final = 8


@dataclass(slots=True)
class Teller:
    """Generates the records of sessions.

    Attributes:
        policy: the policy.
        dice: random numbers.
        at: current time, epoch seconds UTC.
        made: number of ids so far.
    """

    policy: Policy
    dice: random.Random
    at: float = BEGAN
    made: int = 0
    operations: tuple[Operation, ...] = field(default=())
    facts: dict[str, str | float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.operations = (*self.policy.operations, self.policy.otherwise)
        scopes = frozenset[str]().union(*(one.scopes for one in self.operations))
        self.facts = {"issuer": next(iter(self.policy.issuers)), "scopes": " ".join(sorted(scopes)), "acr": ""}
        self.facts |= {"auth_time": BEGAN, "issued_at": BEGAN, "sid": True}

    def id(self) -> str:
        """Return a record id of the guard's length."""
        self.made += 1
        return f"{int(self.at * 1000):012x}{self.made:020x}"

    def _one_of(self, weights: dict[str, int]) -> str:
        return self.dice.choices(tuple(weights), tuple(weights.values()))[0]

    def hex(self) -> str:
        """Return a key or a pseudonym."""
        return f"{self.dice.getrandbits(128):032x}"

    def entries(self, count: int) -> Iterator[Entry]:
        """Yield records of many concurrent sessions, with an operator's act at times."""
        live: list[Iterator[Entry]] = []
        yield self._act("started")
        for number in range(1, count):
            self.at += self.dice.random() * 2 * EVERY
            if number % ACTS == 0:
                yield self._act("rollback.released", by="anna", note="drill")
                continue
            if len(live) < LIVE:
                live.append(self.session())
            place = self.dice.randrange(len(live))
            entry = next(live[place], None)
            if entry is None:
                live[place] = self.session()
                entry = next(live[place])
            yield entry

    def _act(self, act: str, by: str = "", note: str = "") -> ActEntry:
        parts = format_parts(self.policy) if act == "started" else ()
        return ActEntry(id=self.id(), at=self.at, policy=self.policy.digest, act=act, by=by, note=note, parts=parts)

    def session(self) -> Iterator[Entry]:
        """Yield one session: sign-in, requests, failed and passed verification, a purchase, idle."""
        states = {name: machine.spec.initial for name, machine in self.policy.machines.items()}
        states["account"] = "normal"
        owner = {"subject": self.hex(), "session": self.hex()}
        trust = {**owner, "credential": self.hex()}
        yield from self.move(states, "session.accepted", "credential", owner)
        for _ in range(self.dice.randint(3, 40)):
            match self._one_of({"ask": 80, "expired": 3, "unscoped": 3, "buy": 6, "prove": 4, "refused": 4}):
                case "refused":
                    yield RefusalEntry(
                        id=self.id(), at=self.at, policy=self.policy.digest, reason="body-too-large", status=413
                    )
                case "prove":
                    yield from self.prove(states, owner)
                case "buy":
                    yield from self.buy(states, trust)
                case "expired":
                    yield self.ask(states, self.dice.choice(self.operations[:5]), trust, credential="expired")
                case "unscoped":
                    yield self.ask(states, self.operations[4], trust, scope="missing")
                case _:
                    yield self.ask(states, self.dice.choice(self.operations[:5]), trust)
        yield from self.move(states, "session.idled", "timer", owner)
        yield self.ask(states, self.operations[1], trust)

    def prove(self, states: dict[str, str], owner: dict[str, str]) -> Iterator[Entry]:
        """Yield an attempt to prove identity."""
        yield from self.move(states, "verification.started", "app", owner)
        word = self._one_of({"passed": 8, "failed": 2, "doubted": 1, "unavailable": 1})
        yield from self.move(states, f"verification.{word}", "verifier", owner)

    def buy(self, states: dict[str, str], trust: dict[str, str]) -> Iterator[Entry]:
        """Yield writes; some are held for a person, who may deny them or not decide."""
        owner = {"subject": trust["subject"], "session": trust["session"], "transaction": self.hex()}
        states["transaction"] = "none"
        refund = self.operations[5]
        held = self._one_of({"within": 6, "exceeded": 4}) == "exceeded"
        asked = self.ask(
            states, refund, {**trust, "transaction": owner["transaction"]}, limit="exceeded" if held else ""
        )
        yield asked
        if asked.outcome == "hold":
            yield from self.move(states, "transaction.held", "decision", owner, asked.id)
            word = self._one_of({"approved": 2, "denied": 1, "lapsed": 1})
            cause = "timer" if word == "lapsed" else "approver"
            yield from self.move(states, f"transaction.{word}", cause, owner)
            if word != "approved":
                return
        elif asked.outcome not in {"allow", "restrict"}:
            return
        yield from self.move(states, "transaction.started", "decision", owner, asked.id)
        if self._one_of({"": 49, "withdrawn": 1}):
            yield WithdrawalEntry(id=self.id(), at=self.at, policy=self.policy.digest, records=(asked.id,))
        word = self._one_of({"committed": 8, "failed": 1, "lost": 1})
        yield from self.move(states, f"transaction.{word}", "app", owner)

    def move(
        self, states: dict[str, str], event: str, cause: str, owner: dict[str, str], decision: str = ""
    ) -> Iterator[Entry]:
        """Move a machine by the policy's table, and record a transition."""
        name, _, trigger = event.partition(".")
        edge = self.policy.machines[name].table[states[name], trigger]
        if edge.moves:
            source, states[name] = states[name], edge.dest
            yield TransitionEntry(
                id=self.id(),
                at=self.at,
                policy=self.policy.digest,
                machine=name,
                event=trigger,
                source=source,
                dest=edge.dest,
                cause=cause,
                decision=decision,
                **owner,
            )

    def ask(self, states: dict[str, str], operation: Operation, trust: dict[str, str], **odd: str) -> DecisionEntry:
        """Decide a request by the policy's rules."""
        met = {**states, "credential": "good", "scope": "granted", "assurance": "met", "limit": "within"}
        met |= {"channel_change": "same", "actor": "subject", "risk": operation.risk, "effect": operation.effect}
        met |= {name: value for name, value in odd.items() if value}
        cell = tuple(met[name] for name in DIMENSIONS)
        rule = self.policy.table.decide(cell)
        fallback = self.policy.fallbacks[rule.do]
        return DecisionEntry(
            id=self.id(),
            at=self.at,
            policy=self.policy.digest,
            operation=operation.name,
            cell=cell,
            rule=rule.name,
            outcome=fallback.kind.value,
            fallback=fallback.name,
            events=("session.accepted",),
            channel="web",
            trace_id=self.hex(),
            facts=self.facts,
            **trust,
        )


def write(path: Path, count: int, key: SigningKey) -> None:
    """Write a log of a given number of records, with its checkpoints."""
    tree, lines, head, last = Tree(), [], GENESIS, BEGAN
    dice = random.Random(SEED)  # noqa: S311 - the same records each time
    checkpoint_file.checkpoint_path(path).unlink(missing_ok=True)
    origin = ""
    with path.open("wb") as file, checkpoint_file.checkpoint_path(path).open("wb") as notes:
        for seq, entry in enumerate(Teller(load(POLICY), dice).entries(count)):
            line, head = format_line(entry, seq, head)
            origin = origin or checkpoint_file.chain_origin(key.key.name, head)
            tree.add(leaf(line[:-1]))
            lines.append(line)
            last = max(last, entry.at)
            if len(lines) == SIGNED or seq == count - 1:
                file.writelines(lines)
                lines.clear()
                body = Checkpoint(origin, tree.size, tree.root())
                notes.write(checkpoint_file.encode_line(sign_note(body, int(last), ((key.key, key.sign),))))


def key() -> SigningKey:
    """Create the key of a run."""
    return signing_key.generate_key("benchmark")
