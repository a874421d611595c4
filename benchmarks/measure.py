"""The parts of a benchmark run: each runs its cases in alternation and returns its rows of the table."""

from __future__ import annotations

import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import process_time
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
    decoding,
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

    from benchmarks.rounds import Case, Spread, Times
    from benchmarks.stitched import Encode
    from benchmarks.world import App

    Peers = Callable[[World], Mapping[str, App]]

#: peers with a token cache, which sees every token before the clock starts
REMEMBERING: Final = frozenset({"cached", "stitched"})
#: peers with FastAPI's bare app
ON_FASTAPI: Final = frozenset({"HTTPBearer", "fastapi-users"})
REFUSALS: Final = (400, 401, 403)
#: suffix of the cases on the default store
SQLITE: Final = ", SQLite"
#: a case that verifies a signature for each request has so many times the requests of a cold case
VERIFYING: Final = 4
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

    @classmethod
    def of(cls, rounds: int) -> Scale:
        """Return the scale of a run with so many rounds; all its sizes shrink alike."""
        whole = cls()
        share = min(1.0, rounds / whole.rounds)

        def less(size: int, least: int) -> int:
            return max(least, round(size * share))

        return cls(
            tokens=less(whole.tokens, 200),
            rounds=rounds,
            held=less(whole.held, 1_000),
            turns=less(whole.turns, 2),
            sessions=less(whole.sessions, 10_000),
            starts=less(whole.starts, 3),
        )


def own_peers(world: World, encode: Encode) -> dict[str, App]:
    """Return the peers without packages beyond those of development."""
    key = public_key(world)
    peers: dict[str, App] = {
        "stitched": Stitched(bare(), key, world.folder / "stitched.jsonl", encode),
        "HTTPBearer": fastapi_bearer(key),
    }
    return starlette_peers(key) | peers


async def in_process(scale: Scale, peers: Peers) -> tuple[Times, tuple[str, ...]]:
    """Measure the warm path, the cold path and the refusal on both stores, next to the limit and the peers.

    The SQLite file is in memory if the system has such a folder: the first requests of so many customers would wait for
    the disk for minutes, and the timed requests read.

    Returns:
        The times, and the names of the peers.
    """
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        stored = stack.enter_context(tempfile.TemporaryDirectory(dir=NO_DISK if NO_DISK.is_dir() else None))
        world = World.create(Path(folder))
        tokens = world.tokens(scale.tokens)
        asked = peers(world)
        for name, app in asked.items():
            await show(app, tokens if name in REMEMBERING else tokens[:FEW], times=1)
            await see_refused(app, REFUSALS)
        cases: list[Case] = []
        limits: list[Case] = []
        for place, (suffix, store) in enumerate({"": "memory", SQLITE: Path(stored) / "store.db"}.items()):
            clock = StillClock(world.began + NOW)
            guarded = await stack.enter_async_context(world.guarded(f"audit{place}", clock, store=store))
            unseen = _unseen(world, scale, place)
            await show(guarded, unseen["known"], times=1)
            await see_refused(guarded, REFUSALS)
            await show(guarded, tokens)
            cases += guarded_cases(guarded, tokens, unseen, scale.cold, suffix)
            if not limits:
                example = last_line(world, "audit0")
                limits = [
                    stack.enter_context(limit_of(world, example, tokens)),
                    stack.enter_context(limit_of(world, example, tokens[:1], "limit, one token")),
                ]
        requests = Requests(tokens)
        cases += [
            asgi("bare", bare(), requests.some),
            decoding(tokens, public_key(world), scale.cold),
            *limits,
            asgi("FastAPI", fastapi_bare(), requests.some),
            *(
                asgi(name, app, requests.some, 0 if name in REMEMBERING else VERIFYING * scale.cold)
                for name, app in asked.items()
            ),
        ]
        # nothing here waits for long, and other processes use the machine
        return await play(cases, rounds=scale.rounds, size=scale.size, clock=process_time), tuple(asked)


def _unseen(world: World, scale: Scale, place: int) -> dict[str, tuple[str, ...]]:
    """Sign the tokens of the cold cases of one app: none is a customer of another app or a live one."""
    number = scale.rounds * scale.cold
    first = scale.tokens + 2 * place * number
    return {
        "known": world.tokens(number, first=first),
        "new token": world.tokens(number, after=REFRESHED, first=first),
        "new session": world.tokens(number, after=REFRESHED, first=first + number),
    }


def rows_in_process(times: Times, peers: tuple[str, ...]) -> list[Row]:
    """Build the rows of the warm path, the cold path and the refusal."""

    def against(peer: str, row: str, must: float = 0.0, aim: float = 0.0) -> list[Row]:
        if peer not in peers:
            return []
        return [Row.of(f"warm / {row}", times.ratio("guarded", peer, base="bare", to_base=_base(peer)), must, aim)]

    def on_both(what: str, case: str, to: str, limits: tuple[float, float], *, base: str = "bare") -> list[Row]:
        return [
            Row.of(f"{what}{words}", times.ratio(f"{case}{suffix}", to, base=base), *limits)
            for suffix, words in (("", ""), (SQLITE, ", default store"))
        ]

    return [
        *on_both("warm / the limit", "guarded", "limit", (3.5, 2.5)),
        *on_both("warm, one token over and over / its limit", "one token", "limit, one token", (2.5, 1.8)),
        *against("middleware", "`AuthenticationMiddleware` + PyJWT", 1 / 9, 1 / 18),
        *against("FastMCP", "FastMCP's `JWTVerifier` chain", 1 / 12, 1 / 25),
        *against("cached", "`AuthenticationMiddleware` + PyJWT + token cache", 5.0, 3.0),
        *against("stitched", "stitched by hand", 2 / 3, 1 / 3),
        *against("HTTPBearer", "FastAPI `HTTPBearer` + PyJWT"),
        *against("fastapi-users", "fastapi-users"),
        *against("Authlib", "Authlib's RFC 9068 validator"),
        *against("pycasbin", "`AuthenticationMiddleware` + PyJWT + pycasbin"),
        *on_both("first sight of a token / `jwt.decode`", "new token", "decode", (1.4, 1.2)),
        *on_both("first sight of a session / `jwt.decode`", "new session", "decode", (2.0, 1.6)),
        *on_both("recorded refusal / the bare app's 200", "refused", "bare", (0.9, 0.5), base=""),
    ]


def rows_of_times(times: Times, peers: tuple[str, ...]) -> list[Row]:
    """Build the rows with absolute times: microseconds on this machine."""
    names = {"guarded": "warm", "refused": "recorded refusal"}
    names |= {
        "new token": "first sight of a token",
        "new session": "first sight of a session",
        "one token": "one token",
    }
    names |= {f"{case}{SQLITE}": f"{name}, default store" for case, name in names.items()}
    names |= {peer: peer for peer in peers}
    return [
        Row(what="the bare app, whole", value=times.of("bare"), unit="us"),
        Row(what="the limit", value=times.of("limit"), unit="us"),
        Row(what="the limit, one token", value=times.of("limit, one token"), unit="us"),
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
        rows.append(Row.of("the same where no disk is waited for", await _change(scale, NO_DISK), 12.0, 6.0))
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
    """Load the servers in turn."""
    with tempfile.TemporaryDirectory() as folder:
        world = World.create(Path(folder))
        tokens = world.tokens(min(scale.tokens, 1000))
        times = play_served(world, tokens, rounds=scale.turns, seconds=scale.seconds, loop=scale.loop, http=scale.http)
    return [
        Row.of("requests/s under uvicorn, default store / bare", times.ratio("bare", "guarded"), 0.7, 0.8, more=True),
        Row.of("requests/s under uvicorn, memory / bare", times.ratio("bare", "memory"), 0.78, 0.85, more=True),
        Row.of(
            "requests/s, default store / middleware + PyJWT", times.ratio("middleware", "guarded"), 2.5, 3.5, more=True
        ),
        Row.of("requests/s, memory / middleware + PyJWT", times.ratio("middleware", "memory")),
        Row.of("requests/s of middleware + PyJWT / bare", times.ratio("bare", "middleware")),
        *(
            Row.of(f"bare / {name}, by the server's processor time", times.ratio(f"bare{WORKED}", f"{kind}{WORKED}"))
            for kind, name in (("guarded", "default store"), ("memory", "memory"))
        ),
    ]


def footprints(scale: Scale) -> list[Row]:
    """Measure the size of a session in the stores."""
    number = scale.sessions

    def row(where: str, name: str, what: str, must: float = 0.0, aim: float = 0.0) -> Row:
        value = footprint.measured(where, number, what)
        return Row(what=f"{number:,} sessions in {name}", value=value, unit="bytes", must=must, aim=aim)

    return [
        row("memory", "memory, each with its account", "both", 400.0, 300.0),
        row("memory", "memory, the session alone", "session"),
        row("sqlite", "SQLite, each with its account", "both", 300.0, 150.0),
        row("sqlite", "SQLite, the session alone", "session"),
    ]


def starts(scale: Scale) -> list[Row]:
    """Time the proof, the command and the import."""
    return [
        Row.of("proof of the standard policy", startup.proof(scale.starts), 100.0, 50.0, unit="ms"),
        Row.of("proof of 50 operations, 107 rules, 19 account states", startup.large(scale.starts), 2_000.0, unit="ms"),
        Row.of("`authguard policy check standard`, whole", startup.command(scale.starts), 300.0, 200.0, unit="ms"),
        Row.of("import above bare Starlette", startup.importing(scale.starts), 120.0, 60.0, unit="ms"),
        Row.of("import and a built guard, above the same", startup.standing(scale.starts), 300.0, 200.0, unit="ms"),
    ]
