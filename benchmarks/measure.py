"""The parts of a benchmark run: each runs its cases in alternation and returns its rows of the table."""

from __future__ import annotations

import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from benchmarks import footprint, startup
from benchmarks.changes import changed, changing, two_statements
from benchmarks.fastapis import fastapi_bare, fastapi_bearer
from benchmarks.rounds import play
from benchmarks.served import WORKED, play_served
from benchmarks.stitched import Stitched
from benchmarks.table import Row
from benchmarks.warm import (
    FEW,
    NOW,
    REFRESHED,
    Requests,
    UnfairError,
    asgi,
    guarded_cases,
    last_line,
    limit_of,
    public_key,
    see_refused,
    show,
    starlette_peers,
)
from benchmarks.world import StillClock, World, bare

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmarks.rounds import Spread, Times
    from benchmarks.stitched import Encode
    from benchmarks.world import App

    Peers = Callable[[World], Mapping[str, App]]

#: peers with a token cache, which sees every token before the clock starts
REMEMBERING: Final = frozenset({"cached", "stitched"})
#: peers with FastAPI's bare app
ON_FASTAPI: Final = frozenset({"HTTPBearer", "fastapi-users"})
REFUSALS: Final = (400, 401, 403)
#: a folder in memory, on systems that have it
NO_DISK: Final = Path("/dev/shm")  # noqa: S108 - a folder of the run's own is made in it


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Sizes of a run.

    Attributes:
        tokens: live tokens of the warm path.
        rounds: rounds, in each of which every case runs.
        size: requests of a case per round.
        cold: requests of a cold case per round.
        changes: requests that change state per round.
        held: waiting transactions.
        turns: load phases per server.
        seconds: length of a load phase.
        sessions: sessions in the stores.
        starts: process starts.
        loop: uvicorn's event loop.
        http: uvicorn's HTTP parser.
    """

    tokens: int = 20_000
    rounds: int = 120
    size: int = 400
    cold: int = 20
    changes: int = 10
    held: int = 100_000
    turns: int = 12
    seconds: float = 0.7
    sessions: int = 1_000_000
    starts: int = 15
    loop: str = "uvloop"
    http: str = "httptools"


def own_peers(world: World, encode: Encode) -> dict[str, App]:
    """Return the peers without packages beyond those of development."""
    key = public_key(world)
    peers: dict[str, App] = {
        "stitched": Stitched(bare(), key, world.folder / "stitched.jsonl", encode),
        "HTTPBearer": fastapi_bearer(key),
    }
    return starlette_peers(key) | peers


async def in_process(scale: Scale, peers: Peers) -> tuple[Times, tuple[str, ...]]:
    """Measure the warm path, the cold path and the refusal next to the limit and the peers.

    Returns:
        The times, and the names of the peers.
    """
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        world = World.create(Path(folder))
        tokens = world.tokens(scale.tokens)
        number = scale.rounds * scale.cold
        known = world.tokens(number, first=scale.tokens)
        cold = {
            "new token": world.tokens(number, after=REFRESHED, first=scale.tokens),
            "new session": world.tokens(number, after=REFRESHED, first=scale.tokens + number),
        }
        guarded = await stack.enter_async_context(world.guarded("audit", StillClock(world.began + NOW)))
        await show(guarded, known, times=1)
        asked = peers(world)
        for name, app in asked.items():
            await show(app, tokens if name in REMEMBERING else tokens[:FEW])
        for app in asked.values():
            await see_refused(app, REFUSALS)
        await see_refused(guarded, REFUSALS)
        await show(guarded, tokens)
        limit = stack.enter_context(limit_of(world, last_line(world, "audit"), tokens))
        requests = Requests(tokens)
        cases = [
            *guarded_cases(world, guarded, tokens, cold, scale.cold),
            limit,
            asgi("FastAPI", fastapi_bare(), requests.some),
            *(asgi(name, app, requests.some) for name, app in asked.items()),
        ]
        return await play(cases, rounds=scale.rounds, size=scale.size), tuple(asked)


def rows_in_process(times: Times, peers: tuple[str, ...]) -> list[Row]:
    """Build the rows of the warm path, the cold path and the refusal."""

    def against(peer: str, row: str, must: float = 0.0, aim: float = 0.0) -> list[Row]:
        if peer not in peers:
            return []
        return [Row.of(f"warm / {row}", times.ratio("guarded", peer, base="bare", to_base=_base(peer)), must, aim)]

    return [
        Row.of("warm / the limit", times.ratio("guarded", "limit", base="bare"), 4.0, 2.5),
        *against("middleware", "`AuthenticationMiddleware` + PyJWT", 1 / 9, 1 / 18),
        *against("FastMCP", "FastMCP's `JWTVerifier` chain", 1 / 12, 1 / 25),
        *against("cached", "`AuthenticationMiddleware` + PyJWT + token cache", 5.0, 3.0),
        *against("stitched", "stitched by hand", 2 / 3, 1 / 3),
        *against("HTTPBearer", "FastAPI `HTTPBearer` + PyJWT"),
        *against("fastapi-users", "fastapi-users"),
        *against("Authlib", "Authlib's RFC 9068 validator"),
        *against("pycasbin", "`AuthenticationMiddleware` + PyJWT + pycasbin"),
        Row.of("first sight of a token / `jwt.decode`", times.ratio("new token", "decode", base="bare"), 1.4, 1.2),
        Row.of("first sight of a session / `jwt.decode`", times.ratio("new session", "decode", base="bare")),
        Row.of("recorded refusal / the bare app's 200", times.ratio("refused", "bare"), 0.9, 0.5),
    ]


def rows_of_times(times: Times, peers: tuple[str, ...]) -> list[Row]:
    """Build the rows with absolute times: microseconds on this machine."""
    names = {"guarded": "warm", "refused": "recorded refusal"}
    names |= {"new token": "first sight of a token", "new session": "first sight of a session"}
    names |= {peer: peer for peer in peers}
    return [
        Row(what="the bare app, whole", value=times.of("bare"), unit="us"),
        Row(what="the limit", value=times.of("limit"), unit="us"),
        Row(what="`jwt.decode`", value=times.of("decode"), unit="us"),
        *(
            Row(what=f"{name}, above bare", value=median(times.above(case, _base(case))), unit="us")
            for case, name in names.items()
        ),
    ]


def _base(case: str) -> str:
    """Return the bare app of a case."""
    return "FastAPI" if case in ON_FASTAPI else "bare"


async def on_change(scale: Scale) -> list[Row]:
    """Measure requests that change state next to two bare SQLite statements; on disk, and in memory."""
    rows = [Row.of("a request that changes state / two SQLite statements", await _change(scale, None), 2.0, 1.5)]
    if NO_DISK.is_dir():
        rows.append(Row.of("the same where no disk is waited for", await _change(scale, NO_DISK)))
    return rows


async def _change(scale: Scale, base: Path | None) -> Spread:
    number = scale.rounds * scale.changes
    with tempfile.TemporaryDirectory(dir=base) as folder:
        with two_statements(Path(folder) / "bare.db", number) as statements:
            async with changing(Path(folder), number) as (case, world):
                times = await play([case, statements], rounds=scale.rounds, size=scale.changes)
        if changed(world) != number:
            raise UnfairError("not every request changed its session's state")
    return times.ratio("change", "statements")


def end_to_end(scale: Scale) -> list[Row]:
    """Load three servers in turn."""
    with tempfile.TemporaryDirectory() as folder:
        world = World.create(Path(folder))
        tokens = world.tokens(min(scale.tokens, 1000))
        times = play_served(world, tokens, rounds=scale.turns, seconds=scale.seconds, loop=scale.loop, http=scale.http)
    return [
        Row.of("requests/s under uvicorn / bare", times.ratio("bare", "guarded"), 0.75, 0.85, more=True),
        Row.of("requests/s / middleware + PyJWT", times.ratio("middleware", "guarded"), 3.0, 4.0, more=True),
        Row.of("requests/s of middleware + PyJWT / bare", times.ratio("bare", "middleware")),
        Row.of("bare / guarded, by the server's processor time", times.ratio(f"bare{WORKED}", f"guarded{WORKED}")),
    ]


def footprints(scale: Scale) -> list[Row]:
    """Measure the size of a session in the stores."""
    number = scale.sessions

    def row(where: str, name: str, what: str, must: float = 0.0, aim: float = 0.0) -> Row:
        value = footprint.measured(where, number, what)
        return Row(what=f"{number:,} sessions in {name}", value=value, unit="bytes", must=must, aim=aim)

    return [
        row("memory", "memory, each with its account", "both", 500.0, 300.0),
        row("memory", "memory, the session alone", "session"),
        row("sqlite", "SQLite, each with its account", "both", 300.0, 150.0),
        row("sqlite", "SQLite, the session alone", "session"),
    ]


def starts(scale: Scale) -> list[Row]:
    """Time the proof, the command and the import."""
    return [
        Row.of("proof of the standard policy", startup.proof(scale.starts), 10.0, 3.0, unit="ms"),
        Row.of("`authguard policy check standard`, whole", startup.command(scale.starts), 400.0, 250.0, unit="ms"),
        Row.of("import above bare Starlette", startup.importing(scale.starts), 120.0, 60.0, unit="ms"),
        Row.of("import and a guard that stands, above the same", startup.standing(scale.starts), unit="ms"),
    ]
