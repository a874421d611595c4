"""The warm path: 20,000 live tokens in random order, no state change, each decision recorded before the app runs."""

from __future__ import annotations

import random
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import jwt

from benchmarks.limit import Limit
from benchmarks.peers import CachedBackend, PyJwtBackend, authenticated, decode
from benchmarks.rounds import Case
from benchmarks.world import StillClock, World, bare, receive, request, send, status_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchmarks.world import App, Scope

#: seconds after the first token's issue at which refreshed tokens are issued, and at which requests are made
REFRESHED: Final = 5.0
NOW: Final = 8.0


class UnfairError(Exception):
    """A case did not answer what it should, so that its time says nothing."""


@dataclass(frozen=True, slots=True)
class Warm:
    """The cases that are played together, and the tokens that they know.

    Attributes:
        cases: bare, limit, guarded, refusal, first sight, `jwt.decode`, and the peers.
        world: of the run.
    """

    cases: tuple[Case, ...]
    world: World


def asgi(name: str, app: App, requests: Requests, status: int = 200) -> Case:
    """Make a case of an app."""

    async def run(batch: Sequence[Scope]) -> None:
        for scope in batch:
            await app(scope, receive, send)

    del status
    return Case(name, requests.some, run)


class Requests:
    """Requests with known tokens in random order, each with header bytes of its own."""

    def __init__(self, tokens: Sequence[str], seed: int = 1) -> None:
        self._tokens = [token.encode() for token in tokens]
        self._random = random.Random(seed)  # noqa: S311 - an order, no secret

    def some(self, number: int) -> list[Scope]:
        """Make so many requests."""
        return [request(token) for token in self._random.choices(self._tokens, k=number)]

    def headers(self, number: int) -> list[bytes]:
        """Make so many header values alone."""
        return [b"Bearer %b" % token for token in self._random.choices(self._tokens, k=number)]


class Unseen:
    """Requests with tokens that were never shown; each is taken once."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self._left = [token.encode() for token in tokens]

    def some(self, number: int) -> list[Scope]:
        """Take so many requests."""
        taken, self._left = self._left[:number], self._left[number:]
        if len(taken) < number:
            raise UnfairError("there are too few tokens that were never shown")
        return [request(token) for token in taken]


async def warm_up(app: App, tokens: Sequence[str], times: int = 2) -> None:
    """Show every token until nothing changes any more, and see that the app answers."""
    for _ in range(times):
        for token in tokens:
            status = await status_of(app, request(token.encode()))
            if status != 200:  # noqa: PLR2004 - HTTP's own number
                raise UnfairError(f"a warm request was answered {status}")
    status = await status_of(app, request(tokens[0].encode()))
    if status != 200:  # noqa: PLR2004
        raise UnfairError(f"a warm request was answered {status}")


@contextmanager
def limit_of(world: World, example: bytes, tokens: Sequence[str]) -> Iterator[Case]:
    """Make the case of the limit, from a line that the guard wrote."""
    limit = Limit(world.folder / "limit.jsonl", example, [b"Bearer %b" % token.encode() for token in tokens])
    requests = Requests(tokens)

    async def run(batch: Sequence[bytes]) -> None:
        limit.run(batch)

    try:
        yield Case("limit", requests.headers, run)
    finally:
        limit.close()


def last_decision(world: World, name: str) -> bytes:
    """Give the last line of a log, which is a decision."""
    with (world.folder / f"{name}.jsonl").open("rb") as file:
        file.seek(-4096, 2)
        return file.read().splitlines()[-1]


def decoding(tokens: Sequence[str], key: Any) -> Case:  # noqa: ANN401 - PyJWT takes any key
    """Make the case of `jwt.decode` alone."""
    order = random.Random(2)  # noqa: S311 - an order, no secret

    async def run(batch: Sequence[str]) -> None:
        for token in batch:
            decode(token, key)

    return Case("jwt.decode", lambda number: order.choices(tokens, k=number), run)


def public_key(world: World) -> Any:  # noqa: ANN401 - PyJWT gives any key
    """Give the issuer's key as PyJWT uses it."""
    return jwt.PyJWK(world.mint.jwks("ES256")["keys"][0]).key


def bare_case(requests: Requests) -> Case:
    """Make the case of the bare app."""
    return asgi("bare", bare(), requests)


def starlette_peers(tokens: Sequence[str], key: Any) -> Mapping[str, App]:  # noqa: ANN401 - PyJWT takes any key
    """Name the peers that need nothing but Starlette and PyJWT."""
    del tokens
    return {
        "middleware": authenticated(PyJwtBackend(key)),
        "middleware, cached": authenticated(CachedBackend(key)),
    }
