"""Growth of cost with sessions, tokens, rules, operations, the log's length and concurrent requests.

``make bench-growth`` draws it. Each run compares the guarded app with the bare one, by the processor time of the event
loop's thread; the plots show the ratio to the bare app's request. Whether a cost is flat is a row of its own: the last
step's request over the first one's, in one run.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path
from time import perf_counter, thread_time
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from authguard.credentials.cache import MAX_ENTRIES
from authguard.policy.checks.registry import run_checks
from authguard.policy.loading.loader import load_draft
from authguard.stores.sqlite import SqliteStore
from benchmarks.footprint import example, fill, signed_in
from benchmarks.plot import svg
from benchmarks.rounds import Case, Times, play
from benchmarks.table import Row, markdown, publish
from benchmarks.warm import NOW, Requests, UnfairError, asgi, show
from benchmarks.world import PATH, POLICY, StillClock, World, answer, bare, receive, request, send

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request

    from authguard import AuthGuard
    from authguard.core.snapshot import Snapshot
    from benchmarks.world import App, Scope

    Line = list[tuple[float, float]]
    Lines = dict[str, Line]

DOCS: Final = Path(__file__).resolve().parents[1] / "docs"
BARE: Final = "times the bare app's request"
#: records per customer
RECORDS: Final = 2
#: how much more the last step may cost than the first: as much as two equal apps differ on a shared machine
FLAT: Final = 1.25
FLAT_AIM: Final = 1.1
#: the same for tokens, since more of them leave the processor's caches
CACHES: Final = 1.6
CACHES_AIM: Final = 1.3
#: eight, seven, three, three and three values make 1,512 different cells
CELLS: Final = (
    ("normal", "dormant", "minor", "delegated", "restricted", "locked", "suspended", "closed"),
    ("unverified", "pending", "verified", "ambiguous", "failed", "unavailable"),
    ("same", "switched", "unknown"),
    ("within", "exceeded", "unmeasured"),
    ("met", "insufficient", "stale"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """Sizes of the measured steps.

    Attributes:
        sessions: sessions in the store.
        rules: rules before the standard ones.
        tokens: live tokens, used in random order.
        operations: operations of the policy.
        lines: lines of the log before the measured requests.
        at_once: concurrent requests.
        active: tokens in use.
        rounds: rounds, in each of which every case runs.
        size: requests per round.
    """

    sessions: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000)
    rules: tuple[int, ...] = (10, 100, 300, 1_000)
    tokens: tuple[int, ...] = (1_000, 10_000, 60_000, 100_000)
    operations: tuple[int, ...] = (10, 100, 300, 990)
    lines: tuple[int, ...] = (1_000, 10_000, 100_000, 400_000)
    at_once: tuple[int, ...] = (1, 10, 100, 1_000)
    active: int = 400
    rounds: int = 40
    size: int = 400


async def by_sessions(steps: Steps, folder: Path, stack: AsyncExitStack) -> tuple[Lines, list[Row]]:
    """Fill the stores with other sessions, and request with the active ones."""
    nothing, like = await example(_folder(folder, "example"))
    like = replace(like, service=nothing.service)
    cases = [asgi("bare", bare(), Requests(["-"]).some)]
    for number in steps.sessions:
        world = World.create(_folder(folder, f"sessions-{number}"))
        tokens = world.tokens(steps.active, first=max(steps.sessions))
        clock = StillClock(world.began + NOW)
        remembering = await stack.enter_async_context(world.guarded("memory", clock))
        await show(remembering, tokens)
        await _fill_memory(remembering, nothing, like, number - RECORDS * steps.active - 1)
        path = world.folder / "store.db"
        await _make(path)
        fill(path, nothing, like, number, accounts=False)
        writing = await stack.enter_async_context(world.guarded("sqlite", clock, store=path))
        await show(writing, tokens)
        cases += [
            asgi(f"memory {number}", remembering, Requests(tokens).some),
            asgi(f"SQLite {number}", writing, Requests(tokens).some),
        ]
    times = await play(cases, rounds=steps.rounds, size=steps.size, clock=thread_time)
    stores = ("memory", "SQLite")
    return (
        {store: _line(times, store, steps.sessions) for store in stores},
        [_flat(f"sessions, {store}", times, store, steps.sessions) for store in stores],
    )


async def by_tokens(steps: Steps, folder: Path, stack: AsyncExitStack) -> tuple[Lines, list[Row]]:
    """Use live tokens in random order: tokens beyond the size of the cache are checked again."""
    world = World.create(_folder(folder, "tokens"))
    tokens = world.tokens(max(steps.tokens))
    cases = [asgi("bare", bare(), Requests(["-"]).some)]
    for number in steps.tokens:
        guarded = await stack.enter_async_context(world.guarded(f"tokens-{number}", StillClock(world.began + NOW)))
        await show(guarded, tokens[:number], times=2 if number <= MAX_ENTRIES else 1)
        cases.append(asgi(f"guarded {number}", guarded, Requests(tokens[:number]).some))
    times = await play(cases, rounds=steps.rounds, size=steps.size, clock=thread_time)
    kept = [number for number in steps.tokens if number <= MAX_ENTRIES]
    row = _flat("tokens within the cache", times, "guarded", kept, limits=(CACHES, CACHES_AIM))
    return {"guarded": _line(times, "guarded", steps.tokens)}, [row]


async def by_rules(steps: Steps, folder: Path, stack: AsyncExitStack) -> tuple[Lines, list[Row], Lines]:
    """Add rules before the standard ones: the cost of a warm request, and of the proof."""
    cases = [asgi("bare", bare(), Requests(["-"]).some)]
    proofs: Line = []
    for number in steps.rules:
        world = World.create(_folder(folder, f"rules-{number}"), with_rules(number))
        tokens = world.tokens(steps.active)
        guarded = await stack.enter_async_context(world.guarded("rules", StillClock(world.began + NOW)))
        await show(guarded, tokens)
        cases.append(asgi(f"warm {number}", guarded, Requests(tokens).some))
        proofs.append((number, _proof(world.folder / "policy.yaml")))
    times = await play(cases, rounds=steps.rounds, size=steps.size, clock=thread_time)
    flat = [_flat("rules", times, "warm", steps.rules)]
    return {"warm": _line(times, "warm", steps.rules)}, flat, {"proof": proofs}


async def by_operations(steps: Steps, folder: Path, stack: AsyncExitStack) -> tuple[Lines, list[Row]]:
    """Add many operations, and request the last one, which has a path parameter."""
    anything = Starlette(routes=[Route("/{rest:path}", answer)])
    cases = [asgi("bare", anything, lambda number: [request(path="/op-0/7") for _ in range(number)])]
    for number in steps.operations:
        world = World.create(_folder(folder, f"operations-{number}"), with_operations(number))
        token = world.tokens(1)[0].encode()
        path = f"/op-{number - 1}/7"
        opening = world.guarded("operations", StillClock(world.began + NOW), app=anything)
        guarded = await stack.enter_async_context(opening)
        await guarded(request(token, path=path), receive, send)

        def prepare(size: int, token: bytes = token, path: str = path) -> list[Scope]:
            return [request(token, path=path) for _ in range(size)]

        cases.append(asgi(f"last {number}", guarded, prepare))
    times = await play(cases, rounds=steps.rounds, size=steps.size, clock=thread_time)
    flat = [_flat("operations", times, "last", steps.operations)]
    return {"the last operation": _line(times, "last", steps.operations)}, flat


async def by_log_length(steps: Steps, folder: Path, stack: AsyncExitStack) -> tuple[Lines, list[Row]]:
    """Write lines to the log of each app by warm requests, and measure the requests after them."""
    world = World.create(_folder(folder, "lines"))
    tokens = world.tokens(steps.active)
    cases = [asgi("bare", bare(), Requests(["-"]).some)]
    for number in steps.lines:
        guarded = await stack.enter_async_context(world.guarded(f"lines-{number}", StillClock(world.began + NOW)))
        await show(guarded, tokens)
        requests = Requests(tokens)
        for start in range(0, number, steps.size):
            for scope in requests.some(min(steps.size, number - start)):
                await guarded(scope, receive, send)
        cases.append(asgi(f"warm {number}", guarded, requests.some))
    times = await play(cases, rounds=steps.rounds, size=steps.size, clock=thread_time)
    return {"warm": _line(times, "warm", steps.lines)}, [_flat("lines of the log", times, "warm", steps.lines)]


async def by_requests(steps: Steps, folder: Path, stack: AsyncExitStack) -> tuple[Lines, list[Row]]:
    """Run many concurrent requests in an app that waits.

    What a thousand requests hold survives Python's collections of the young, so full ones come, and walk the whole
    process. They are the bare app's too: each batch begins after a collection, and the row is what the guard adds.
    """
    world = World.create(_folder(folder, "requests"))
    tokens = world.tokens(steps.active)

    async def wait(_: Request) -> Response:
        await asyncio.sleep(0)
        return PlainTextResponse("ok")

    waiting = Starlette(routes=[Route(PATH, wait)])
    opening = world.guarded("requests", StillClock(world.began + NOW), app=waiting)
    guarded = await stack.enter_async_context(opening)
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
    times = await play(cases, rounds=steps.rounds, size=steps.size, clock=thread_time)
    line = [(number, times.ratio(f"guarded {number}", f"bare {number}").middle) for number in steps.at_once]
    return {"guarded": line}, [_flat("concurrent requests, less bare", times, "guarded", steps.at_once, base="bare")]


def _together(name: str, app: App, requests: Requests, number: int) -> Case:
    def prepare(size: int) -> list[Scope]:
        batch = requests.some(size)
        gc.collect()
        return batch

    async def run(batch: Sequence[Scope]) -> None:
        for start in range(0, len(batch), number):
            await asyncio.gather(*(app(scope, receive, send) for scope in batch[start : start + number]))

    return Case(name, prepare, run, max(number, 100))


def with_rules(number: int) -> str:
    """Return a policy with a number of added rules, each the first match of some cell."""
    lines = [
        f"  - {{when: {{risk: high, session: active, account: {account}, verification: {verification}, "
        f"channel_change: {channel}, limit: {limit}, assurance: {assurance}}}, do: to_a_person}}\n"
        for account, verification, channel, limit, assurance in islice(product(*CELLS), number)
    ]
    return f"{POLICY}decisions:\n{''.join(lines)}"


def with_operations(number: int) -> str:
    """Return a policy with a number of operations."""
    before, after = POLICY.split("operations:\n")
    lines = [
        f"  - {{name: op-{index}, match: {{path: '/op-{index}/{{id}}', method: GET}}, risk: routine, effect: read}}\n"
        for index in range(number)
    ]
    rest = after[after.index("otherwise:") :]
    return f"{before}operations:\n{''.join(lines)}{rest}"


def draw(path: Path, title: str, across: str, up: str, lines: Lines) -> None:
    """Write one plot to a file."""
    path.write_text(svg(title, across, up, lines), "utf-8")
    print(title, lines, flush=True)


def _flat(
    what: str,
    times: Times,
    name: str,
    numbers: Sequence[int],
    *,
    base: str = "",
    limits: tuple[float, float] = (FLAT, FLAT_AIM),
) -> Row:
    """Compare the last step with the first, within each round, each less its case of `base` if one is named."""
    first, last = numbers[0], numbers[-1]
    bases = (f"{base} {last}", f"{base} {first}") if base else ("", "")
    ratio = times.ratio(f"{name} {last}", f"{name} {first}", base=bases[0], to_base=bases[1])
    return Row.of(f"{last:,} / {first:,} {what}", ratio, *limits)


def _proof(path: Path) -> float:
    draft = load_draft(path).draft
    if draft is None:
        raise UnfairError("the policy cannot be read")
    start = perf_counter()
    run_checks(draft)
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
    store = guarded.enforcer.repository.store
    for keys, snapshot in signed_in(like, max(0, number), accounts=False):
        await store.commit(keys, nothing, snapshot)


async def main(steps: Steps, docs: Path = DOCS) -> list[Row]:
    """Measure and draw everything; return the rows that say what is flat."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sessions, rows = await by_sessions(steps, folder, stack)
        draw(docs / "growth-sessions.svg", "Sessions in the store", "sessions", BARE, sessions)
        tokens, flat = await by_tokens(steps, folder, stack)
        rows += flat
        draw(docs / "growth-tokens.svg", "Live tokens in random order", "tokens", BARE, tokens)
        rules, flat, proofs = await by_rules(steps, folder, stack)
        rows += flat
        draw(docs / "growth-rules.svg", "Rules in front of the standard ones", "rules", BARE, rules)
        draw(docs / "growth-proof.svg", "The proof of a policy", "rules", "milliseconds", proofs)
        operations, flat = await by_operations(steps, folder, stack)
        rows += flat
        draw(docs / "growth-operations.svg", "Operations in the policy", "operations", BARE, operations)
        lines, flat = await by_log_length(steps, folder, stack)
        rows += flat
        draw(docs / "growth-lines.svg", "Lines of the log", "lines", BARE, lines)
        at_once, flat = await by_requests(steps, folder, stack)
        rows += flat
        draw(docs / "growth-requests.svg", "Requests at once", "requests under way", BARE, at_once)
    return rows


def run() -> int:
    """Measure everything, write the rows into the page, and return 1 if a cost that should be flat is not."""
    rows = asyncio.run(main(Steps()))
    text = markdown(rows)
    print(text)
    publish(DOCS / "performance.md", text, "make bench-growth")
    return int(any(row.reached == "none" for row in rows))


if __name__ == "__main__":
    sys.exit(run())
