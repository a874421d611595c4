"""The cases in one process: warm, cold and refused requests of the guarded app, the limit, and the peers' upkeep."""

from __future__ import annotations

import random
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import jwt

from benchmarks.limit import Limit
from benchmarks.peers import CachedBackend, PyJwtBackend, authenticated, decode
from benchmarks.rounds import Case
from benchmarks.world import receive, request, send, status_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchmarks.world import App, Scope, World

#: seconds after the sign-ins at which tokens are refreshed, and at which requests are made
REFRESHED: Final = 5.0
NOW: Final = 8.0
#: tokens that are shown to a peer which remembers none
FEW: Final = 5
OK: Final = 200


class UnfairError(Exception):
    """A case gave a wrong response, so that its time is meaningless."""


class Requests:
    """Requests with known tokens in random order, each with new header bytes."""

    def __init__(self, tokens: Sequence[str], seed: int = 1) -> None:
        self._tokens = [token.encode() for token in tokens]
        self._random = random.Random(seed)  # noqa: S311 - an order, no secret

    def some(self, number: int) -> list[Scope]:
        """Return a number of requests."""
        return [request(token) for token in self._random.choices(self._tokens, k=number)]

    def headers(self, number: int) -> list[bytes]:
        """Return a number of header values."""
        return [b"Bearer %b" % token for token in self._random.choices(self._tokens, k=number)]


class Unseen:
    """Requests with tokens that were never shown; each is taken once."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self._left = [token.encode() for token in tokens]

    def some(self, number: int) -> list[Scope]:
        """Return a number of requests.

        Raises:
            UnfairError: none are left.
        """
        taken, self._left = self._left[:number], self._left[number:]
        if len(taken) < number:
            raise UnfairError("there are too few tokens that were never shown")
        return [request(token) for token in taken]


def asgi(name: str, app: App, prepare: Any, size: int = 0) -> Case:  # noqa: ANN401 - as `Case` takes it
    """Build a case of an app."""

    async def run(batch: Sequence[Scope]) -> None:
        for scope in batch:
            await app(scope, receive, send)

    return Case(name, prepare, run, size)


def decoding(tokens: Sequence[str], key: Any, size: int) -> Case:  # noqa: ANN401 - PyJWT takes any key
    """Build the case of `jwt.decode` alone."""
    order = random.Random(2)  # noqa: S311 - an order, no secret

    async def run(batch: Sequence[str]) -> None:
        for token in batch:
            decode(token, key)

    return Case("decode", lambda number: order.choices(tokens, k=number), run, size)


@contextmanager
def limit_of(world: World, example: bytes, tokens: Sequence[str], name: str = "limit") -> Iterator[Case]:
    """Build the case of the limit from a line that the guard wrote."""
    path = world.folder / f"{name}.jsonl"
    limit = Limit(path, example, [b"Bearer %b" % token.encode() for token in tokens])

    async def run(batch: Sequence[bytes]) -> None:
        limit.run(batch)

    try:
        yield Case(name, Requests(tokens).headers, run)
    finally:
        limit.close()


async def show(app: App, tokens: Sequence[str], times: int = 3) -> None:
    """Send every token until nothing changes any longer.

    Raises:
        UnfairError: a token is refused.
    """
    for token in (*(token for _ in range(times) for token in tokens), tokens[0]):
        status = await status_of(app, request(token.encode()))
        if status != OK:
            raise UnfairError(f"a request that should pass was answered {status}")


async def see_refused(app: App, statuses: Sequence[int]) -> None:
    """See that a request without a token is refused.

    Raises:
        UnfairError: it is not.
    """
    status = await status_of(app, request())
    if status not in statuses:
        raise UnfairError(f"a request without a token was answered {status}")


def last_line(world: World, name: str) -> bytes:
    """Return the last line of a log."""
    return (world.folder / f"{name}.jsonl").read_bytes().splitlines()[-1]


def public_key(world: World) -> Any:  # noqa: ANN401 - PyJWT gives any key
    """Return the issuer's key in PyJWT's form."""
    return jwt.PyJWK(world.mint.jwks("ES256")["keys"][0]).key


def guarded_cases(
    guarded: App, tokens: Sequence[str], cold: Mapping[str, Sequence[str]], size: int, suffix: str = ""
) -> list[Case]:
    """Build the cases of a guarded app.

    Args:
        guarded: an app that has seen every one of `tokens`.
        tokens: live tokens.
        cold: name of a case -> tokens that it uses for the first time; those of ``known`` are no case.
        size: requests per round of a cold case.
        suffix: of the names of the cases.
    """
    return [
        asgi(f"guarded{suffix}", guarded, Requests(tokens).some),
        asgi(f"one token{suffix}", guarded, Requests(tokens[:1]).some),
        asgi(f"refused{suffix}", guarded, lambda number: [request() for _ in range(number)]),
        *(
            asgi(f"{name}{suffix}", guarded, Unseen(unseen).some, size)
            for name, unseen in cold.items()
            if name != "known"
        ),
    ]


def starlette_peers(key: Any) -> dict[str, App]:  # noqa: ANN401 - PyJWT takes any key
    """Return the peers that need only Starlette and PyJWT."""
    return {
        "middleware": authenticated(PyJwtBackend(key)),
        "cached": authenticated(CachedBackend(key)),
    }
