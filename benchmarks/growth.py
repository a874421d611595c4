"""How cost grows: with sessions, rules, operations and requests at once; ``python -m benchmarks.growth`` draws it.

Each is one run of the guarded app beside the bare one; what is drawn is how many times the bare app's request it costs.
"""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from authguard.policy.checks import check
from authguard.policy.reading import read_draft
from authguard.stores.sqlite import SqliteStore
from benchmarks.footprint import example, fill, signed_in
from benchmarks.plot import svg
from benchmarks.rounds import Case, Times, play
from benchmarks.warm import NOW, Requests, UnfairError, asgi, show
from benchmarks.world import PATH, POLICY, StillClock, World, answer, bare, receive, request, send

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request

    from authguard import AuthGuard
    from authguard.core.snapshot import Snapshot
    from benchmarks.world import App, Scope

    Line = list[tuple[float, float]]

DOCS: Final = Path(__file__).resolve().parents[1] / "docs"
BARE: Final = "times the bare app's request"
#: records that one customer has
RECORDS: Final = 2
ACCOUNTS: Final = [
    "normal",
    "dormant",
    "minor",
    "delegated",
    "restricted",
    "unrecognised",
    "locked",
    "suspended",
    "compromised",
    "merged",
]
VERIFICATIONS: Final = ["unverified", "pending", "verified", "ambiguous", "failed", "unavailable", "exhausted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """How far each goes.

    Attributes:
        sessions: in the store.
        rules: in front of the standard ones.
        operations: in the policy.
        at_once: requests that run together.
        active: tokens that are shown.
        rounds: in which each takes its turn.
        size: requests in a round.
    """

    sessions: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000)
    rules: tuple[int, ...] = (10, 100, 300, 1_000)
    operations: tuple[int, ...] = (10, 100, 1_000, 9_990)
    at_once: tuple[int, ...] = (1, 10, 100, 1_000)
    active: int = 400
    rounds: int = 40
    size: int = 400


async def by_sessions(steps: Steps, folder: Path) -> dict[str, Line]:
    """Fill the stores with sessions of others, and ask for the active ones."""
    nothing, like = await example(_folder(folder, "example"))
    like = replace(like, service=nothing.service)
    cases = [asgi("bare", bare(), Requests(["-"]).some)]
    for number in steps.sessions:
        world = World.create(_folder(folder, f"sessions-{number}"))
        tokens = world.tokens(steps.active, first=max(steps.sessions))
        clock = StillClock(world.began + NOW)
        remembering = world.guarded("memory", clock)
        await show(remembering, tokens)
        await _fill_memory(remembering, nothing, like, number - RECORDS * steps.active - 1)
        path = world.folder / "store.db"
        await _make(path)
        fill(path, nothing, like, number, accounts=False)
        writing = world.guarded("sqlite", clock, store=path)
        await show(writing, tokens)
        cases += [
            asgi(f"memory {number}", remembering, Requests(tokens).some),
            asgi(f"SQLite {number}", writing, Requests(tokens).some),
        ]
    times = await play(cases, rounds=steps.rounds, size=steps.size)
    return {store: _line(times, store, steps.sessions) for store in ("memory", "SQLite")}


async def by_rules(steps: Steps, folder: Path) -> tuple[dict[str, Line], dict[str, Line]]:
    """Put rules in front of the standard ones: what a warm request costs, and what the proof does."""
    cases = [asgi("bare", bare(), Requests(["-"]).some)]
    proofs: Line = []
    for number in steps.rules:
        world = World.create(_folder(folder, f"rules-{number}"), with_rules(number))
        tokens = world.tokens(steps.active)
        guarded = world.guarded("rules", StillClock(world.began + NOW))
        await show(guarded, tokens)
        cases.append(asgi(f"warm {number}", guarded, Requests(tokens).some))
        proofs.append((number, _proof(world.folder / "policy.yaml")))
    times = await play(cases, rounds=steps.rounds, size=steps.size)
    return {"warm": _line(times, "warm", steps.rules)}, {"proof": proofs}


async def by_operations(steps: Steps, folder: Path) -> dict[str, Line]:
    """Name many operations, and ask for the last one, which has a parameter in its path."""
    anything = Starlette(routes=[Route("/{rest:path}", answer)])
    cases = [asgi("bare", anything, lambda number: [request(path="/op-0/7") for _ in range(number)])]
    for number in steps.operations:
        world = World.create(_folder(folder, f"operations-{number}"), with_operations(number))
        token = world.tokens(1)[0].encode()
        path = f"/op-{number - 1}/7"
        guarded = world.guarded("operations", StillClock(world.began + NOW), app=anything)
        await guarded(request(token, path=path), receive, send)

        def prepare(size: int, token: bytes = token, path: str = path) -> list[Scope]:
            return [request(token, path=path) for _ in range(size)]

        cases.append(asgi(f"last {number}", guarded, prepare))
    times = await play(cases, rounds=steps.rounds, size=steps.size)
    return {"the last operation": _line(times, "last", steps.operations)}


async def by_requests(steps: Steps, folder: Path) -> dict[str, Line]:
    """Let many requests be under way at once, in an app that waits."""
    world = World.create(_folder(folder, "requests"))
    tokens = world.tokens(steps.active)

    async def wait(_: Request) -> Response:
        await asyncio.sleep(0)
        return PlainTextResponse("ok")

    waiting = Starlette(routes=[Route(PATH, wait)])
    guarded = world.guarded("requests", StillClock(world.began + NOW), app=waiting)
    await show(guarded, tokens)
    requests = Requests(tokens)
    cases = [
        case
        for number in steps.at_once
        for case in (
            _together(f"bare {number}", waiting, requests, number),
            _together(f"guarded {number}", guarded, requests, number),
        )
    ]
    times = await play(cases, rounds=steps.rounds, size=steps.size)
    return {
        "guarded": [(number, times.ratio(f"guarded {number}", f"bare {number}").middle) for number in steps.at_once]
    }


def _together(name: str, app: App, requests: Requests, number: int) -> Case:
    async def run(batch: Sequence[Scope]) -> None:
        for start in range(0, len(batch), number):
            await asyncio.gather(*(app(scope, receive, send) for scope in batch[start : start + number]))

    return Case(name, requests.some, run, max(number, 100))


def with_rules(number: int) -> str:
    """Write a policy with so many rules of its own, each of which some cell meets first."""
    cells = product(
        ACCOUNTS,
        VERIFICATIONS,
        ("same", "switched", "unknown"),
        ("within", "exceeded", "unmeasured"),
        ("met", "insufficient", "stale"),
    )
    lines = [
        f"  - {{when: {{risk: high, session: active, account: {account}, verification: {verification}, "
        f"channel: {channel}, limit: {limit}, assurance: {assurance}}}, do: refuse}}\n"
        for account, verification, channel, limit, assurance in islice(cells, number)
    ]
    return f"{POLICY}decisions:\n{''.join(lines)}"


def with_operations(number: int) -> str:
    """Write a policy with so many operations."""
    before, after = POLICY.split("operations:\n")
    lines = [
        f"  - {{name: op-{index}, match: {{path: '/op-{index}/{{id}}', method: GET}}, risk: routine, effect: read}}\n"
        for index in range(number)
    ]
    rest = after[after.index("otherwise:") :]
    return f"{before}operations:\n{''.join(lines)}{rest}"


def draw(name: str, title: str, across: str, up: str, lines: dict[str, Line]) -> None:
    """Draw one plot into the docs."""
    (DOCS / f"growth-{name}.svg").write_text(svg(title, across, up, lines), "utf-8")
    print(title, lines)


def _proof(path: Path) -> float:
    draft = read_draft(path).draft
    if draft is None:
        raise UnfairError("the policy cannot be read")
    start = perf_counter()
    check(draft)
    return (perf_counter() - start) * 1000


def _line(times: Times, name: str, numbers: Sequence[int]) -> Line:
    return [(number, times.ratio(f"{name} {number}", "bare").middle) for number in numbers]


def _folder(folder: Path, name: str) -> Path:
    made = folder / name
    made.mkdir()
    return made


async def _make(path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    await store.close()


async def _fill_memory(guarded: AuthGuard, nothing: Snapshot, like: Snapshot, number: int) -> None:
    store = guarded.enforcer.standing.store
    for keys, snapshot in signed_in(like, max(0, number), accounts=False):
        await store.commit(keys, nothing, snapshot)


async def main(steps: Steps) -> None:
    """Measure and draw everything."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        draw("sessions", "Sessions in the store", "sessions", BARE, await by_sessions(steps, folder))
        requests, proofs = await by_rules(steps, folder)
        draw("rules", "Rules in front of the standard ones", "rules", BARE, requests)
        draw("proof", "The proof of a policy", "rules", "milliseconds", proofs)
        draw("operations", "Operations in the policy", "operations", BARE, await by_operations(steps, folder))
        draw("requests", "Requests at once", "requests under way", BARE, await by_requests(steps, folder))


if __name__ == "__main__":
    asyncio.run(main(Steps()))
