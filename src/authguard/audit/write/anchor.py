"""Anchors, which store checkpoints elsewhere: a file on another disk, an HTTP service, or a function of the app.

Rules: an anchor stores a checkpoint or raises, within a deadline. No request waits for an anchor. Of a response only
the status is used; its content is neither read nor logged, and redirects are not followed.
"""

from __future__ import annotations

import fcntl
import ipaddress
import os
import threading
import time
from http import HTTPStatus
from inspect import isawaitable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlsplit

import anyio

from authguard.audit import checkpoint_file
from authguard.errors import AuditError, SettingsError
from authguard.file_access import Access, FileRole, describe_failure
from authguard.outbound.error import ServiceError
from authguard.outbound.http_client import HttpClient, load_trusted_certificates
from authguard.paths import absolute

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from urllib.parse import SplitResult

    #: receives a signed note
    AnchorFunction = Callable[[str], object]

#: deadline of an anchor for one checkpoint, in seconds
TIMEOUT_S: Final = 10.0
#: seconds for reading the checkpoints of an anchor
READ_TIMEOUT_S: Final = 60.0
#: attempts to lock a file that another process writes, and seconds between them
MAX_LOCK_ATTEMPTS: Final = 20
LOCK_RETRY_S: Final = 0.05
#: maximum of bytes that are read from an anchor
MAX_READ_BYTES: Final = 64 * 1024 * 1024
_FLAGS: Final = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
_WEB: Final = ("https://", "http://")


class Anchor(Protocol):
    """Stores checkpoints.

    Attributes:
        name: name for people, without secrets.
    """

    name: str

    def store(self, note: str) -> None:
        """Store a checkpoint; it may be stored already.

        Raises:
            AuditError: the checkpoint was not stored.
            OSError: the checkpoint was not stored.
        """


def make_anchor(given: str | Path | AnchorFunction, token: str = "") -> Anchor:
    """Create the anchor for a path, a URL or a function.

    Args:
        given: a path, a URL or a function.
        token: bearer token for a URL.

    Raises:
        SettingsError: the URL has no TLS, or has a user or a fragment.
    """
    if callable(given):
        return FunctionAnchor(given)
    return HttpAnchor(str(given), token) if is_url(str(given)) else FileAnchor(absolute(Path(given)))


def is_url(given: str) -> bool:
    """Return whether an anchor is a URL."""
    return given.lower().startswith(_WEB)


class FileAnchor:
    """A file to which checkpoints are appended, one JSON line each.

    Its folder must exist, because it may be a mount point.
    """

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path

    def store(self, note: str) -> None:
        """Append the checkpoint durably unless it is the last one; several processes may write to the file.

        Raises:
            OSError: the line cannot be written completely, or another process holds the lock.
        """
        line = checkpoint_file.encode_line(note)
        fd = os.open(self._path, _FLAGS, 0o600)
        try:
            _lock(fd)
            end = os.fstat(fd).st_size
            tail = os.pread(fd, len(line), max(0, end - len(line)))
            if tail == line:
                return
            # an incomplete line stays, because the file may be append-only
            line = line if not tail or tail.endswith(b"\n") else b"\n" + line
            if os.write(fd, line) != len(line):
                raise OSError(28, "the line was written only in part")
            os.fsync(fd)
        finally:
            # unlock explicitly: a child that was forked in between has a copy of the descriptor
            fcntl.flock(fd, fcntl.LOCK_UN)
            os.close(fd)


def _lock(fd: int) -> None:
    """Lock a file that another process holds only for a moment."""
    for left in reversed(range(MAX_LOCK_ATTEMPTS)):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not left:
                raise
            time.sleep(LOCK_RETRY_S)
        else:
            return


class HttpAnchor:
    """An HTTP service that receives checkpoints by POST, as text, and responds with 2xx after storing one."""

    def __init__(self, url: str, token: str = "") -> None:
        parts = parse_url(url)
        self.name = f"{parts.scheme}://{parts.netloc}"
        self._url = url
        self._headers = {"content-type": "text/plain; charset=utf-8", "user-agent": "authguard"}
        if token:
            self._headers["authorization"] = f"Bearer {token}"
        # loaded before the process changes its environment
        self._certificates = load_trusted_certificates()

    def store(self, note: str) -> None:
        """Post the checkpoint; called in a thread without an event loop.

        Raises:
            AuditError: there was no response with 2xx within the deadline.
        """
        anyio.run(self._post, note.encode())

    async def _post(self, content: bytes) -> None:
        try:
            with anyio.fail_after(TIMEOUT_S):
                async with HttpClient(verify=self._certificates) as client:
                    response = await client.send("POST", self._url, headers=self._headers, content=content)
        except ServiceError as error:
            raise AuditError(error.detail) from None
        except TimeoutError:
            raise AuditError(f"no response within {TIMEOUT_S:g} s") from None
        if not response.is_success:
            raise AuditError(f"responded with status {response.status}")


class FunctionAnchor:
    """A function of the app, called in a separate thread; a coroutine runs in an event loop of that thread."""

    def __init__(self, function: AnchorFunction, seconds: float = TIMEOUT_S) -> None:
        self.name = (
            f"{getattr(function, '__module__', '?')}:{getattr(function, '__qualname__', type(function).__name__)}"
        )
        self._function = function
        self._seconds = seconds
        self._busy: threading.Thread | None = None

    def store(self, note: str) -> None:
        """Call the function.

        Raises:
            AuditError: the function raised or missed the deadline. While a call hangs, no other call starts.
        """
        if self._busy is not None and self._busy.is_alive():
            raise AuditError("still busy with an earlier checkpoint")
        raised: list[BaseException] = []
        self._busy = threading.Thread(target=self._call, args=(note, raised), name="authguard-anchor-call", daemon=True)
        self._busy.start()
        self._busy.join(self._seconds)
        if self._busy.is_alive():
            raise AuditError(f"did not return within {self._seconds:g} seconds")
        if raised:
            raise AuditError(f"raised {type(raised[0]).__name__}") from raised[0]

    def _call(self, note: str, raised: list[BaseException]) -> None:
        try:
            found = self._function(note)
            if isawaitable(found):
                anyio.run(_finish, found, self._seconds)
        except BaseException as error:  # noqa: BLE001 - errors of the app's function end here, and are reported
            raised.append(error)


async def _finish(awaitable: Awaitable[Any], seconds: float) -> None:
    with anyio.fail_after(seconds):
        await awaitable


def parse_url(url: str) -> SplitResult:
    """Parse the URL of an anchor.

    Raises:
        SettingsError: the URL has no TLS and is not on this machine, or has a user or a fragment.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
        host = parts.hostname or ""
    except ValueError:
        parts, host = urlsplit(""), ""
    is_valid = bool(host) and url.isascii() and url.isprintable() and " " not in url and "@" not in parts.netloc
    if not is_valid or parts.fragment or (parts.scheme != "https" and not _is_loopback(host)):
        raise SettingsError("an anchor's URL must have TLS and no user or fragment, such as https://anchor.example/log")
    return parts


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_anchor(given: str, token: str = "") -> Iterator[str]:
    """Read the checkpoints of an anchor: lines as `FileAnchor` writes them, or one note without JSON.

    Args:
        given: a path or a URL.
        token: bearer token for a URL.

    Yields:
        Notes; an empty text for each line that is not a note.

    Raises:
        SettingsError: the anchor cannot be read.
    """
    if is_url(given):
        yield from checkpoint_file.parse_notes(anyio.run(_fetch, given, token))
        return
    try:
        with Path(given).open("rb") as file:
            data = file.read(MAX_READ_BYTES + 1)
    except OSError as error:
        raise SettingsError(describe_failure(FileRole.ANCHOR, given, "read", Access.READ, error)) from error
    if len(data) > MAX_READ_BYTES:
        raise SettingsError(f"the anchor `{given}` is too large: name a newer part of it")
    yield from checkpoint_file.parse_notes(data)


async def _fetch(url: str, token: str) -> bytes:
    name = f"{parse_url(url).scheme}://{parse_url(url).netloc}"
    headers = {"authorization": f"Bearer {token}"} if token else {}
    try:
        with anyio.fail_after(READ_TIMEOUT_S):
            async with HttpClient() as client:
                response = await client.send("GET", url, headers=headers, max_bytes=MAX_READ_BYTES)
    except ServiceError as error:
        if error.cause == "too-large":
            message = f"the response of the anchor {name} is too large: use a URL for a part of it"
            raise SettingsError(message) from None
        raise SettingsError(f"the anchor {name} cannot be read: {error.detail}") from None
    except TimeoutError:
        message = f"the anchor {name} cannot be read: no response within {READ_TIMEOUT_S:g} s"
        raise SettingsError(message) from None
    if response.status != HTTPStatus.OK:
        raise SettingsError(f"the anchor {name} responded with status {response.status}")
    return response.body
