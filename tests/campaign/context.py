"""Oracle of conditions and flags: each recorded value is derived anew from requests, the clock and the log."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from authguard.core.decision_table import DIMENSIONS, PROVEN_CREDENTIALS
from tests.campaign.oracle import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from authguard.core.flags import Flag
    from authguard.core.policy import Policy
    from authguard.records.entries import DecisionEntry, TransitionEntry
    from tests.campaign.reading import Accepted
    from tests.campaign.world import Seen

#: seconds by which the times of a walk and of the guard may differ
LEEWAY_S: Final = 2.0
BERLIN: Final = ZoneInfo("Europe/Berlin")
#: days of the week, from Monday, and their minutes, in which the desk of `extension.CONDITIONS` is open
WEEKDAYS: Final = range(5)
SATURDAY: Final = 5
SUNDAY: Final = 6


def find_wrong_conditions(accepted: Accepted, seen: Sequence[Seen]) -> Iterator[Finding]:
    """Find recorded values of conditions that the request and the moment do not give."""
    declared = accepted.document.get("conditions", {})
    screened: dict[str, str] = {}
    for place, one in enumerate(seen):
        if one.action.kind == "screened":
            screened[one.action.who] = one.action.values["word"]
        for decision in one.decisions:
            is_proven = decision.cell[DIMENSIONS.index("credential")] in PROVEN_CREDENTIALS
            wanted = {
                "segment": "vip" if one.action.values.get("segment") == "vip" else "plain",
                "desk": "open" if _is_open(one.at) else "closed",
                "country": "home" if is_proven and one.claims.get("country") in {"DE", "AT"} else "abroad",
                "screening": screened.get(one.action.who, "clean") if is_proven else "unavailable",
            }
            if wanted["screening"] not in {"clean", "match"}:
                wanted["screening"] = "unavailable"
            for name, value in wanted.items():
                recorded = decision.context.get(name, value)
                if name in declared and recorded != value:
                    yield Finding(
                        "condition", f"`{name}` is `{recorded}` for `{decision.operation}`, not `{value}`", place
                    )


def _is_open(now: float) -> bool:
    here = datetime.fromtimestamp(now, BERLIN)
    minute, day = here.hour * 60 + here.minute, here.weekday()
    if here.date().isoformat() == "2027-01-18":
        return False  # an exception, of a Monday
    late = (day == SATURDAY and minute >= 22 * 60) or (day == SUNDAY and minute < 2 * 60 + 30)
    return late or (day in WEEKDAYS and 8 * 60 <= minute < 18 * 60)


def find_wrong_flags(policy: Policy, seen: Sequence[Seen]) -> Iterator[Finding]:
    """Find values of flags that no change in the log gives, and runs that had to set a flag and did not."""
    flags = {one.name: one for one in policy.flags if one.by in {"subject", "session"}}
    changed: dict[tuple[str, str], tuple[str, float]] = {}
    due: dict[tuple[str, str, str], float] = {}
    for place, one in enumerate(seen):
        before = dict(changed)
        for entry in one.transitions:
            if entry.machine in flags:
                changed[entry.machine, _owner(flags[entry.machine], entry)] = entry.event, entry.at
                if entry.event != "set":
                    due = {key: at for key, at in due.items() if key[0] != entry.machine}
        for decision in one.decisions:
            for name, flag in flags.items():
                if name not in decision.context or not decision.subject:
                    continue
                value, key = decision.context[name], (name, _owner(flag, decision))
                told = {_value(flag, known.get(key), one.at) for known in (before, changed)} - {""}
                if told and value not in told:
                    yield Finding("flag", f"`{name}` is `{value}` for `{decision.operation}`, not {told}", place)
                since = due.get((name, *_person(flag, one)), -1.0)
                if since >= 0.0 and value == "clear" and one.at < since + flag.expires - LEEWAY_S:
                    yield Finding("flag", f"`{name}` is clear although `set_by` says otherwise", place)
        due.update({(name, *_person(flags[name], one)): one.at for name in _set_by_run(flags, one)})


def _owner(flag: Flag, entry: DecisionEntry | TransitionEntry) -> str:
    return entry.subject if flag.by == "subject" else entry.session


def _person(flag: Flag, one: Seen) -> tuple[str, str]:
    return one.action.who, one.action.sid if flag.by == "session" else ""


def _value(flag: Flag, last: tuple[str, float] | None, now: float) -> str:
    """Return the value after the last change in the log; empty at the border of its time."""
    if last is None or last[0] != "set":
        return "clear"
    left = last[1] + flag.expires - now
    if abs(left) < LEEWAY_S:
        return ""
    return "set" if left > 0 else "clear"


def _set_by_run(flags: dict[str, Flag], one: Seen) -> Iterator[str]:
    """Yield the flags that a run of an operation without a failure sets, by a caller who proved who they are."""
    if not one.ran or one.status >= 300 or not one.claims or not one.decisions:
        return
    for name, flag in flags.items():
        events = {setter.event for setter in flag.set_by if one.ran in setter.operations}
        if not events.isdisjoint({"started", "committed"}):
            yield name
