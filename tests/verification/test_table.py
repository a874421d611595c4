"""The page on what verification services do is made of a run, in step with it, and holds nothing that nobody wants."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from scripts import verifying

from authguard.core.outcomes import Outcome
from tests.support.harness import policy_of
from tests.verification.behaviours import BEHAVIOURS, LEASE, SHAPES
from tests.verification.client import OPERATIONS, policy
from tests.verification.driver import walk

if TYPE_CHECKING:
    from collections.abc import Iterator

#: where a row ends: in what was asked for, with a person, in a denial, or with a time to come back
ENDS = ("allow", "a person", "deny", "retry")
PASSES = (
    "it passes",
    "then passes",
    "and passes",
    "the second service passes",
    "the other way passes",
    "would do, one passes and",
)


@pytest.fixture(scope="module")
def seen() -> dict[str, Any]:
    """Behaviour -> what was seen of it."""
    return asyncio.run(walk())


@pytest.fixture(scope="module")
def cells(seen: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Behaviour, risk, what it got."""
    return [(words, risk, cell) for words, one in seen.items() for risk, cell in one["cells"].items()]


def rows() -> Iterator[list[str]]:
    """Give the rows of both tables of the page, cell by cell."""
    for line in verifying.PAGE.read_text("utf-8").splitlines():
        if line.startswith("|") and not line.startswith("|---"):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def test_the_page_says_what_this_very_run_has_seen(seen: dict[str, Any]) -> None:
    assert verifying.PAGE.read_text("utf-8") == verifying.page(seen), f"run `{verifying.HOW}`"


def test_every_behaviour_meets_every_risk_and_no_cell_is_empty() -> None:
    found = list(rows())
    assert all(all(row) for row in found)
    met = {(row[0], risk) for row in found if len(row) == 6 for risk in row[1].split("; ")}
    wanted = {(behaviour.words, risk) for behaviour in BEHAVIOURS for risk in OPERATIONS}
    assert wanted == met - {("the service", "risk")}
    assert {behaviour.words for behaviour in BEHAVIOURS} <= {row[0] for row in found if len(row) == 4}


def test_nobody_gets_an_error_of_the_servers_own(
    seen: dict[str, Any], cells: list[tuple[str, str, dict[str, Any]]]
) -> None:
    answers = [(words, "answer", one["answer"]) for words, one in seen.items()]
    outcomes = {outcome.value for outcome in Outcome}
    for words, risk, said in (*cells, *answers):
        assert said["status"] in {200, 202, 401, 403, 409, 429, 503}, (words, risk)
        assert said["outcome"] in outcomes, (words, risk)
        assert bool(said["after"]) == (said["outcome"] == "retry"), (words, risk)


def test_every_way_ends_and_nobody_goes_in_a_circle(seen: dict[str, Any]) -> None:
    for words, one in seen.items():
        assert one["way"][-1].startswith(ENDS), words


def test_only_a_pass_verifies_and_only_who_is_verified_gets_at_what_matters(
    cells: list[tuple[str, str, dict[str, Any]]],
) -> None:
    for words, risk, cell in cells:
        if cell["state"] == "verified":
            assert any(part in words for part in PASSES) or "proved already" in words, words
        if risk.startswith(("sensitive", "high")):
            assert (cell["outcome"] == "allow") == (cell["state"] == "verified"), (words, risk)


def test_an_outage_is_nobodys_fault_and_says_when_to_come_back(seen: dict[str, Any]) -> None:
    down = {words: one for words, one in seen.items() if one["state"] == "unavailable"}
    assert len(down) > 20
    for words, one in down.items():
        assert one["cells"]["routine, read"]["outcome"] == "allow", words
        assert (one["answer"]["status"], one["answer"]["after"]) == (503, 30), words
        assert one["way"][:2] == ["waits 30 s", "proves it by `default`"], words


def test_whoever_is_in_doubt_lifts_nothing_of_others(cells: list[tuple[str, str, dict[str, Any]]]) -> None:
    for words, risk, cell in cells:
        if risk == "staff":
            doubtful = cell["state"] in {"ambiguous", "failed", "exhausted"}
            assert cell["outcome"] == ("deny" if doubtful else "allow"), words


def test_doubt_in_one_session_opens_the_other_way_in_another(seen: dict[str, Any]) -> None:
    (one,) = (one for words, one in seen.items() if "in another session" in words)
    assert (one["state"], one["answer"]["methods"]) == ("ambiguous", ("alternate",))


def test_an_answer_that_comes_too_late_is_later_than_any_is_waited_for() -> None:
    leases = [
        lease for shape in SHAPES for lease in policy_of(policy(shape, "http://127.0.0.1:9")).answer_timeouts.values()
    ]
    assert max(leases) < LEASE


def test_an_outage_of_the_other_way_is_told_as_one_and_leaves_the_doubt(seen: dict[str, Any]) -> None:
    (one,) = (one for words, one in seen.items() if "the other way is unreachable" in words)
    assert (one["state"], one["answer"]["status"], one["answer"]["after"]) == ("ambiguous", 503, 30)
    assert one["way"] == ["proves it by `alternate`", "allow"]
