"""A retry until expiry names the moment at which time alone makes its rule stop matching."""

from __future__ import annotations

from datetime import UTC, datetime
from math import inf

import pytest
from msgspec.structs import replace

from authguard.core.decision_table import Rule
from authguard.core.snapshot import Keys, LedgerEntry, blank
from authguard.evaluation.driver import Evaluation
from authguard.evaluation.expiry import find_expiry
from tests.support.harness import POLICY, EnforcerHarness, policy_of

DESK = """
conditions:
  desk:
    from: {time_zone: Europe/Berlin}
    values: {open: 'Mo-Fr 08:00-12:00,13:00-18:00', lunch: 'Mo-Fr 12:00-13:00'}
    except: [2027-02-02]
    default: closed
fallbacks:
  desk_closed: {kind: retry, status: 409, after: expiry}
decisions:
  - {when: {credential: good, risk: routine, desk: [closed, lunch]}, do: desk_closed}
"""


def at(text: str) -> float:
    """Return an instant of UTC; Berlin is an hour ahead."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2027-02-01T11:30", "2027-02-01T12:00"),  # at lunch, which the rule names too
        ("2027-02-01T17:00", "2027-02-03T07:00"),  # over the exception
        ("2027-02-05T17:00", "2027-02-08T07:00"),  # over the weekend
    ],
)
async def test_a_closed_desk_is_open_again_after_the_time_of_the_reply(now: str, until: str) -> None:
    desk = EnforcerHarness(POLICY + DESK)
    desk.clock.set(at(now))
    verdict = await desk.ask("chat", desk.login())
    assert verdict.fallback.name == "desk_closed"
    assert verdict.fallback.after == at(until) - at(now)
    desk.clock.set(at(until) - 1)
    assert (await desk.ask("chat", desk.login())).fallback.after == 1
    desk.clock.set(at(until))
    assert (await desk.ask("chat", desk.login())).fallback.name == "allow"


COOLING = """
flags:
  changed: {by: subject, expires: 24h, set_by: [{operation: chat, event: started}]}
fallbacks:
  cooling_off: {kind: retry, status: 409, after: expiry}
decisions:
  - {when: {credential: good, risk: sensitive, effect: read, changed: set}, do: cooling_off}
"""


def evaluation_of(text: str, ledger: tuple[LedgerEntry, ...] = ()) -> Evaluation:
    """Return an evaluation of an account with a ledger."""
    snapshot = blank(policy_of(text).initial)
    snapshot = replace(snapshot, account=replace(snapshot.account, ledger=ledger))
    return Evaluation(policy_of(text), snapshot, at("2027-02-01T11:30"), Keys(account=b"a", session=b"s"))


def rule_of(**when: str) -> Rule:
    """Return a rule."""
    return Rule(when={name: frozenset({value}) for name, value in when.items()}, do="cooling_off", index=0)


def test_a_flag_that_the_rule_wants_set_ends_it_by_its_expiry() -> None:
    entry = LedgerEntry(limit="flag:changed", at=at("2027-02-01T10:00"), amount="1")
    evaluation = evaluation_of(POLICY + COOLING, (entry,))
    assert find_expiry(evaluation, rule_of(changed="set")) == at("2027-02-02T10:00")
    assert find_expiry(evaluation, rule_of(changed="clear")) == inf


def test_a_rule_that_names_nothing_of_the_clock_never_ends_by_time() -> None:
    assert find_expiry(evaluation_of(POLICY + DESK), rule_of(risk="public")) == inf
