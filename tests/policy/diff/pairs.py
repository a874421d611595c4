"""Pairs of policies, made from one text by edits, with the direction that must be told both ways."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from authguard.policy.checks.registry import run_checks
from authguard.policy.diff.permissiveness import Direction
from authguard.policy.diff.policy_diff import diff_policies
from authguard.policy.loading import locator
from authguard.policy.loading.loader import load_draft
from tests.support.harness import POLICY

if TYPE_CHECKING:
    from authguard.policy.draft import Draft

LOOSER, MAY = Direction.LOOSER, Direction.MAY_LOOSEN
STRICTER, CHANGED = Direction.STRICTER, Direction.CHANGED
TELECOM = Path(locator.shipped_policies()["telecom"]).read_text("utf-8")

Edit = tuple[str, str]


def draft_of(text: str, *edits: Edit) -> Draft:
    """Read a policy with parts of its text replaced; the checks accept it, except that a session may be revived."""
    for before, after in edits:
        assert text.count(before) == 1, f"{text.count(before)} times {before!r}"
        text = text.replace(before, after)
    found = load_draft("test-desk.yaml", text=text.encode())
    problems = [*found.problems, *(run_checks(found.draft) if found.draft is not None else ())]
    assert found.draft is not None
    assert not [one for one in problems if one.severity == "error" and one.code != "event-demanded"], problems
    return found.draft


class Case(NamedTuple):
    """A change, with the direction of the new policy and of the way back.

    Attributes:
        name: what changes.
        old: edits of the text that give the old policy.
        new: edits that give the new one.
        forward: the worst direction that must be told.
        back: the worst direction of the opposite change.
        base: text that is edited.
    """

    name: str
    old: tuple[Edit, ...]
    new: tuple[Edit, ...]
    forward: Direction = LOOSER
    back: Direction = STRICTER
    base: str = POLICY


AGED = "{event: session.aged, after: 12h, since: signed_in}"


def with_timers(*lines: str) -> tuple[Edit, ...]:
    listed = "".join(f"  - {line}\n" for line in (AGED, *lines))
    return (("verifiers:\n", f"timers:\n{listed}verifiers:\n"),)


def with_section(text: str) -> tuple[Edit, ...]:
    return (("verifiers:\n", f"{text}verifiers:\n"),)


def with_operation(line: str) -> tuple[Edit, ...]:
    return (("operations:\n", f"operations:\n{line}"),)


def with_channels(web: str) -> tuple[Edit, ...]:
    trusts = f"{{web: [{web}], app: [], voice: []}}"
    return with_section(f"channels:\n  from: {{claim: channel}}\n  trusts: {trusts}\n")


OTHERS = "  pin: {type: totp, call: 'app.codes:secrets'}\n  card: {type: http, url: 'http://127.0.0.1:9/card'}\n"


def with_method(default: str) -> tuple[Edit, ...]:
    return (
        ("methods:\n", f"{OTHERS}methods:\n"),
        ("  default: {all: [otp], attempts: 3, per: 15m}\n", f"  default: {{{default}, attempts: 3, per: 15m}}\n"),
    )


def with_line(machine: str, line: str) -> tuple[Edit, ...]:
    return with_section(f"machines:\n  {machine}:\n    transitions:\n      - {line}\n")


def worst(old: Draft, new: Draft) -> Direction:
    """Give the worst direction that is told."""
    found = {one.direction for one in diff_policies(old, new, find_paths=False).differences}
    return next((one for one in Direction if one in found), CHANGED)


def compare(case: Case) -> tuple[Direction, Direction]:
    """Give the worst direction of a change, and of the way back."""
    old, new = draft_of(case.base, *case.old), draft_of(case.base, *case.new)
    return worst(old, new), worst(new, old)
