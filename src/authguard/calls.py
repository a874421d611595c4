"""Asking a service outside: one JSON question over HTTP, or a function in a worker thread, each within firm bounds.

Rules: TLS, or this very machine; no redirect is followed, no proxy of the environment is used; at most 64 KiB of an
answer are read, at most 32 deep; an answer that every parser would not read alike is none. Each question has a
connection of its own, so that a second answer to one is never taken for the answer to the next, which is about somebody
else. Our own credentials for a service come from the environment or from files beside the policy, never from the policy
itself. Shared by verifiers and account directories, which know nothing of each other.
"""

from __future__ import annotations

import json
import ssl
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.to_thread
import httpx2

from authguard.core.urls import is_safe
from authguard.errors import SettingsError
from authguard.outgoing import make_async_client

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from authguard.core.verification import Cause

#: bytes of an answer, and how deep it may nest
ANSWER_BOUND: Final = 65_536
DEPTH_BOUND: Final = 32
#: statuses after which asking again may help (RFC 9110 15.6, RFC 6585 4)
_AGAIN: Final = frozenset({429, 500, 502, 503, 504})


class NoAnswer(Exception):  # noqa: N818 - says what happened; caught by whoever asked
    """The service gave no answer that can be used.

    Attributes:
        cause: closed code.
        again: whether asking again may help, and cannot have used anything up.
    """

    def __init__(self, cause: Cause, *, again: bool = False) -> None:
        """Keep the cause."""
        self.cause: Final[Cause] = cause
        self.again: Final = again
        super().__init__(cause)


@dataclass(slots=True)
class Breaker:
    """Stops asking a service that failed again and again, and lets one question through to see whether it is back.

    Attributes:
        failures: in a row, after which it opens; 0 for never.
        open_for: seconds until one question is let through.
    """

    failures: int
    open_for: float
    _failed: int = 0
    _since: float = field(default=float("-inf"))
    _probing: bool = False

    def lets_through(self, now: float) -> bool:
        """Whether to ask now; where it is half open, only the first is let through."""
        if not self.failures or self._failed < self.failures:
            return True
        # a clock that stepped back must not keep it open for longer than it was to be
        if self._probing or 0 <= now - self._since < self.open_for:
            return False
        self._probing = True
        return True

    def heard(self, now: float, *, answered: bool) -> None:
        """Take note of how a question ended."""
        self._probing = False
        if answered:
            self._failed = 0
        else:
            self._failed += 1
            self._since = now

    def left(self) -> None:
        """Take note that who asked went away before there was an answer, so that the next may probe."""
        self._probing = False


class Workers:
    """Runs functions of the app in worker threads of its own, so that none blocks the loop and none pile up.

    A function that does not end is left behind in its thread; while as many as may run at once are left behind, no
    further one is begun. The app's own thread pool is not touched.
    """

    def __init__(self, at_once: int) -> None:
        """Allow so many at once, counting those that were left behind."""
        self._free = threading.BoundedSemaphore(at_once)
        self._at_once = at_once
        self._limiter: anyio.CapacityLimiter | None = None

    async def run(self, function: Callable[..., Any], *arguments: object) -> Any:  # noqa: ANN401 - the app's own
        """Call a function in a thread.

        Raises:
            NoAnswer: too many are running still.
        """
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(self._at_once)
        if not self._free.acquire(blocking=False):
            raise NoAnswer("busy")
        turn = threading.Lock()
        begun = left = False

        def call() -> Any:  # noqa: ANN401 - the app's own
            nonlocal begun
            with turn:
                if left:
                    return None
                begun = True
            try:
                return function(*arguments)
            finally:
                self._free.release()

        try:
            return await anyio.to_thread.run_sync(call, abandon_on_cancel=True, limiter=self._limiter)
        finally:
            with turn:
                if not begun:  # whoever asked went away before a thread took it up, and none will
                    left = True
                    self._free.release()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAuth:
    """How the guard shows itself to a service, and what it holds the service to.

    Attributes:
        bearer_env: name of the variable that holds our token; empty for none.
        certificate: file of our certificate; empty for none.
        key: file of its key.
        authority: file of the certificate authority that the service is held to; empty for the usual ones.
    """

    bearer_env: str = ""
    certificate: str = ""
    key: str = ""
    authority: str = ""


class JsonService:
    """Asks one address with a JSON document, and reads a JSON document."""

    def __init__(
        self,
        address: str,
        *,
        who: str,
        at_once: int,
        auth: ServiceAuth,
        environ: Mapping[str, str],
        client: httpx2.AsyncClient | None = None,
    ) -> None:
        """Prepare what every question carries.

        Args:
            address: of the service.
            who: it is, for what is wrong with its settings: ``the verifier `otp```.
            at_once: connections at the most.
            auth: how the guard shows itself.
            environ: where the bearer token is.
            client: to use instead of one of its own; its owner closes it.

        Raises:
            SettingsError: it would be asked without TLS on another machine, the variable with the token is not set, or
                a certificate cannot be read.
        """
        if not is_safe(address):
            raise SettingsError(f"{who} would be asked without TLS: use https, or this very machine")
        self._address = address
        self._given = client
        self._client = client
        self._at_once = at_once
        self._headers = {"Accept": "application/json", "Accept-Encoding": "identity", "Connection": "close"}
        if auth.bearer_env:
            token = environ.get(auth.bearer_env, "")
            if not token:
                raise SettingsError(f"set `{auth.bearer_env}`: {who} is shown its token")
            self._headers["Authorization"] = f"Bearer {token}"
        self._tls: ssl.SSLContext | bool = True
        if auth.certificate or auth.authority:
            try:
                self._tls = ssl.create_default_context(cafile=auth.authority or None)
                if auth.certificate:
                    self._tls.load_cert_chain(auth.certificate, auth.key)
            except (OSError, ssl.SSLError) as error:
                message = f"a certificate for {who} cannot be read: {type(error).__name__}"
                raise SettingsError(message) from error

    async def open(self) -> None:
        """Make a client; no proxy of the environment has a say about what is told of customers."""
        if self._client is None:
            limits = httpx2.Limits(max_connections=self._at_once)
            # reading the trusted certificates takes long, and this very machine is asked without
            verify = self._tls if self._address.startswith("https:") else False
            self._client = make_async_client(verify=verify, timeout=None, limits=limits)

    async def close(self) -> None:
        """Close it, if it is our own."""
        if self._client is not None and self._client is not self._given:
            await self._client.aclose()
            self._client = None

    async def ask(self, document: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON
        """Ask once; the caller bounds the time.

        Raises:
            NoAnswer: with its cause.
        """
        if self._client is None:
            raise NoAnswer("error")
        try:
            async with self._client.stream(
                "POST", self._address, json=document, headers=self._headers, follow_redirects=False
            ) as answer:
                if answer.status_code != httpx2.codes.OK:
                    raise NoAnswer("refused", again=answer.status_code in _AGAIN)
                if answer.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
                    raise NoAnswer("nonsense")
                if "content-encoding" in answer.headers:
                    raise NoAnswer("nonsense")
                body = bytearray()
                async for chunk in answer.aiter_bytes():
                    body += chunk
                    if len(body) > ANSWER_BOUND:
                        raise NoAnswer("too-large")
        except httpx2.HTTPError as error:
            raise NoAnswer("error", again=True) from error
        return _read(bytes(body))


def _read(body: bytes) -> Any:  # noqa: ANN401 - any JSON
    try:
        document = json.loads(body, object_pairs_hook=_once, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise NoAnswer("nonsense") from error
    if _depth(document) > DEPTH_BOUND:
        raise NoAnswer("nonsense")
    return document


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _refuse(_: str) -> float:
    raise ValueError("no number")


def _depth(document: object) -> int:
    level, deep = [document], 0
    while level:
        deep += 1
        level = [
            inner
            for value in level
            for inner in (value.values() if isinstance(value, dict) else value if isinstance(value, list) else ())
        ]
    return deep
