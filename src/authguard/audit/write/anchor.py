"""Where checkpoints are kept elsewhere: a file on another disk, a service over HTTP, a function of the app's.

Rules: each either keeps a checkpoint or raises, in bounded time; none is asked by a request; what one answers
beyond yes or no is not read, told or followed.
"""

from __future__ import annotations

import fcntl
import ipaddress
import os
import threading
import time
from inspect import isawaitable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlsplit

import anyio

from authguard.audit import checkpoint_file
from authguard.errors import AuditError, SettingsError
from authguard.paths import absolute

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Iterator

    #: takes a signed note
    AnchorFunction = Callable[[str], object]

#: seconds that an anchor may take for one checkpoint
TIMEOUT_S: Final = 10.0
#: how often a file that another process writes to is tried, and seconds between
MAX_LOCK_ATTEMPTS: Final = 20
LOCK_RETRY_S: Final = 0.05
#: most bytes of what an anchor holds that are read
MAX_READ_BYTES: Final = 64 * 1024 * 1024
_FLAGS: Final = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
_WEB: Final = ("https://", "http://")


class Anchor(Protocol):
    """Keeps checkpoints.

    Attributes:
        name: for people; holds no secret.
    """

    name: str

    def store(self, note: str) -> None:
        """Keep one checkpoint; the same may come again.

        Raises:
            AuditError: it was not kept.
            OSError: the same.
        """


def make_anchor(given: str | Path | AnchorFunction, token: str = "") -> Anchor:
    """Choose the anchor that somebody means.

    Args:
        given: a path, an address, or a function.
        token: a bearer token for addresses.

    Raises:
        SettingsError: it is an address without TLS, or with a name or a fragment in it.
    """
    if callable(given):
        return FunctionAnchor(given)
    return HttpAnchor(str(given), token) if is_url(str(given)) else FileAnchor(absolute(Path(given)))


def is_url(given: str) -> bool:
    """Whether an anchor is named by its address."""
    return given.lower().startswith(_WEB)


class FileAnchor:
    """A file to which checkpoints are added, one JSON line each; its folder has to be there, for it may be a mount."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path

    def store(self, note: str) -> None:
        """Add the checkpoint unless it is the last, and bring it to the disk; several processes may do so.

        Raises:
            OSError: it cannot be written whole, or another writes just now.
        """
        line = checkpoint_file.encode_line(note)
        fd = os.open(self._path, _FLAGS, 0o600)
        try:
            _lock(fd)
            end = os.fstat(fd).st_size
            tail = os.pread(fd, len(line), max(0, end - len(line)))
            if tail == line:
                return
            # a line that a crash tore stays, since the file may be one that can only be added to
            line = line if not tail or tail.endswith(b"\n") else b"\n" + line
            if os.write(fd, line) != len(line):
                raise OSError(28, "the line was written only in part")
            os.fsync(fd)
        finally:
            # also where a child that was forked meanwhile has a copy of the descriptor
            fcntl.flock(fd, fcntl.LOCK_UN)
            os.close(fd)


def _lock(fd: int) -> None:
    """Lock a file, for which another process needs a moment at most.

    Raises:
        BlockingIOError: it is still locked.
    """
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
    """A service that takes checkpoints by POST, as text, and answers 2xx when it has kept one."""

    def __init__(self, url: str, token: str = "") -> None:
        parts = parse_url(url)
        self.name = f"{parts.scheme}://{parts.netloc}"
        self._url = url
        self._headers = {"content-type": "text/plain; charset=utf-8", "user-agent": "authguard"}
        if token:
            self._headers["authorization"] = f"Bearer {token}"
        self._tls = _make_tls_context()

    def store(self, note: str) -> None:
        """Post the checkpoint.

        Raises:
            AuditError: it was not answered with 2xx in time.
        """
        import httpx2  # noqa: PLC0415 - loads where there is such an anchor

        from authguard.outbound.http_client import create_client  # noqa: PLC0415

        try:
            with (
                create_client(verify=self._tls, timeout=TIMEOUT_S / 2) as client,
                client.stream("POST", self._url, content=note.encode(), headers=self._headers) as answer,
            ):
                good = answer.is_success
                status = answer.status_code
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise AuditError(type(error).__name__) from error
        if not good:
            raise AuditError(f"answered {status}")


def _make_tls_context() -> ssl.SSLContext:
    """Read the trusted certificates, and load what makes connections, before anything around the process changes."""
    from authguard.outbound.http_client import load_trusted_certificates  # noqa: PLC0415 - loads where there is such an anchor

    return load_trusted_certificates()


class FunctionAnchor:
    """The app's own function, in a thread of its own; an async one in a loop of its own."""

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
            AuditError: it raised, or has not returned in time; one that hangs is not called again while it does.
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
        except BaseException as error:  # noqa: BLE001 - whatever the app's function raises ends here, and is told
            raised.append(error)


async def _finish(awaitable: Awaitable[Any], seconds: float) -> None:
    with anyio.fail_after(seconds):
        await awaitable


def parse_url(url: str) -> Any:  # noqa: ANN401 - what `urlsplit` gives
    """Take an anchor's address.

    Raises:
        SettingsError: it has no TLS and is not on this machine, or names a user or a fragment.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
        host = parts.hostname or ""
    except ValueError:
        parts, host = urlsplit(""), ""
    good = bool(host) and url.isascii() and url.isprintable() and " " not in url and "@" not in parts.netloc
    if not good or parts.fragment or (parts.scheme != "https" and not _is_loopback(host)):
        raise SettingsError("an anchor's address has to be one such as https://anchor.example/log, with TLS")
    return parts


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_anchor(given: str, token: str = "") -> Iterator[str]:
    """Read the checkpoints that an anchor holds: lines as `FileAnchor` writes them, or one bare note.

    Args:
        given: a path or an address.
        token: a bearer token for addresses.

    Yields:
        Notes; an empty text for each line that is none.

    Raises:
        SettingsError: it cannot be read.
    """
    if is_url(given):
        yield from checkpoint_file.parse_notes(_fetch(given, token))
        return
    try:
        with Path(given).open("rb") as file:
            data = file.read(MAX_READ_BYTES + 1)
    except OSError as error:
        raise SettingsError(f"the anchor `{given}` cannot be read: {error.strerror}") from error
    if len(data) > MAX_READ_BYTES:
        raise SettingsError(f"the anchor `{given}` is too large: name a newer part of it")
    yield from checkpoint_file.parse_notes(data)


def _fetch(url: str, token: str) -> bytes:
    import httpx2  # noqa: PLC0415 - loads where there is such an anchor

    from authguard.outbound.http_client import create_client  # noqa: PLC0415

    name = f"{parse_url(url).scheme}://{parse_url(url).netloc}"
    headers = {"authorization": f"Bearer {token}"} if token else {}
    data = bytearray()
    try:
        with (
            create_client(verify=_make_tls_context(), timeout=TIMEOUT_S) as client,
            client.stream("GET", url, headers=headers) as answer,
        ):
            if not answer.is_success:
                raise SettingsError(f"the anchor {name} answered {answer.status_code}")
            for chunk in answer.iter_bytes():
                data += chunk
                if len(data) > MAX_READ_BYTES:
                    raise SettingsError(f"the anchor {name} answers too much: ask for a part of it")
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        raise SettingsError(f"the anchor {name} cannot be read: {type(error).__name__}") from error
    return bytes(data)
