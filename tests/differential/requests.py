"""Exchanges: one request, or two down one connection, as bytes, of which a few parts are odd.

All of it follows from a seed, so that a failure can be sent again.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Final

from tests.differential import bodies, targets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.differential.bodies import Sent

UPGRADE: Final = (
    (b"Connection", b"Upgrade"),
    (b"Upgrade", b"websocket"),
    (b"Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
    (b"Sec-WebSocket-Version", b"13"),
)
#: headers by which something behind or in front of the guard might take the request for another
HEADERS: Final = (
    *((name, b"POST") for name in (b"X-HTTP-Method-Override", b"X-HTTP-Method", b"X-Method-Override")),
    *((name, b"POST") for name in (b"x_http_method_override", b"X_HTTP-Method", b"X-Method_Override")),
    *((name, b"GET") for name in (b"X-HTTP-Method-Override", b"X_HTTP_METHOD_OVERRIDE")),
    *((name, b"/pay") for name in (b"X-Original-URL", b"X-Rewrite-URL", b"X-Forwarded-Uri", b"X-Accel-Redirect")),
    *((name, b"/api") for name in (b"X-Forwarded-Prefix", b"X-Script-Name", b"Script-Name", b"SCRIPT_NAME")),
    *((name, b"pay.test") for name in (b"X-Forwarded-Host", b"X-Host", b"X_Forwarded_Host")),
    (b"Forwarded", b"host=pay.test;for=10.0.0.1"),
    (b"Authguard-Outcome", b"allow"),
    (b"authguard_transaction", b"x"),
    (b"Authguard_Outcome", b"allow"),
    (b"Authorization", b"Bearer x"),
    (b"AUTHORIZATION", b"Basic eDp5"),
    (b"Proxy-Authorization", b"Basic eDp5"),
    (b"Expect", b"100-continue"),
    (b"Upgrade", b"h2c"),
    (b"HTTP2-Settings", b"AAMAAABkAAQCAAAAAAIAAAAA"),
    (b"Connection", b"Upgrade, HTTP2-Settings"),
    (b"TE", b"trailers"),
    (b"Content-Length", b"0"),
    (b"Idempotency-Key", b"k"),
)
#: headers that a server may wait for something after
HANGING: Final = frozenset({(b"Content-Length", b"0"), (b"Expect", b"100-continue")})
#: how the length of a body is told; the second says whether the server ends the exchange by itself
FRAMES: Final = {
    "one chunk": (b"Transfer-Encoding: chunked\r\n\r\n%(hex)x\r\n%(body)b\r\n0\r\n\r\n", True),
    "chunk extensions": (b"Transfer-Encoding: chunked\r\n\r\n%(hex)x;a=b\r\n%(body)b\r\n0;c\r\n\r\n", True),
    "trailers": (
        b"Transfer-Encoding: chunked\r\n\r\n%(hex)x\r\n%(body)b\r\n0\r\nX-HTTP-Method: GET\r\nHost: a\r\n\r\n",
        True,
    ),
    "both lengths": (
        b"Content-Length: %(hex)d\r\nTransfer-Encoding: chunked\r\n\r\n%(hex)x\r\n%(body)b\r\n0\r\n\r\n",
        False,
    ),
    "a length twice": (b"Content-Length: %(hex)d\r\nContent-Length: %(hex)d\r\n\r\n%(body)b", True),
    "two lengths": (b"Content-Length: 5\r\nContent-Length: %(hex)d\r\n\r\n%(body)b", False),
    "another coding of transfer": (b"Transfer-Encoding: gzip, chunked\r\n\r\n%(hex)x\r\n%(body)b\r\n0\r\n\r\n", False),
    "an odd coding of transfer": (b"Transfer-Encoding: xchunked\r\n\r\n%(hex)x\r\n%(body)b\r\n0\r\n\r\n", False),
    "a hidden coding of transfer": (
        b"Transfer-Encoding : chunked\r\nContent-Length: %(hex)d\r\n\r\n%(body)b",
        False,
    ),
    "a body that is cut": (b"Content-Length: %(more)d\r\n\r\n%(body)b", False),
    "lines that end oddly": (b"Content-Length: %(hex)d\n\n%(body)b", False),
    "a header that is folded": (b"Content-Length: %(hex)d\r\nX-A: b\r\n c\r\n\r\n%(body)b", False),
}


@dataclass(frozen=True)
class Request:
    """One request.

    Attributes:
        id: its own, in a header.
        trace: its own trace id.
        signed: whether it has one good credential.
        words: what is odd.
        method: of the request line.
        target: of the request line.
        headers: in order.
        body: bytes.
        raw: all of it, in HTTP/1.1.
        ends: whether a server answers it and closes.
    """

    id: str
    trace: str
    signed: bool
    words: str
    method: bytes
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    raw: bytes
    ends: bool


@dataclass(frozen=True)
class Exchange:
    """What is sent down one connection.

    Attributes:
        requests: in order.
        raw: bytes.
        ends: whether the server ends the exchange by itself.
    """

    requests: tuple[Request, ...]
    raw: bytes
    ends: bool


#: targets of the handlers that every run has to reach, the exchanges for each, and the draws to choose them from
MARKED: Final = (b"/pay", b"/careless", b"/files/a/b", b"/form")
MARKED_EXCHANGES: Final = 8
MARKED_DRAWS: Final = 2_000
MARKED_FIRST: Final = 1_000_000_000


def generate(seed: str, tokens: dict[str, str], first: int = 1) -> Iterator[Exchange]:
    """Generate exchanges without end.

    Args:
        seed: from which all follows.
        tokens: `good` and `forged`.
        first: number of the first request; the numbers of one run differ.
    """
    rng, numbers = Random(seed), itertools.count(first)  # noqa: S311 - a seeded test
    while True:
        count = 2 if rng.random() < 0.08 else 1
        requests = [_draw(rng, next(numbers), tokens, last=place == count - 1) for place in range(count)]
        yield Exchange(tuple(requests), b"".join(r.raw for r in requests), all(r.ends for r in requests))


def marked(seed: str, tokens: dict[str, str]) -> Iterator[Exchange]:
    """Generate a few signed exchanges with each marked target, so that a short run reaches its handler too.

    Args:
        seed: as for `generate`.
        tokens: as for `generate`.
    """
    wanted = dict.fromkeys(MARKED, MARKED_EXCHANGES)
    for exchange in itertools.islice(generate(f"marked {seed}", tokens, MARKED_FIRST), MARKED_DRAWS):
        first = exchange.requests[0]
        plain = len(exchange.requests) == 1 and first.signed and exchange.ends and first.method == b"POST"
        if plain and wanted.get(first.target, 0) > 0:
            wanted[first.target] -= 1
            yield exchange


def _draw(rng: Random, number: int, tokens: dict[str, str], *, last: bool) -> Request:
    """Draw one request, of which a few parts are odd."""
    words: list[str] = []
    trace = f"{number:032x}"
    method, target = rng.choice(targets.PLAIN)
    place, careless = target, target in {b"/careless", b"/form"}
    websocket = rng.random() < 0.06
    if websocket:
        method, target = b"GET", rng.choice(targets.SOCKETS)
        words.append("a WebSocket")
    for _ in range(rng.choice((0, 0, 0, 1, 1, 1, 2))):
        name, target = targets.mutate(rng, target)
        words.append(name)
    if rng.random() < 0.15 and not websocket:
        method = rng.choice(targets.METHODS)
        words.append(f"method {method[:20]!r}")
    hosts = _hosts(rng, words, often=place == b"/transfer")
    named = [(b"traceparent", f"00-{trace}-{1:016x}-01".encode()), (b"X-Request-Id", b"%d" % number)]
    if rng.random() < 0.06:
        method, named = b"OPTIONS", [*named, *targets.PREFLIGHT]
        words.append("a pre-flight")
    further, clear = _further(rng, words)
    credential, good = _credential(rng, tokens)
    idle = method == b"GET" and rng.random() < 0.8
    if idle:
        sent = bodies.Sent("no body", b"", ())
    elif place == b"/form" and rng.random() < 0.7:
        sent = bodies.draw_form(rng)
    else:
        sent = bodies.draw(rng, odd=careless)
    words += [sent.words] if sent.body else []
    frame, ends = _frame(rng, sent, words)
    if websocket:
        named += UPGRADE
    elif last:
        named.append((b"Connection", b"close"))
    version = _version(rng, words)
    headers = (*hosts, *credential, *named, *further, *((b"Content-Type", kind) for kind in sent.types), *sent.more)
    head = b"%b %b %b\r\n" % (method, target, version) + b"".join(b"%b: %b\r\n" % header for header in headers)
    ends = ends and not websocket and not HANGING.intersection(headers)
    return Request(
        str(number), trace, good and clear, ", ".join(words), method, target, headers, sent.body, head + frame, ends
    )


def _hosts(rng: Random, words: list[str], *, often: bool) -> tuple[tuple[bytes, bytes], ...]:
    """Draw the `Host` headers, mostly one plain one."""
    if rng.random() > (0.7 if often else 0.12):
        return ((b"Host", b"agent.test"),)
    hosts = tuple(rng.choice(targets.HOSTS) for _ in range(rng.choice((0, 1, 1, 2))))
    words.append("hosts " + repr([value for _, value in hosts]))
    return hosts


def _further(rng: Random, words: list[str]) -> tuple[list[tuple[bytes, bytes]], bool]:
    """Draw further headers; tell whether a credential beside them is the only one."""
    further = [rng.choice(HEADERS) for _ in range(rng.choice((0, 0, 0, 0, 1, 2)))]
    words += [f"{name.decode()}: {value.decode()}" for name, value in further]
    return further, all(name.lower() != b"authorization" for name, _ in further)


def _version(rng: Random, words: list[str]) -> bytes:
    """Draw the version of HTTP, mostly 1.1."""
    if rng.random() > 0.03:
        return b"HTTP/1.1"
    version = rng.choice((b"HTTP/1.0", b"HTTP/2.0", b"http/1.1", b"HTTP/1.1 "))
    words.append(version.decode())
    return version


def _credential(rng: Random, tokens: dict[str, str]) -> tuple[tuple[tuple[bytes, bytes], ...], bool]:
    """Draw a credential, mostly a good one."""
    kind = rng.random()
    good = (b"Authorization", b"Bearer " + tokens["good"].encode())
    if kind < 0.84:
        return (good,), True
    if kind < 0.9:
        return (), False
    if kind < 0.96:
        return ((b"Authorization", b"Bearer " + tokens["forged"].encode()),), False
    return (good, (b"authorization", b"Bearer " + tokens["good"].encode())), False


def _frame(rng: Random, sent: Sent, words: list[str]) -> tuple[bytes, bool]:
    """Tell the length of a body, mostly plainly."""
    if not sent.body:
        return b"\r\n", True
    if rng.random() < 0.85:
        return b"Content-Length: %d\r\n\r\n" % len(sent.body) + sent.body, True
    name = rng.choice(list(FRAMES))
    words.append(name)
    form, ends = FRAMES[name]
    size = len(sent.body)
    return form % {b"hex": size, b"more": size + 5, b"body": sent.body}, ends
