"""Every benchmark runs once with tiny counts, so that none can rot; what its times are worth is not asked here."""

from __future__ import annotations

import asyncio
import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import pytest

from authguard.records.chain import IntactChain, verify_chain
from benchmarks import asking, footprint, growth, log, stages, stalls, verifying
from benchmarks.checkpoints import cost_of, year
from benchmarks.costs import costs
from benchmarks.credentials import first_sights, rows_of_credentials
from benchmarks.measure import (
    Scale,
    end_to_end,
    footprints,
    in_process,
    on_change,
    own_peers,
    rows_in_process,
    rows_of_times,
    starts,
)
from benchmarks.plot import svg
from benchmarks.rounds import Case, Spread, Times, play
from benchmarks.senders import rows_of_senders, senders
from benchmarks.table import Row, markdown, publish, to_json
from benchmarks.transactions import high_writes, parts, queues
from benchmarks.warm import UnfairError, Unseen, see_refused, show
from benchmarks.world import StillClock, World, bare

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.world import App

TINY = Scale(
    tokens=3,
    rounds=2,
    size=2,
    cold=1,
    changes=1,
    held=20,
    turns=2,
    seconds=0.05,
    sessions=50,
    starts=1,
    loop="asyncio",
    http="h11",
)
STEPS = growth.Steps(
    sessions=(10, 20),
    tokens=(1, 2),
    rules=(1, 2),
    operations=(1, 2),
    lines=(1, 2),
    at_once=(1, 2),
    active=2,
    rounds=2,
    size=2,
)


def peers(world: World) -> dict[str, App]:
    return own_peers(world, msgspec.json.encode)


async def test_the_guarded_app_is_timed_beside_the_limit_and_the_peers() -> None:
    times, asked = await in_process(TINY, peers)

    rows = rows_in_process(times, asked)
    assert asked == ("middleware", "cached", "stitched", "HTTPBearer")
    assert {row.what for row in rows if row.must} >= {
        "warm / the limit",
        "warm / the limit, default store",
        "warm, one token over and over / its limit",
        "first sight of a session / `jwt.decode`, default store",
        "warm / stitched by hand",
        "first sight of a token / `jwt.decode`",
        "recorded refusal / the bare app's 200",
    }
    assert all(len(series) == TINY.rounds for series in times.rounds.values())
    assert {row.unit for row in rows_of_times(times, asked)} == {"us"}


async def test_a_change_of_state_is_timed_beside_two_statements() -> None:
    rows = await on_change(TINY)

    assert rows[0].value > 0


async def test_a_high_write_is_timed_beside_its_two_transactions_and_queues_are_listed() -> None:
    writes = await high_writes(TINY.rounds, TINY.changes)
    lists = await queues(TINY.turns, TINY.held)

    assert writes[0].must == 2.5
    assert all(row.value > 0 for row in (*writes, *lists, *parts(TINY.rounds)))
    assert [row.unit for row in lists] == ["ms"] * 6


async def test_the_first_sight_of_a_token_is_timed_beside_pyjwt_and_a_flood_is_measured() -> None:
    times = await first_sights(rounds=2, size=1)
    rows = rows_of_credentials(times, 8, 3)

    assert [row.unit for row in rows] == ["x", "x", "x", "MB", "bytes"]
    assert all(row.value > 0 for row in rows[:3])


async def test_bound_and_opaque_tokens_are_timed_beside_bare_checks_and_jwts() -> None:
    rows = rows_of_senders(await senders(rounds=2, size=1))

    assert [row.must for row in rows] == [1.3, 0.0, 1.05]
    assert all(row.value > 0 for row in rows)


async def test_every_other_cost_is_timed_beside_its_writes_or_the_bare_app() -> None:
    rows = await costs(rounds=2, size=1, many=1)

    assert all(row.must and row.value > 0 for row in rows)
    assert {row.what.partition(" ")[0] for row in rows} == {
        "hold",
        "approval",
        "hand-off",
        "verification",
        "WebSocket",
        "metadata",
    }


async def test_a_warm_request_is_sampled_by_stage() -> None:
    rows = await stages.stages(2, 200, size=100)

    assert [row.what.rpartition(",")[0] for row in rows] == list(stages.NAMES)


def test_samples_are_sorted_into_the_stages_of_a_request() -> None:
    sorted_as = {
        "match": ("evaluation/resolver.py:Resolver.find", "return None"),
        "read headers": ("asgi/evidence.py:read_evidence", "for name, value in headers:"),
        "credential": ("credentials/jwt_validator.py:JwtValidator.get_cached", "found = self._cache.get(key)"),
        "look up": ("runtime/decision_cache.py:DecisionCache.get", "entry = found.get(key)"),
        "versions": ("runtime/decision_cache.py:DecisionCache.get", "if store.peek_versions(keys) != versions:"),
        "record": ("audit/write/jsonl.py:JsonlSink._write", "self._head = sha256(line).hexdigest()"),
        "write": ("audit/write/jsonl.py:JsonlSink._write", "written = os.write(fd, line)"),
        "build for the app": ("asgi/user.py:build_user", "return User(principal)"),
        stages.OTHER: ("middleware.py:AuthGuard.__call__", "await self._serve(scope, receive, send)"),
    }

    assert {name: stages.stage_of(*where) for name, where in sorted_as.items()} == {name: name for name in sorted_as}
    assert {*sorted_as, stages.APP} == set(stages.NAMES)


def test_a_short_run_is_smaller_in_everything() -> None:
    whole, short = Scale(), Scale.of(12)

    assert (short.rounds, short.tokens, short.sessions, short.held) == (12, 2_000, 100_000, 10_000)
    assert Scale.of(whole.rounds) == whole


def test_rows_are_written_as_json_with_their_limits_and_spread() -> None:
    spread = Spread(2.0, 1.5, 2.5)
    text = to_json({"ratios": [Row.of("a", spread, 3.0, 1.0), Row(what="b", value=5.0, unit="us")]})

    limited, informing = json.loads(text)["ratios"]
    assert limited == {
        "row": "a",
        "value": 2.0,
        "unit": "x",
        "spread": [1.5, 2.5],
        "must": 3.0,
        "aim": 1.0,
        "better": "less",
        "reached": "must",
    }
    assert (informing["must"], informing["aim"], informing["reached"]) == (None, None, None)


async def test_requests_are_timed_while_verifications_hang_and_refusals_beside_each_other() -> None:
    hung = await verifying.beside_hanging(rounds=2, size=2, wanted=3)
    rows = verifying.rows_of_verifying(hung, await verifying.refusals(rounds=2, size=2), 3)

    assert [row.must for row in rows] == [1.5, 0.0, 0.0, 0.0, 0.0]
    assert all(row.value > 0 for row in rows)


async def test_the_longest_turn_of_the_loop_is_measured_for_every_body() -> None:
    assert len(await stalls.measure(rounds=1)) == 2 * len(stalls.BODIES)


def test_four_servers_are_loaded_in_turn() -> None:
    rows = end_to_end(replace(TINY, tokens=2))

    assert all(row.value > 0 for row in rows)
    assert [row.must for row in rows] == [0.7, 0.78, 2.5, 0.0, 0.0, 0.0, 0.0]


def test_what_a_session_takes_is_measured_in_both_stores() -> None:
    rows = footprints(TINY)

    assert len(rows) == 4
    assert all("50 sessions" in row.what for row in rows)


async def test_the_million_sessions_are_the_guards_own_records(tmp_path: Path) -> None:
    nothing, like = await footprint.example(tmp_path)

    assert nothing.states() == ("live", "unknown", "absent", "unverified", "none")
    assert like.states() == ("live", "normal", "active", "verified", "none")


def test_proof_command_and_import_are_timed() -> None:
    assert [row.unit for row in starts(TINY)] == ["ms"] * 5


async def test_a_record_is_timed_beside_a_bare_one_and_a_group_beside_a_bare_group(tmp_path: Path) -> None:
    rows = await log.measure(tmp_path, rounds=2, size=log.GROUP)

    assert [row.must for row in rows] == [0.0, log.APPEND, log.APPEND, 0.0, log.APPEND, 0.0, log.SHARE]
    assert all(row.value > 0 for row in rows)
    for name in ("append", "again", "signed", "announced", "group"):
        assert isinstance(
            verify_chain((tmp_path / f"{name}.jsonl").read_bytes().splitlines(keepends=True)), IntactChain
        )


def test_questions_to_a_long_log_are_timed_and_its_records_are_the_policys_own(tmp_path: Path) -> None:
    rows = asking.measure(600, asking.here, tmp_path)

    assert {row.what for row in rows if row.must} >= {
        "index made anew",
        "one session",
        "`verify` / slicing and hashing",
    }
    assert all(row.value > 0 for row in rows)


def test_growth_is_measured_and_drawn(tmp_path: Path) -> None:
    rows = asyncio.run(growth.main(STEPS, tmp_path))

    assert len(rows) == 7
    assert all(row.must and row.value > 0 for row in rows)
    drawn = {path.stem: ET.fromstring(path.read_text("utf-8")) for path in tmp_path.iterdir()}  # noqa: S314 - our own
    assert {name.removeprefix("growth-") for name in drawn} == {
        "lines",
        "operations",
        "proof",
        "requests",
        "rules",
        "sessions",
        "tokens",
    }
    assert all(tree.tag.endswith("svg") for tree in drawn.values())


async def test_an_app_that_refuses_what_should_pass_is_not_timed(tmp_path: Path) -> None:
    world = World.create(tmp_path)
    async with world.guarded("audit", StillClock(world.began + 1)) as guarded:
        with pytest.raises(UnfairError, match="401"):
            await show(guarded, ["no-token"])


async def test_an_app_that_lets_anybody_in_is_not_timed_as_a_peer() -> None:
    with pytest.raises(UnfairError, match="200"):
        await see_refused(bare(), [401])


def test_a_token_is_never_first_seen_twice() -> None:
    unseen = Unseen(["a", "b"])

    assert len(unseen.some(2)) == 2
    with pytest.raises(UnfairError):
        unseen.some(1)


async def test_every_case_takes_its_turn_in_every_round_and_the_order_turns() -> None:
    order: list[str] = []

    def case(name: str) -> Case:
        async def run(batch: object) -> None:
            del batch
            order.append(name)

        return Case(name, lambda number: [0] * number, run)

    await play([case("a"), case("b")], rounds=2, size=1)

    assert order == ["a", "b", "b", "a"]


def test_a_ratio_is_taken_within_each_round() -> None:
    times = Times({"bare": [1.0, 2.0, 3.0], "one": [3.0, 6.0, 9.0], "other": [2.0, 4.0, 6.0]})

    assert times.ratio("one", "other", base="bare", to_base="bare") == Spread(2.0, 2.0, 2.0)


@pytest.mark.parametrize(
    ("value", "more", "met"),
    [(1.0, False, "yes, and the aim"), (2.0, False, "yes"), (5.0, False, "**no**"), (5.0, True, "yes, and the aim")],
)
def test_a_row_says_whether_it_reaches_its_limits(value: float, more: bool, met: str) -> None:  # noqa: FBT001 - a case
    row = Row(what="x", value=value, must=4.0, aim=1.5 if not more else 4.5, more=more)

    assert row.met == met


def test_a_run_replaces_only_what_stands_between_the_markers(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- make bench: begin -->\nold\n<!-- make bench: end -->\nafter\n", "utf-8")

    publish(page, markdown([Row(what="x", value=1.0)]))

    text = page.read_text("utf-8")
    assert text.startswith("before\n")
    assert text.endswith("<!-- make bench: end -->\nafter\n")
    assert "old" not in text
    assert "| x " in text


def test_a_page_without_markers_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("words\n", "utf-8")

    with pytest.raises(ValueError, match="make bench"):
        publish(page, "x")
    assert page.read_text("utf-8") == "words\n"


def test_points_are_drawn_where_they_belong() -> None:
    drawing = svg("t", "a", "u", {"line": [(1, 0.0), (10, 5.0)]})

    assert 'points="64.0,268.0 410.0,44.0"' in drawing


def test_a_year_of_checkpoints_is_thinned_and_what_is_kept_is_verified(tmp_path: Path) -> None:
    written, kept, most = year(interval=600)
    assert len(kept) <= most <= 1_000 < written == 365 * 144
    took, size = cost_of(20, tmp_path)
    assert took > 0
    assert size > 0
