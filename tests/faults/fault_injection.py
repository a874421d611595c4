"""Fault injection: each function breaks one real dependency and repairs it while requests continue."""

from __future__ import annotations

import errno
import os
import resource
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from authguard.audit.write import flusher
from authguard.deployment_keys import DeploymentKeys
from authguard.settings import Settings
from authguard.stores import sqlite
from tests.faults import directory
from tests.faults.app import LOG, STORE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from authguard.testing import IdentityProvider
    from tests.faults.fault_scenario import Scene

#: where a folder is the trouble; the log has one of its own
VAULT = Path("vault")
LOGS = Path("logs")
#: the number of `nobody`, for whom a folder can be read-only though root runs the tests
NOBODY = 65_534
#: seconds, longer than a fetch of keys may take
SLOW = 20.0
HOUR, DAY = 3_600.0, 86_400.0


def bob(scene: Scene, **claims: Any) -> Awaitable[Any]:
    """Let somebody chat whom the guard has never seen."""
    return scene.house.chat(scene.house.token(sub="bob", **claims))


async def both_ask(scene: Scene) -> None:
    """Let a known customer ask, then a new one, then the known one for money."""
    await scene.asks("a known customer", scene.house.chat())
    await scene.asks("a new customer", bob(scene))
    await scene.asks("a refund", scene.house.refund())


async def refund_later(scene: Scene) -> None:
    """Let somebody ask for money when the service has repaired itself."""
    scene.house.clock.advance(301)
    await scene.asks("a refund five minutes later", scene.house.refund(key="k2"))


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the store's lock in another process."""
    script = (
        "import sqlite3, sys\n"
        "other = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "other.execute('BEGIN EXCLUSIVE')\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(  # noqa: S603 - our own interpreter and script
        [sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        yield
        other.communicate()


@contextmanager
def full(size: int) -> Iterator[None]:
    """Let no file grow beyond a size: the kernel cuts the write that crosses it, and refuses those after it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def store_locked(scene: Scene) -> None:
    """Hold the lock for longer than the guard waits."""
    store: Any = scene.house.guard.enforcer.repository.store
    store._lock_timeout_s = 0.1
    await scene.house.chat()
    with locked(STORE):
        scene.begin()
        await both_ask(scene)
    scene.heal()
    await both_ask(scene)


async def store_full(scene: Scene) -> None:
    """Leave no room for the store; the log, which is smaller, still has some."""
    await scene.house.chat()
    with full(size(Path(f"{STORE}-wal"))):
        scene.begin()
        await both_ask(scene)
    scene.heal()
    await both_ask(scene)


async def store_damaged(scene: Scene) -> None:
    """Write nonsense into a customer's records; put back what was there."""
    await scene.house.chat()
    with closing(sqlite3.connect(STORE, isolation_level=None)) as other:
        kept = other.execute("SELECT name, value FROM records").fetchall()
        other.execute("UPDATE records SET value = X'C1'")
        scene.begin()
        await scene.asks("a known customer", scene.house.chat())
        other.executemany("UPDATE records SET value = ? WHERE name = ?", [(value, name) for name, value in kept])
    scene.heal()
    await both_ask(scene)
    await refund_later(scene)


def move(file: Path, to: Path) -> None:
    """Give a file another name, in the place of whatever has it."""
    file.replace(to)


async def store_moved(scene: Scene) -> None:
    """Move the store away under the running app; later move it back."""
    sqlite.IDENTITY_CHECK_INTERVAL_S = 0.0  # type: ignore[misc]  # a read looks once a second, and no test waits for one
    await scene.house.chat()
    scene.begin()
    move(STORE, Path("elsewhere"))
    await both_ask(scene)
    move(Path("elsewhere"), STORE)
    scene.heal()
    await both_ask(scene)


async def store_replaced(scene: Scene) -> None:
    """Put a copy of the store in its place under the running app; later start the app anew."""
    sqlite.IDENTITY_CHECK_INTERVAL_S = 0.0  # type: ignore[misc]  # as above
    await scene.house.chat()
    with closing(sqlite3.connect(STORE)) as source, closing(sqlite3.connect("copy")) as copy:
        source.backup(copy)
    scene.begin()
    move(Path("copy"), STORE)
    await both_ask(scene)
    await scene.house.guard.enforcer.close()
    scene.house.build()
    scene.heal()
    await both_ask(scene)


def size(path: Path) -> int:
    """Measure a file, bytes."""
    return path.stat().st_size


def shut(folder: Path) -> None:
    """Make a folder read-only for whoever this process is from now on."""
    if os.getuid() == 0:
        for path in (Path(), VAULT, LOGS, *VAULT.iterdir()):
            os.chown(path, NOBODY, NOBODY)
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    folder.chmod(0o555)


def reopen(folder: Path) -> None:
    """Make it writable again."""
    folder.chmod(0o755)


async def folder_read_only(scene: Scene, folder: Path) -> None:
    """Start on a folder that cannot be written any more, with the keys of an earlier start; later it can."""
    settings = Settings.resolve("unread", store=VAULT / STORE, audit_log=LOGS / LOG, environ={})
    DeploymentKeys(settings, plain=False, several=False, clock=scene.house.clock).open()
    shut(folder)
    scene.begin()
    await scene.starts()
    await scene.asks("a customer", scene.house.chat())
    reopen(folder)
    scene.heal()
    await scene.asks("a customer", scene.house.chat())


async def log_gone(scene: Scene, take: Callable[[], object]) -> None:
    """Take the log away, or put another one in its place, while it is written."""
    await scene.house.chat()
    scene.begin()
    take()
    await scene.asks("the first caller", scene.house.chat())
    scene.house.clock.advance(2)
    await scene.asks("the next caller", scene.house.chat())
    scene.heal()
    await both_ask(scene)
    await refund_later(scene)


def replace_log() -> None:
    """Do what a tool that rotates logs does."""
    LOG.rename("rotated.jsonl")
    LOG.touch()


async def log_full(scene: Scene) -> None:
    """Leave room for half a line of the log; its records are in memory, and take none."""
    await scene.house.chat()
    with full(size(LOG) + 100):
        scene.begin()
        await both_ask(scene)
    scene.heal()
    await both_ask(scene)


class Disk:
    """The operating system with a disk of its own: it is slow until it is let go, or fails."""

    def __init__(self, trouble: str) -> None:
        self._trouble = trouble
        self._gate = threading.Event()

    def __getattr__(self, name: str) -> Any:
        """Give all else as it is."""
        return getattr(os, name)

    def fsync(self, fd: int) -> None:
        """Bring to the disk, or not."""
        if self._trouble == "slow":
            self._gate.wait(SLOW)
        elif self._trouble == "failing":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        os.fsync(fd)

    def mend(self) -> None:
        """From here on it is well."""
        self._trouble = ""
        self._gate.set()


async def disk_out(scene: Scene, how: str) -> None:
    """Let the log's disk be slow or fail where something has to be durable; what need not be goes on."""
    await scene.house.chat()
    disk: Any = Disk(how)
    flusher.os = disk  # type: ignore[attr-defined]
    scene.begin()
    await both_ask(scene)
    disk.mend()
    scene.heal()
    await both_ask(scene)
    await refund_later(scene)


async def clock_back(scene: Scene) -> None:
    """Set the clock back by an hour; one customer has signed out before."""
    house = scene.house
    tokens = {who: house.token(sub=who) for who in ("alice", "carol")}
    await house.chat(tokens["alice"])
    await house.chat(tokens["carol"])
    await house.ask("/.authguard/session/end", tokens["carol"])
    right = house.clock.now()
    house.clock.set(right - HOUR)
    scene.begin()
    await scene.asks("a known customer", house.chat(tokens["alice"]))
    await scene.asks("a signed-out customer", house.chat(tokens["carol"]))
    await scene.asks("a refund", house.refund(tokens["alice"]))
    house.clock.set(right + 1)
    scene.heal()
    await scene.asks("a known customer", house.chat(tokens["alice"]))
    await scene.asks("a signed-out customer", house.chat(tokens["carol"]))


async def clock_ahead(scene: Scene) -> None:
    """Set the clock a day ahead, and right again."""
    house = scene.house
    token = house.token()
    await house.chat(token)
    right = house.clock.now()
    house.clock.set(right + DAY)
    scene.begin()
    await scene.asks("a known customer", house.chat(token))
    house.clock.set(right + 1)
    scene.heal()
    await scene.asks("a known customer", house.chat(token))


def of_issuer(scene: Scene, provider: IdentityProvider, subject: str) -> Awaitable[Any]:
    """Let somebody chat who signed in at the real issuer."""
    provider.set_clock(at=scene.house.clock.now())
    signed_in = provider.sign_in(subject, scope="chat accounts refunds", acr="aal2", account_status="ok")
    return scene.house.chat(signed_in.access_token)


async def keys_first(scene: Scene, mode: str) -> None:
    """Begin while the issuer's key server is out; no key has ever been seen."""
    provider: IdentityProvider = scene.house.issuer
    scene.begin()
    await scene.asks("a customer", _while_out(scene, provider, mode, "alice"))
    provider.restore()
    scene.house.clock.advance(3)  # the next fetch comes two seconds after a failed one
    scene.heal()
    await scene.asks("a customer", of_issuer(scene, provider, "alice"))


async def keys_later(scene: Scene, mode: str) -> None:
    """Lose the key server when its keys are known, and again when it has rotated them."""
    provider: IdentityProvider = scene.house.issuer
    await of_issuer(scene, provider, "alice")
    scene.begin()
    await scene.asks("a customer, signed by a known key", _while_out(scene, provider, mode, "bob"))
    provider.rotate_keys()
    scene.house.clock.advance(31)  # an unknown key leads to a fetch twice a minute at the most
    await scene.asks("a customer, signed by a new key", of_issuer(scene, provider, "carol"))
    provider.restore()
    scene.house.clock.advance(3)
    scene.heal()
    await scene.asks("a customer, signed by a new key", of_issuer(scene, provider, "dave"))


def _while_out(scene: Scene, provider: IdentityProvider, mode: Any, subject: str) -> Awaitable[Any]:
    asking = of_issuer(scene, provider, subject)
    provider.outage(mode, seconds=SLOW)
    return asking


async def directory_out(scene: Scene, how: str) -> None:
    """Let the account directory fail."""
    await scene.house.chat()
    directory.mood = how
    scene.begin()
    await scene.asks("a known customer", scene.house.chat())
    await scene.asks("a new customer", bob(scene))
    await scene.asks(
        "a new customer's balance", scene.house.ask("/balance", scene.house.token(sub="bob"), method="GET")
    )
    directory.mood = "well"
    scene.heal()
    await scene.asks("a new customer", bob(scene))
    await scene.asks(
        "a new customer's balance", scene.house.ask("/balance", scene.house.token(sub="bob"), method="GET")
    )


async def app_fails(scene: Scene) -> None:
    """Let the app answer 500 over a refund."""
    scene.begin()
    await scene.asks("a refund", scene.house.refund(key="k2", amount=50))
    reply = await scene.house.refund(then="fail")
    assert reply.status == 500, "the app's own answer reaches the caller"
    scene.heal()
    await scene.asks("the same refund", scene.house.refund(then="fail"))
    await scene.asks("another refund", scene.house.refund(key="k3", amount=50))
