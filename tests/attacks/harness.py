"""What the attacks share: a folder, a policy, tokens, a guarded app in process or on a socket, and the command line.

Rules:
- An attack speaks HTTP, ASGI or the command line. From `authguard` it imports the public names only, so that it runs
  against any checkout.
- It raises `AssertionError` when it gets through, and nothing when it is stopped.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import re
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

import authguard
from authguard.testing import FakeClock, Mint
from tests.support.command_server import command_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ROOT: Final = Path(__file__).resolve().parents[2]
#: the checkout under attack: the folder that holds `src`
CHECKOUT: Final = Path(authguard.__file__).resolve().parents[2]
COMMAND_TIMEOUT_S: Final = 300
START_TIMEOUT_S: Final = 120
#: values of the variables that a policy of an attack may name
SECRETS: Final = {"CHANNEL_SECRET": "a-secret-of-the-telephony-gateway-0123456789"}
#: key of a policy -> its name in older checkouts
_OLD_KEYS: Final = {"message": "say", "sender_constraint": "sender", "trusts": "carry"}
#: argument of `AuthGuard` -> its name in older checkouts
_OLD_ARGUMENTS: Final = {"audit_log": "log", "allowed_modules": "modules", "token_cache_size": "remember"}
_HAS_OLD_ARGUMENTS: Final = "audit_log" not in inspect.signature(authguard.AuthGuard).parameters
_HAS_OLD_KEYS: Final = '"sender_constraint"' not in (CHECKOUT / "policies" / "authguard.schema.json").read_text("utf-8")


@dataclass(frozen=True)
class Attack:
    """One row.

    Attributes:
        name: module and function.
        issue: number of the issue that reported the kind.
        words: what the attacker does, in one line.
        run: raises `AssertionError` when the attack gets through.
    """

    name: str
    issue: int
    words: str
    run: Callable[[Site], None]


ATTACKS: Final[dict[str, Attack]] = {}


def attack(issue: int) -> Callable[[Callable[[Site], None]], Callable[[Site], None]]:
    """Register a function as an attack; its docstring's first line says what the attacker does."""

    def register(function: Callable[[Site], None]) -> Callable[[Site], None]:
        name = f"{function.__module__.rpartition('.')[2]}:{function.__name__}"
        words = (function.__doc__ or "").strip().splitlines()[0]
        ATTACKS[name] = Attack(name, issue, words, function)
        return function

    return register


@dataclass(frozen=True)
class Answer:
    """What came back.

    Attributes:
        status: of HTTP; 0 where the connection was closed without one.
        headers: lower-case name and value, in order.
        body: bytes.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def header(self, name: str) -> str:
        """Return the first value of a header; empty where there is none."""
        return next((value for key, value in self.headers if key == name), "")

    def json(self) -> Any:
        """Return the parsed body."""
        return json.loads(self.body)


@dataclass
class Site:
    """One deployment in a folder of its own.

    Attributes:
        folder: where policy, keys, store and log lie.
        clock: moved by the attack.
        mint: signs tokens of the first issuer, `https://issuer.test`.
    """

    folder: Path
    clock: FakeClock = field(default_factory=FakeClock)
    mint: Mint = field(init=False)

    def __post_init__(self) -> None:
        """Make the folder and the first issuer's keys."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.mint = Mint.create(self.clock)
        self.write_keys("keys.json", self.mint)

    def write_keys(self, name: str, mint: Mint) -> None:
        """Write the JWK set of an issuer to a file beside the policy."""
        (self.folder / name).write_text(json.dumps(mint.jwks("ES256")), "utf-8")

    def policy(self, text: str, *, name: str = "policy.yaml") -> Path:
        """Write a policy, in the keys that the checkout under attack knows, and return its path."""
        path = self.folder / name
        path.write_text(_in_old_keys(text) if _HAS_OLD_KEYS else text, "utf-8")
        return path

    def policy_of(self, *texts: str) -> Path:
        """Write the first of these spellings of one policy that the checkout under attack can read.

        Args:
            texts: the newest spelling first.

        Raises:
            AssertionError: it can read none.
        """
        reasons: list[str] = []
        for text in texts:
            path = self.policy(text)
            try:
                self.guard(_no_app, path, audit_log=self.folder / "unread.jsonl", environ=SECRETS)
            except authguard.AuthguardError as error:
                reasons.append(str(error))
            else:
                return path
        raise AssertionError(f"no spelling of the policy is understood: {reasons}")

    def guard(self, app: Any, policy: Path | None = None, **settings: Any) -> Any:
        """Return the app under `AuthGuard`, in this process, with store and log in the folder."""
        given: dict[str, Any] = {
            "store": "memory",
            "audit_log": self.folder / "audit.jsonl",
            "clock": self.clock,
            "environ": {},
        }
        known = {
            _OLD_ARGUMENTS.get(name, name) if _HAS_OLD_ARGUMENTS else name: value
            for name, value in (given | settings).items()
        }
        return authguard.AuthGuard(app, policy or self.folder / "policy.yaml", **known)

    def token(self, sub: str = "alice", **claims: Any) -> str:
        """Sign a token of the first issuer for somebody with scope `chat pay` at `aal2`."""
        return self.mint.mint(**({"sub": sub, "scope": "chat pay", "acr": "aal2", "sid": f"sid-{sub}"} | claims))

    def command(self, *arguments: str, stdin: str = "", environ: dict[str, str] | None = None) -> Command:
        """Run the command line of the checkout under attack in the folder."""
        done = subprocess.run(
            [*_program(), *arguments],
            cwd=self.folder,
            env=environment() | (environ or {}),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
        return Command(done.returncode, done.stdout, done.stderr)

    @contextmanager
    def served(self, source: str, *arguments: str, environ: dict[str, str] | None = None) -> Iterator[int]:
        """Write `source` as `app.py`, serve its `app` by a real uvicorn on loopback, and yield the port."""
        (self.folder / "app.py").write_text(known_source(source), "utf-8")
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port = int(listening.getsockname()[1])
        log = (self.folder / "server.txt").open("wb")
        server = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "app:app", "--port", str(port), "--log-level", "warning", *arguments],
            cwd=self.folder,
            env=environment() | (environ or {}),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_for_port(server, port)
            yield port
        finally:
            server.terminate()
            server.wait(START_TIMEOUT_S)
            log.close()


def known_source(source: str) -> str:
    """Return the source of a program with the `AuthGuard` arguments that the checkout under attack knows."""
    for new, old in _OLD_ARGUMENTS.items() if _HAS_OLD_ARGUMENTS else ():
        source = re.sub(rf"\b{new}=", f"{old}=", source)
    return source


def _in_old_keys(text: str) -> str:
    """Return a policy with the keys of releases before 2026-11-29."""
    for new, old in _OLD_KEYS.items():
        text = re.sub(rf"\b{new}(?=:)", old, text)
    return text


def _program() -> tuple[str, ...]:
    """Return the command line of the checkout under attack: of this one, in a process that has imported it."""
    if CHECKOUT == ROOT:
        return (str(command_folder() / "authguard"),)
    return (sys.executable, "-c", "from authguard.cli import main; main()")


async def _no_app(_scope: Any, _receive: Any, _send: Any) -> None:
    """Do nothing: a policy is only read."""


@dataclass(frozen=True)
class Command:
    """What a command did."""

    code: int
    out: str
    err: str


def environment() -> dict[str, str]:
    """Return the environment in which the checkout under attack is the one that is imported."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AUTHGUARD_")}
    return kept | {"PYTHONPATH": f"{CHECKOUT / 'src'}{os.pathsep}{ROOT}", "NO_COLOR": "1", "COLUMNS": "200"}


def wait_for_port(server: subprocess.Popen[bytes], port: int) -> None:
    """Wait until a server accepts connections.

    Raises:
        AssertionError: it ended, or did not listen in time.
    """
    until = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < until:
        assert server.poll() is None, "the server did not start"
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            time.sleep(0.02)
    raise AssertionError("the server does not listen")


def send_raw(port: int, request: bytes) -> Answer:
    """Send bytes down a socket and return the answer; the request should say `Connection: close`."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as line:
        line.sendall(request)
        received = b""
        while piece := line.recv(65536):
            received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    if not head:
        return Answer(0)
    first, *rest = head.decode("latin-1").split("\r\n")
    headers = tuple((name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in rest))
    return Answer(int(first.split()[1]), headers, body)


def http_request(
    method: str,
    target: str,
    headers: Sequence[tuple[str, str]] = (),
    body: bytes = b"",
    *,
    token: str = "",
    host: str = "agent.test",
) -> bytes:
    """Return an HTTP/1.1 request as bytes, exactly as given."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", "Connection: close"]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    if body:
        lines.append(f"Content-Length: {len(body)}")
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


async def ask(  # noqa: PLR0917
    app: Any,
    method: str,
    target: str,
    token: str = "",
    headers: Sequence[tuple[str, str]] = (),
    body: bytes = b"",
    *,
    root_path: str = "",
    peer: str = "192.0.2.7",
) -> Answer:
    """Ask an ASGI app in this process, and return its answer."""
    raw, _, query = target.partition("?")
    sent = [(b"host", b"agent.test"), *((name.lower().encode(), value.encode("latin-1")) for name, value in headers)]
    if token:
        sent.append((b"authorization", f"Bearer {token}".encode()))
    if body:
        sent.append((b"content-length", b"%d" % len(body)))
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(raw),
        "raw_path": raw.encode(),
        "query_string": query.encode(),
        "root_path": root_path,
        "headers": sent,
        "client": (peer, 4711),
        "server": ("agent.test", 80),
        "state": {},
    }
    waiting = [{"type": "http.request", "body": body, "more_body": False}]
    got: list[Any] = []

    async def receive() -> Any:
        if waiting:
            return waiting.pop()
        await asyncio.Event().wait()
        return None

    async def send(message: Any) -> None:
        got.append(message)

    await app(scope, receive, send)
    start = next(message for message in got if message["type"] == "http.response.start")
    named = tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in start["headers"])
    return Answer(start["status"], named, b"".join(message.get("body", b"") for message in got))
