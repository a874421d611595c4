"""Two processes, 64 requests in each at once, one customer: one winner, nothing lost, every line and budget kept."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from authguard.audit.chain_file import chain_paths
from authguard.audit.verify.log_verifier import verify
from authguard.core.snapshot import AccountRecord, LedgerRecord, SessionRecord, TransactionRecord
from authguard.policy.compiler import load
from tests.faults import disk_state
from tests.faults.app import LOG, runs
from tests.faults.program_runner import folder, run
from tests.faults.race_program import CONCURRENT, PROCESSES, PURCHASES, RACES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ALL = PROCESSES * CONCURRENT


@pytest.fixture(scope="module")
def races() -> Iterator[tuple[Path, dict[str, Any]]]:
    with folder() as place:
        yield place / "race_program-0", run("race_program", place, [list(RACES)])


class Race:
    """One race that was run: what the callers got, and what is on the disk, which is the current folder."""

    def __init__(self, name: str, seen: list[Any]) -> None:
        bought = PROCESSES * PURCHASES
        self.asked = {"budget": bought, "shared": bought, "approved": bought + 1}.get(name, ALL)
        self.replies = sum((Counter(process["replies"]) for process in seen), Counter[str]())
        self.replaced = sum((Counter(process["replaced"]) for process in seen), Counter[str]())
        lines = [
            json.loads(line) for chain in chain_paths(LOG) if chain.exists() for line in chain.read_bytes().splitlines()
        ]
        withdrawn = {record for line in lines if line["kind"] == "withdrawn" for record in line["records"]}
        self.ids = [line["id"] for line in lines]
        self.standing = [line for line in lines if line["id"] not in withdrawn]
        self.records = disk_state.rows()

    def of(self, kind: str) -> list[dict[str, Any]]:
        """List the standing lines of one kind."""
        return [line for line in self.standing if line["kind"] == kind]

    def moves(self, machine: str) -> Counter[tuple[str, str]]:
        """Count the standing transitions of one machine."""
        return Counter((line["source"], line["dest"]) for line in self.of("transition") if line["machine"] == machine)


@pytest.fixture
def race(races: tuple[Path, dict[str, Any]], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Race:
    place, found = races
    monkeypatch.chdir(place / request.param)
    return Race(request.param, found[request.param])


def only(race: Race, kind: type[Any]) -> Any:
    """Give the one record of a kind."""
    (found,) = [record for record in race.records.values() if isinstance(record, kind)]
    return found


def each(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("race", names, indirect=True)


@each(*RACES)
def test_every_line_of_both_chains_verifies_and_has_a_unique_id(race: Race) -> None:
    verification = verify(LOG)
    assert verification.ok
    assert (len(verification.chains), verification.repairs) == (PROCESSES, 0)
    assert len(set(race.ids)) == len(race.ids)


@each(*RACES)
def test_every_request_has_exactly_one_decision_that_stands(race: Race) -> None:
    assert len(race.of("decision")) == race.replies.total() == race.asked
    assert race.of("fault") == []
    assert set(race.replies) <= {"200 ran", "200 ", "409 retry", "202 hold", "401 terminate"}


@each(*RACES)
def test_no_update_is_lost(race: Race) -> None:
    assert {name: record.version for name, record in race.records.items()} == dict(race.replaced)


@each(*(name for name in RACES if name != "shared"))  # there four customers have a path each
def test_the_valid_transitions_form_one_path_from_the_start_to_the_stored_state(race: Race) -> None:
    initial = load("standard").initial
    standing = disk_state.standing(race.records)
    for machine in ("service", "account", "session", "verification"):
        balance: Counter[str] = Counter()
        for (source, dest), times in race.moves(machine).items():
            balance.update({source: times})
            balance.subtract({dest: times})
        now = next((state for (_, name), state in standing.items() if name == machine), initial[machine])
        balance.subtract({initial[machine]: 1})
        balance.update({now: 1})
        assert not any(balance.values()), (machine, race.moves(machine))


@each("first_sight")
def test_a_new_customer_is_created_once(race: Race) -> None:
    assert race.replies == {"200 ran": ALL}
    assert race.moves("session") == {("absent", "active"): 1}
    assert only(race, SessionRecord).version == 1


@each("one_refund")
def test_of_all_who_ask_for_one_refund_one_reaches_the_app(race: Race) -> None:
    assert len(runs()) == 1
    assert race.moves("transaction") == {("none", "running"): 1, ("running", "done"): 1}
    (run_by,) = [line for line in race.of("decision") if line["outcome"] == "allow"]
    assert runs() == [(run_by["id"], "k1")]


@each("approved")
def test_of_two_hundred_who_run_one_approved_transaction_exactly_one_reaches_the_app(race: Race) -> None:
    assert len(runs()) == 1
    path = (("none", "held"), ("held", "approved"), ("approved", "running"), ("running", "done"))
    assert race.moves("transaction") == dict.fromkeys(path, 1)


@each("budget")
def test_of_two_hundred_purchases_exactly_the_ten_that_fit_reach_the_app(race: Race) -> None:
    assert race.replies == {"200 ran": 10, "202 hold": PROCESSES * PURCHASES - 10}
    assert len({key for _, key in runs()}) == len(runs()) == 10
    assert [spent.amount for spent in only(race, AccountRecord).ledger] == ["100"] * 10
    states = Counter(record.state for record in race.records.values() if isinstance(record, TransactionRecord))
    assert states == {"done": 10, "held": PROCESSES * PURCHASES - 10}


@each("shared")
def test_of_two_hundred_purchases_by_four_customers_the_ten_that_all_may_make_reach_the_app(race: Race) -> None:
    assert race.replies == {"200 ran": 10, "202 hold": PROCESSES * PURCHASES - 10}
    assert len({key for _, key in runs()}) == len(runs()) == 10
    ledgers = [record.ledger for record in race.records.values() if isinstance(record, LedgerRecord)]
    assert sum(len(ledger) == 10 for ledger in ledgers) >= 5
    assert sum(map(len, ledgers)) == 60, "one for each of the six, and for each actor their own"


@each("reports")
def test_every_report_of_doubt_counts(race: Race) -> None:
    assert race.replies == {"200 ran": ALL}
    assert only(race, AccountRecord).tallies["verification"].count == ALL


@each("statuses")
def test_the_newest_claim_wins_in_any_order(race: Race) -> None:
    assert race.replies.total() == ALL
    # at the same moment one process brings `ok` and the other `kid`: the stricter one holds
    assert only(race, AccountRecord).state == "minor"


@each("sign_outs")
def test_a_session_ends_once_and_is_never_revived(race: Race) -> None:
    assert race.moves("session") == {("absent", "active"): 1, ("active", "revoked"): 1}
    assert only(race, SessionRecord).state == "revoked"
