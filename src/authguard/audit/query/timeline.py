"""The timeline of a session: one plain sentence for each record, with its time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.core.events import MACHINES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from authguard.audit.query.search import Match

_OUTCOMES: Final = {
    "allow": "it was admitted",
    "restrict": "it was admitted with fewer permissions",
    "repeat": "it had run before, and its first response was repeated",
    "challenge": "they were asked to sign in",
    "step_up": "they were asked for a stronger or fresher sign-in",
    "verify": "they were asked to prove who they are",
    "hold": "it waits for an approval",
    "handoff": "it was handed to a person",
    "retry": "they were asked to try again later",
    "deny": "it was denied",
    "terminate": "it was denied, and the session was ended",
}
#: value of the dimension `actor` -> who asked
_ASKED: Final = {"representative": "Their representative asked", "stranger": "A stranger asked for them"}
#: event of a flag -> words
_FLAG_EVENTS: Final = {"set": "was set", "expired": "expired", "cleared": "was cleared"}
_EVENTS: Final = {
    "session.accepted": "the sign-in was accepted",
    "session.renewed": "they signed in again",
    "session.idled": "they were inactive for too long",
    "session.aged": "the sign-in was too old",
    "session.revoked": "the issuer, the app or an earlier end revoked the session",
    "session.ended": "the session was ended",
    "verification.started": "a proof of identity started",
    "verification.passed": "they proved who they are",
    "verification.failed": "they failed to prove who they are",
    "verification.doubted": "the verification service gave an ambiguous result",
    "verification.contradicted": "the verification services contradicted each other",
    "verification.unavailable": "no verification service answered",
    "verification.exhausted": "the attempts to prove who they are ran out",
    "verification.aged": "the proof of identity was too old",
    "verification.moved": "they came from a channel that does not accept the proof",
    "account.unreachable": "the account directory did not answer",
    "account.reinstated": "a person reinstated the account",
    "transaction.held": "the transaction was held for an approval",
    "transaction.approved": "the transaction was approved",
    "transaction.denied": "an approver denied the transaction",
    "transaction.lapsed": "no approver decided in time",
    "transaction.altered": "the request differed from the approved one",
    "transaction.started": "the transaction ran",
    "transaction.committed": "the app completed it",
    "transaction.failed": "the app refused it",
    "transaction.lost": "it is unknown whether the app completed it",
}


def format_timeline(found: Iterable[Match], format_at: Callable[[float], str]) -> Iterator[str]:
    """Format records as a timeline, oldest first.

    Args:
        found: records in the order of their times.
        format_at: formats epoch seconds for the reader.

    Yields:
        A line for each, with the time and the interval since the one before it. Nothing in it is escaped yet.
    """
    before = None
    for one in found:
        gap = "" if before is None else _format_interval(one.at - before)
        before = one.at
        record = one.record
        words = _sentence(one)
        void = " (void: another request was faster, and this one was decided again)" if one.void else ""
        yield f"{format_at(one.at)} {gap:>8}  {words}{void} [{str(record.get('id', '?'))[:32]}]"


def describe_record(one: Match) -> str:
    """Return a record as one plain sentence; nothing in it is escaped yet."""
    return _sentence(one)


def _format_interval(seconds: float) -> str:
    for size, unit in ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s")):
        if seconds >= size:
            return f"+{seconds / size:.1f} {unit}"
    return ""


def _sentence(one: Match) -> str:
    template, record = one.template, one.record
    match template.kind:
        case "decision":
            who = (
                _ASKED.get(template.states().get("actor", ""), "An agent asked")
                if record.get("actor")
                else "They asked"
            )
            way = f" from {template.channel}" if template.channel else ""
            why = "" if template.reason in {"", "decided"} else f", {template.reason.replace('-', ' ')}"
            outcome = _OUTCOMES.get(template.outcome, template.outcome)
            return f"{who} for {template.operation}{way}: {outcome} ({template.rule}{why})."
        case "transition":
            words = _EVENTS.get(
                f"{template.machine}.{template.event}", f"the {template.machine} received `{template.event}`"
            )
            by = " (the clock)" if template.cause == "timer" else ""
            if template.machine not in MACHINES:
                again = " again" if template.source == template.dest == "set" else ""
                return f"The flag {template.machine} {_FLAG_EVENTS.get(template.event, template.event)}{again}{by}."
            moved = f"the {template.machine} went from {template.source} to {template.dest}"
            return f"{words[:1].upper()}{words[1:]}{by}: {moved}."
        case "refusal":
            return f"A request was refused without a decision: {template.reason.replace('-', ' ')}."
        case "act":
            by = f" by {record['by']}" if record.get("by") else ""
            unmoved = record.get("unmoved")
            which = f": {', '.join(map(str, unmoved))}" if isinstance(unmoved, list) else ""
            return f"{template.act.replace('.', ' ').capitalize()}{by}{which}."
        case _:
            return f"A record of the kind {template.kind}."
