"""The document form of flags: which values are read, and what a wrong one is told."""

from __future__ import annotations

from math import inf
from typing import get_args

import pytest

from authguard.core.flags import FLAG_EVENTS
from authguard.policy.loading.loader import load_draft
from authguard.policy.schema.flag import MAX_FLAGS, FlagSetter
from tests.support.harness import POLICY

GOOD = "by: subject, expires: 24h, set_by: [{app: report}]"


def problems(body: str) -> list[str]:
    found = load_draft("x.yaml", text=f"{POLICY}\nflags:\n  hurried: {{{body}}}\n".encode())
    return [one.code for one in found.problems]


@pytest.mark.parametrize(
    ("written", "read"),
    [("24h", 86_400.0), ("never", inf), ("500ms", 0.5)],
)
def test_a_lifetime_is_a_duration_or_never(written: str, read: float) -> None:
    draft = load_draft("x.yaml", text=f"{POLICY}\nflags:\n  a: {{{GOOD.replace('24h', written)}}}\n".encode()).draft
    assert draft is not None
    assert draft.flags[0].expires == read


@pytest.mark.parametrize(
    ("written", "read"),
    [("subject", "subject"), ("session", "session"), ("payee", "payee"), ("[subject, payee]", "subject+payee")],
)
def test_an_owner_is_one_or_the_account_with_the_payee(written: str, read: str) -> None:
    draft = load_draft(
        "x.yaml", text=f"{POLICY}\nflags:\n  a: {{{GOOD.replace('by: subject', f'by: {written}')}}}\n".encode()
    ).draft
    assert draft is not None
    assert draft.flags[0].by == read


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (GOOD.replace("subject", "client"), "malformed-value"),
        (GOOD.replace("subject", "[payee, payee]"), "malformed-value"),
        (GOOD.replace("subject", "[subject, session]"), "malformed-value"),
        (GOOD.replace("24h", "0s"), "duration"),
        (GOOD.replace("24h", "soon"), "duration"),
        (GOOD.replace("[{app: report}]", "[]"), "out-of-range"),
        (GOOD.replace("report", "always"), "unknown-value"),
        ("by: subject, expires: 1h", "missing-key"),
    ],
)
def test_a_wrong_value_is_told(body: str, code: str) -> None:
    assert code in problems(body)


def test_there_are_at_most_twelve() -> None:
    lines = "".join(f"  f{number}: {{{GOOD}}}\n" for number in range(MAX_FLAGS + 1))
    assert load_draft("x.yaml", text=f"{POLICY}\nflags:\n{lines}".encode()).problems


def test_the_events_are_those_of_the_core() -> None:
    assert get_args(get_args(FlagSetter.__annotations__["event"])[0]) == ("", *FLAG_EVENTS)
