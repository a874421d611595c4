"""Faults planted into driver, checker, simulator, replay, diff and explain, each of which the campaign has to find.

Each replaces one function of the product by one with a fault that a person could have written.
"""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

from msgspec.structs import replace

from authguard.audit.query import replay as replays
from authguard.core import conditions, machine
from authguard.evaluation import attempts, decision_point, driver
from authguard.policy.checks import liveness, raised_events, table
from authguard.policy.diff import policy_diff
from authguard.policy.explain import explainer
from authguard.policy.testing import simulator
from tests.campaign import oracle, pair

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def _never(*_: object, **__: object) -> Iterator[Any]:
    """Find nothing."""
    return iter(())


@contextmanager
def _ignored_scopes() -> Iterator[None]:
    """The driver holds every scope for granted."""
    with patch.object(conditions, "check_scope", lambda *_: "granted"):
        yield


@contextmanager
def _ignored_level() -> Iterator[None]:
    """The driver holds every sign-in for strong and fresh enough."""
    with patch.object(conditions, "check_assurance", lambda *_: "met"):
        yield


@contextmanager
def _lost_raises() -> Iterator[None]:
    """The machines raise nothing."""
    real = machine.step

    def step(machines: Any, snapshot: Any, event: Any, *more: Any) -> Any:
        silent = {
            name: replace(one, table={pair: replace(edge, raises=()) for pair, edge in one.table.items()})
            for name, one in machines.items()
        }
        return real(silent, snapshot, event, *more)

    with patch.object(driver, "step", step):
        yield


@contextmanager
def _one_channel() -> Iterator[None]:
    """The driver holds every channel for the one in which identity was proved."""
    with patch.object(decision_point, "apply_channel", lambda *_: "same"):
        yield


@contextmanager
def _no_liveness() -> Iterator[None]:
    """The checker proves no promise."""
    with _without_check(liveness.check_no_deadlock):
        yield


@contextmanager
def _nothing_booked() -> Iterator[None]:
    """The driver books no costs against limits."""
    with patch.object(decision_point, "_reserve", lambda *_: None):
        yield


@contextmanager
def _attempts_ignored() -> Iterator[None]:
    """The driver never holds attempts for spent."""
    with patch.object(attempts, "_is_exhausted", lambda *_: False):
        yield


@contextmanager
def _invariants_unproved() -> Iterator[None]:
    """The checker proves no `never`."""
    with _without_check(table.check_invariants):
        yield


@contextmanager
def _unowned_raises() -> Iterator[None]:
    """The checker accepts raised events that no record determines the owner of."""
    with _without_check(raised_events.check_raise_owners):
        yield


@contextmanager
def _without_check(check: Callable[..., Any]) -> Iterator[None]:
    from authguard.policy.checks import registry  # noqa: PLC0415 - patched here alone

    left = tuple(one for one in registry.CHECKS if one is not check)
    assert len(left) < len(registry.CHECKS)
    with patch.object(registry, "CHECKS", left):
        yield


@contextmanager
def _no_part_diff() -> Iterator[None]:
    """Diff compares the tables only."""
    with patch.object(policy_diff, "diff_parts", _never):
        yield


@contextmanager
def _nothing_looser() -> Iterator[None]:
    """Diff keeps each loosening to itself."""
    real = policy_diff.diff_policies

    def silent(*arguments: Any, **more: Any) -> Any:
        found = real(*arguments, **more)
        return replace(
            found, differences=tuple(one for one in found.differences if "looser" not in one.direction.value)
        )

    with patch.object(pair, "diff_policies", silent):
        yield


@contextmanager
def _replay_of_the_record() -> Iterator[None]:
    """Replay gives what was recorded, whatever the policy."""
    real = replays.Replay.decide_records

    def recorded(self: Any, *bounds: Any) -> Iterator[Any]:
        for one, found in real(self, *bounds):
            yield one, replace(found, outcome=one.outcome, fallback=one.fallback, problem="")

    with patch.object(replays.Replay, "decide_records", recorded):
        yield


@contextmanager
def _explained_by_the_last_rule() -> Iterator[None]:
    """Explain names the rule after the one that decided."""
    real = explainer.explain_decision

    def wrong(*arguments: Any, **more: Any) -> Any:
        return replace(real(*arguments, **more), rule="999:refuse")

    with patch.object(oracle, "explain_decision", wrong):
        yield


@contextmanager
def _simulator_without_reports() -> Iterator[None]:
    """The simulator of scenarios reads no account status from tokens."""

    def silent(*_: object) -> SimpleNamespace:
        return SimpleNamespace(reports={})

    with patch.object(simulator, "read_statements", silent):
        yield


@contextmanager
def _cell_of_another_state() -> Iterator[None]:
    """The driver accepts a sign-in without telling the log of it."""
    real = driver.Evaluation.send

    def send(self: Any, name: str, *arguments: Any, **more: Any) -> bool:
        moved = real(self, name, *arguments, **more)
        if name == "session.accepted":
            self.transitions = [one for one in self.transitions if one.event != "accepted"]
        return moved

    with patch.object(driver.Evaluation, "send", send):
        yield


#: name -> the planted fault, and the oracles one of which has to find it
PLANTED: Final[dict[str, tuple[Callable[[], Any], frozenset[str]]]] = {
    "raises": (_lost_raises, frozenset({"owner"})),
    "channel": (_one_channel, frozenset({"channel"})),
    "scopes": (_ignored_scopes, frozenset({"need"})),
    "level": (_ignored_level, frozenset({"need"})),
    "bookings": (_nothing_booked, frozenset({"limit"})),
    "attempts": (_attempts_ignored, frozenset({"attempt"})),
    "invariants": (_invariants_unproved, frozenset({"never"})),
    "owners": (_unowned_raises, frozenset({"owner", "fault"})),
    "liveness": (_no_liveness, frozenset({"promise"})),
    "parts": (_no_part_diff, frozenset({"diff"})),
    "direction": (_nothing_looser, frozenset({"diff"})),
    "replay": (_replay_of_the_record, frozenset({"replay"})),
    "explain": (_explained_by_the_last_rule, frozenset({"explain"})),
    "simulator": (_simulator_without_reports, frozenset({"scenario"})),
    "log": (_cell_of_another_state, frozenset({"log"})),
}
