"""The stored records of one scenario, in memory, and the changes that the driver makes to them."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from authguard.core.events import MACHINES
from authguard.core.snapshot import EMPTY_LEDGER, Keys, Snapshot, blank
from authguard.evaluation import booking
from authguard.evaluation.driver import Evaluation

if TYPE_CHECKING:
    from collections.abc import Callable

    from authguard.core.machine import Transition
    from authguard.core.policy import Policy
    from authguard.core.snapshot import AccountRecord, LedgerRecord, SessionRecord, TransactionRecord


#: cause of a transition that a timer brings about
TIMER_CAUSE: Final = "timer"


class PlainCipher:
    """Stands for the encryption of stored requests: a scenario has no secrets."""

    def encrypt(self, content: bytes, about: bytes) -> bytes:
        """Return the content as it is."""
        del about
        return content

    def decrypt(self, ciphertext: bytes, about: bytes) -> bytes:
        """Return the content as it is."""
        del about
        return ciphertext

    def keyed_digest(self, content: bytes) -> str:
        """Return a digest without a key."""
        return blake2b(content, digest_size=16).hexdigest()


class CountedIds:
    """Ids that are numbered, so that a scenario always has the same ones."""

    def __init__(self) -> None:
        self._last = 0

    def record(self, now: float) -> str:
        """Return the next id."""
        del now
        return self.secret()

    def secret(self) -> str:
        """Return the next id."""
        self._last += 1
        return f"{self._last:032d}"


class Records:
    """Loads and saves the records of a scenario, as a store does, and collects the lines that events take.

    Attributes:
        policy: that the scenario runs on.
        accounts: key -> record.
        sessions: key -> record.
        transactions: id -> record.
        edges: (machine, index of the line, source state) of every line that an event took.
        flag_changes: (flag, event, cause) of every change of a flag.
        timers: (event, source state) of every timer that fell due.
    """

    __slots__ = (
        "_blank",
        "_ledgers",
        "_service",
        "accounts",
        "edges",
        "flag_changes",
        "policy",
        "sessions",
        "timers",
        "transactions",
    )

    def __init__(self, policy: Policy) -> None:
        """Start without any record."""
        self.policy = policy
        self._blank = blank(policy.initial)
        self._service = self._blank.service
        self._ledgers: dict[bytes, LedgerRecord] = {}
        self.accounts: dict[bytes, AccountRecord] = {}
        self.sessions: dict[bytes, SessionRecord] = {}
        self.transactions: dict[str, TransactionRecord] = {}
        self.edges: set[tuple[str, int, str]] = set()
        self.flag_changes: set[tuple[str, str, str]] = set()
        self.timers: set[tuple[str, str]] = set()

    def load(self, keys: Keys) -> Snapshot:
        """Return the records of some keys; an unknown key has a blank record."""
        return Snapshot(
            service=self._service,
            account=self.accounts.get(keys.account, self._blank.account),
            session=self.sessions.get(keys.session, self._blank.session),
            transaction=self.transactions.get(keys.transaction, self._blank.transaction),
            ledgers={key: self._ledgers.get(key, EMPTY_LEDGER) for _, key in keys.ledgers},
        )

    def save(self, keys: Keys, before: Snapshot, after: Snapshot) -> None:
        """Replace the records that changed; a change of a record without a key is not kept."""
        if after.service != before.service:
            self._service = replace(after.service, version=before.service.version + 1)
        if keys.account and after.account != before.account:
            self.accounts[keys.account] = replace(after.account, version=before.account.version + 1)
        if keys.session and after.session != before.session:
            self.sessions[keys.session] = replace(after.session, version=before.session.version + 1)
        if keys.transaction and after.transaction != before.transaction:
            self.transactions[keys.transaction] = replace(after.transaction, version=before.transaction.version + 1)
        for key, ledger in after.ledgers.items():
            last = before.ledgers.get(key, EMPTY_LEDGER)
            if ledger != last:
                self._ledgers[key] = replace(ledger, version=last.version + 1)

    def change(self, keys: Keys, now: float, apply: Callable[[Evaluation], object]) -> Evaluation:
        """Change records outside a request, as `authguard.runtime.state_repository.StateRepository.change`.

        Args:
            keys: of the records.
            now: epoch seconds UTC.
            apply: sends the events to an evaluation whose timers have run.
        """
        before = self.load(keys)
        evaluation = Evaluation(self.policy, before, now, keys)
        evaluation.catch_up()
        apply(evaluation)
        booking.follow_transaction(evaluation, keys.transaction)
        self.note(before, evaluation.events, evaluation.transitions)
        self.save(keys, before, evaluation.snapshot)
        return evaluation

    def note(
        self,
        before: Snapshot,
        events: tuple[str, ...] | list[str],
        transitions: tuple[Transition, ...] | list[Transition],
    ) -> None:
        """Note the lines that an evaluation took, with those of events that moved nothing."""
        states = states_of(before)
        self.flag_changes |= {
            (one.machine, one.event, one.cause) for one in transitions if one.machine not in self.policy.machines
        }
        transitions = [one for one in transitions if one.machine in self.policy.machines]
        self.timers |= {(_name(one), one.source) for one in transitions if one.cause == TIMER_CAUSE}
        place = 0
        for event in events:
            if place < len(transitions) and _name(transitions[place]) == event:
                cause = transitions[place].cause
                self._take(states, transitions[place].machine, transitions[place].event)
                place += 1
                while place < len(transitions) and transitions[place].cause == event != cause:
                    self._take(states, transitions[place].machine, transitions[place].event)
                    place += 1
            else:
                machine, _, trigger = event.partition(".")
                self._take(states, machine, trigger)

    def _take(self, states: dict[str, str], machine: str, trigger: str) -> None:
        edge = self.policy.machines[machine].table[states[machine], trigger]
        self.edges.add((machine, edge.line, states[machine]))
        states[machine] = edge.dest
        for raised in edge.raises:  # a raised event that moves nothing makes no transition, and takes its line
            other, _, name = raised.partition(".")
            follow = self.policy.machines[other].table[states[other], name]
            if not follow.moves:
                self.edges.add((other, follow.line, states[other]))


def _name(moved: Transition) -> str:
    return f"{moved.machine}.{moved.event}"


def states_of(snapshot: Snapshot) -> dict[str, str]:
    """Return machine -> its state."""
    return dict(zip(MACHINES, snapshot.states(), strict=True))
