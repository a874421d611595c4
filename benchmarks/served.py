"""End to end: four uvicorn servers with one worker each, and a load generator in this process, on the other core.

One server is loaded at a time, in short phases; the others are idle. The clock is the machine's, so the guarded app
also writes what a deployment writes: the last activity of a session, every 15 seconds.
"""

from __future__ import annotations

import os
import random
import select
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.rounds import MICROSECONDS, Times
from benchmarks.server import KINDS
from benchmarks.warm import UnfairError
from benchmarks.world import PATH

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.world import World

#: seconds that a server has to start, and to stop
PATIENCE: Final = 20.0
#: requests with each token before anything is counted, so that every session exists and every decision is cached
WARMING: Final = 4
#: connections that are kept busy
CONNECTIONS: Final = 16
ANSWER: Final = 65_536
WORKED: Final = ", worked"
#: seconds
TICK: Final = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Server:
    """A server process and where it listens."""

    address: tuple[str, int]
    process: subprocess.Popen[bytes]

    def worked(self) -> float:
        """Return the seconds of processor time of the server, which do not depend on the client."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * TICK


@contextmanager
def serving(kind: str, world: World, loop: str, http: str) -> Iterator[Server]:
    """Start a server, and stop it afterwards."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        descriptor = listener.fileno()
        command = [sys.executable, "-m", "benchmarks.server", kind, str(world.folder), str(descriptor), loop, http]
        process = subprocess.Popen(command, pass_fds=[descriptor])
        try:
            yield Server(listener.getsockname(), process)
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()


def wire(token: str) -> bytes:
    """Write one request as it goes over the wire."""
    return f"GET {PATH} HTTP/1.1\r\nHost: agent.test\r\nAuthorization: Bearer {token}\r\n\r\n".encode()


def load(
    server: Server, requests: Sequence[bytes], seconds: float, connections: int = CONNECTIONS, *, least: int = 1
) -> tuple[float, float]:
    """Load a server over some connections for a time.

    Args:
        server: the server.
        requests: sent in turn, repeatedly.
        seconds: the shortest duration.
        least: the fewest responses to wait for: a busy machine may give none within a short phase.
        connections: each waits for its response before the next request.

    Returns:
        Microseconds per response: elapsed, and of the server's processor time.

    Raises:
        UnfairError: a response is wrong or missing.
    """
    turns = cycle(requests)
    with ExitStack() as stack:
        poll = stack.enter_context(select.epoll())
        sockets: dict[int, socket.socket] = {}
        begun: dict[int, bytes] = {}
        for _ in range(connections):
            connection = stack.enter_context(socket.create_connection(server.address, PATIENCE))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sockets[connection.fileno()] = connection
            poll.register(connection, select.EPOLLIN)
            connection.sendall(next(turns))
        answers, worked, start = 0, server.worked(), time.perf_counter()
        while (now := time.perf_counter()) < start + seconds or answers < least:
            ready = poll.poll(PATIENCE)
            if not ready:
                raise UnfairError("the server does not answer")
            for descriptor, _ in ready:
                connection = sockets[descriptor]
                answer = begun.pop(descriptor, b"") + connection.recv(ANSWER)
                if not answer.startswith(b"HTTP/1.1 200"):
                    raise UnfairError(f"the server answered {answer[:16]!r}")
                if not answer.endswith(b"\r\n\r\nok"):
                    begun[descriptor] = answer
                    continue
                answers += 1
                connection.sendall(next(turns))
        work = max(server.worked() - worked, TICK)  # the system counts in ticks: less than one is taken for one
        return (now - start) / answers * MICROSECONDS, work / answers * MICROSECONDS


def play_served(
    world: World, tokens: Sequence[str], *, rounds: int, seconds: float, loop: str = "uvloop", http: str = "httptools"
) -> Times:
    """Load the four servers in turn.

    Returns:
        Microseconds per request, by kind of server; as ``KIND, worked`` those of its processor time.
    """
    requests = [wire(token) for token in tokens]
    random.Random(3).shuffle(requests)  # noqa: S311 - an order, no secret
    times: dict[str, list[float]] = {f"{kind}{which}": [] for kind in KINDS for which in ("", WORKED)}
    allowed = os.sched_getaffinity(0)
    with ExitStack() as stack:
        servers = {kind: stack.enter_context(serving(kind, world, loop, http)) for kind in KINDS}
        stack.callback(os.sched_setaffinity, 0, allowed)
        os.sched_setaffinity(0, sorted(allowed)[-1:])
        for server in servers.values():
            load(server, requests, seconds, least=WARMING * len(requests))
        for number in range(rounds):
            turn = number % len(KINDS)
            for kind in (*KINDS[turn:], *KINDS[:turn]):
                passed, worked = load(servers[kind], requests, seconds)
                times[kind].append(passed)
                times[kind + WORKED].append(worked)
    return Times(times)
