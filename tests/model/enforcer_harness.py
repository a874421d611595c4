"""The real enforcer with instrumented parts: its writes and saves in one sequence, and injected faults.

Beside it stands a second enforcer that remembers nothing and saves nothing: what it says of the same request at the
same moment is what judging afresh gives.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from authguard.core.outcomes import Reason
from authguard.core.record_codec import SERVICE
from authguard.core.request import UNSEEN, Credential, Evidence, NotProven, Proven, Unseen
from authguard.encryption import PayloadCipher
from authguard.errors import AuditError, StoreError
from authguard.evaluation.decision import Verdict
from authguard.evaluation.request import AccessRequest, Body
from authguard.runtime.enforcer import Enforcer
from authguard.runtime.handoff import StoreDesk
from authguard.runtime.journal import Journal
from authguard.stores.memory import MemoryStore
from authguard.stores.sqlite import SqliteStore
from tests.support.harness import MISSING, POLICY, CountingIds, EnforcerHarness, ListSink, signed_in

if TYPE_CHECKING:
    from authguard.core.snapshot import Keys, Snapshot
    from authguard.evaluation.decision import Refusal
    from authguard.ports import IssuerStatus
    from authguard.records.entries import Entry

EXPIRED = NotProven("expired", Reason.TOKEN_EXPIRED)
EARLY = NotProven("rejected", Reason.TOKEN_NOT_YET_VALID)
FORGED = NotProven("rejected", Reason.SIGNATURE_INVALID)
#: seconds that a token may be ahead, as `Issuer.leeway`
LEEWAY = 30
#: records in the memory store at the most: enough for the customers here, and for a few transactions each
CAPACITY = 80


class Killed(BaseException):
    """The process ended here: nothing after it runs."""


@dataclass
class Tape:
    """What was written and saved, in the order in which it happened, and where the next fault is.

    Attributes:
        events: ``("line", entry)`` and ``("saved", keys)``.
        fuse: calls of store and log until one fails; 0 for none.
        error: what it raises then.
        broke: what has failed since the test last looked: ``store`` or ``log``.
    """

    events: list[tuple[str, Any]] = field(default_factory=list)
    fuse: int = 0
    error: type[BaseException] = StoreError
    broke: list[str] = field(default_factory=list)
    dead: bool = False

    def touch(self, part: str, *, done: bool = False) -> None:
        """Count one call, and fail where the fuse ends; what was done already fails as one does not know it."""
        if self.dead:
            raise Killed
        if self.fuse:
            self.fuse -= 1
            if not self.fuse:
                self.broke.append(part)
                self.dead = self.error is Killed
                wrong = self.error is StoreError and (done or part == "log")
                raise TimeoutError if wrong and done else AuditError if wrong else self.error


class TapedStore:
    """A store whose calls are counted, and whose commits let others go first."""

    def __init__(self, inner: MemoryStore | SqliteStore, tape: Tape, *, far: bool = False) -> None:
        self.inner = inner
        self.tape = tape
        self.nonblocking_reads = inner.nonblocking_reads and not far
        self.nonblocking_writes = False
        self.decode = inner.decode
        self.open = inner.open
        self.close = inner.close
        self.record_keys = inner.record_keys
        self.list_keys = inner.list_keys
        self.transactions = inner.transactions
        self.records = inner.records

    async def load(self, keys: Keys, blank: Snapshot) -> Snapshot:
        self.tape.touch("store")
        await asyncio.sleep(0)
        return await self.inner.load(keys, blank)

    def peek_versions(self, places: tuple[bytes, ...]) -> tuple[object, ...]:
        self.tape.touch("store")
        return self.inner.peek_versions(places)

    def last_change(self, places: tuple[bytes, ...]) -> int:
        self.tape.touch("store")
        return self.inner.last_change(places)

    async def commit(self, keys: Keys, before: Snapshot, after: Snapshot) -> bool:
        self.tape.touch("store")
        await asyncio.sleep(0)
        saved = await self.inner.commit(keys, before, after)
        if saved:
            self.tape.events.append(("saved", keys))
            self.tape.touch("store", done=True)
        return saved

    async def put(self, namespace: str, name: str, value: bytes) -> None:
        self.tape.touch("store")
        await self.inner.put(namespace, name, value)

    async def add(self, namespace: str, name: str, value: bytes) -> bytes:
        self.tape.touch("store")
        return await self.inner.add(namespace, name, value)

    async def replace(self, namespace: str, name: str, old: bytes, new: bytes) -> bool:
        self.tape.touch("store")
        return await self.inner.replace(namespace, name, old, new)

    async def get(self, namespace: str, name: str) -> bytes:
        self.tape.touch("store")
        return await self.inner.get(namespace, name)

    async def claim(self, name: bytes, until: float, now: float) -> bool:
        self.tape.touch("store")
        return await self.inner.claim(name, until, now)


class ReadOnly:
    """The same records, to be read; what is saved here is saved nowhere."""

    nonblocking_reads = nonblocking_writes = False

    def __init__(self, inner: MemoryStore | SqliteStore) -> None:
        self.load = inner.load
        self.decode = inner.decode
        self.get = inner.get
        self.list_keys = inner.list_keys
        self.record_keys = inner.record_keys
        self.peek_versions = inner.peek_versions
        self.last_change = inner.last_change
        self.transactions = inner.transactions
        self.records = inner.records

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    async def commit(self, *_: object) -> bool:
        return True

    async def put(self, *_: object) -> None:
        """Keep nothing."""

    async def add(self, namespace: str, name: str, value: bytes) -> bytes:
        return await self.get(namespace, name) or value

    async def replace(self, *_: object) -> bool:
        return True

    async def claim(self, *_: object) -> bool:
        return True


class TapedSink(ListSink):
    """A log whose lines are taped."""

    def __init__(self, tape: Tape) -> None:
        super().__init__()
        self.tape = tape

    def append(self, entry: Entry) -> int:
        self.tape.touch("log")
        self.tape.events.append(("line", entry))
        return super().append(entry)


class TimedCheck:
    """Credentials as a real check sees them: good in their own time, and remembered once they were checked."""

    def __init__(self) -> None:
        self.known: dict[bytes, Credential] = {}
        self.seen: set[bytes] = set()

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    def prefetch(self, now: float) -> None:
        """Nothing to fetch."""

    def issuer_statuses(self) -> tuple[IssuerStatus, ...]:
        """Know no issuer."""
        return ()

    def get_cached(self, evidence: Evidence, now: float) -> Credential | Unseen:
        if not evidence.authorization:
            return MISSING
        return self.evaluate(evidence.authorization, now) if evidence.authorization in self.seen else UNSEEN

    def validate_offline(self, evidence: Evidence, now: float) -> Credential | Unseen:
        """Have no key at hand, so that `check` is asked."""
        del evidence, now
        return UNSEEN

    async def check(self, evidence: Evidence, now: float) -> Credential:
        found = self.evaluate(evidence.authorization, now)
        if isinstance(found, Proven):
            self.seen.add(evidence.authorization)
        return found

    def forget(self) -> None:
        """Remember no check, nor what was noted of any credential."""
        self.seen.clear()
        for header, found in self.known.items():
            if isinstance(found, Proven):
                self.known[header] = Proven(found.principal)

    def evaluate(self, header: bytes, now: float) -> Credential:
        """Tell what a header is worth at a moment."""
        found = self.known.get(header, FORGED if header else MISSING)
        if isinstance(found, NotProven):
            return found
        if now >= found.principal.expires_at + LEEWAY:
            return EXPIRED
        return EARLY if now < found.principal.issued_at - LEEWAY else found


class Rig:
    """One deployment: a store that outlives its process, a log, a clock, and who may come.

    Args:
        kind: of store: `memory`, `sqlite`, or `far`, in which others go first while one looks.
        text: of the policy.
        capacity: of the store in memory.
    """

    def __init__(self, kind: str, text: str = POLICY, capacity: int = CAPACITY) -> None:
        self.loop = asyncio.new_event_loop()
        self.kind = kind
        self.folder = Path(tempfile.mkdtemp(prefix="authguard-model-"))
        self.tape = Tape()
        self.sink = TapedSink(self.tape)
        self.check = TimedCheck()
        self.desk = EnforcerHarness(text)
        self.clock = self.desk.clock
        self.policy = self.desk.policy
        self.ids = CountingIds()
        self.inner: MemoryStore | SqliteStore = MemoryStore(capacity=capacity, retention=self.policy.retention)
        if kind == "sqlite":
            self.inner = SqliteStore(self.folder / "store.db", retention=self.policy.retention)
        self.start()

    def start(self) -> None:
        """Start the process anew on what the store holds: nothing is remembered but that."""
        self.tape.dead = False
        self.tape.fuse = 0
        self.check.forget()
        self.run(self.inner.open())
        self.enforcer = self._enforcer(TapedStore(self.inner, self.tape, far=self.kind == "far"), self.sink, self.ids)
        self.afresh = self._enforcer(ReadOnly(self.inner), ListSink(), CountingIds())

    def stop(self) -> None:
        """End it for good."""
        self.run(self.inner.close())
        self.loop.close()
        shutil.rmtree(self.folder)

    def restart(self) -> None:
        """End the process, and start the next."""
        if self.kind == "sqlite":
            self.run(self.inner.close())
        self.start()

    def run(self, doing: Any) -> Any:
        """Run a coroutine to its end."""
        return self.loop.run_until_complete(doing)

    def sign_in(self, subject: str, *, skew: float, lifetime: float = 300.0, **facts: Any) -> bytes:
        """Sign somebody in, on an issuer whose clock is `skew` seconds ahead."""
        now = self.clock.now() + skew
        proven = signed_in(subject, at=now, **facts)
        principal = replace(proven.principal, expires_at=now + lifetime, pseudonym=f"pseudonym-{len(subject)}")
        return self._known(Proven(principal))

    def refresh(self, header: bytes) -> bytes:
        """Refresh a token: a new one of the same sign-in, however long that is ago."""
        old = self.check.known[header]
        if isinstance(old, NotProven):
            return header
        now = self.clock.now()
        return self._known(Proven(replace(old.principal, issued_at=now, expires_at=now + 300)))

    def bad(self, credential: NotProven) -> bytes:
        """Make up a credential that is not good."""
        return self._known(credential)

    def ask(self, operation: str, header: bytes, key: str, body: bytes) -> AccessRequest:
        """Put a question together."""
        wanted = next((item for item in self.policy.operations if item.name == operation), self.policy.otherwise)

        async def read() -> Body:
            await asyncio.sleep(0)
            return Body(body, f"/{operation}".encode(), "application/json")

        evidence = Evidence(authorization=header, idempotency=key)
        return AccessRequest(operation=wanted, evidence=evidence, method="POST", read_body=read)

    def decide(self, ask: AccessRequest) -> tuple[Verdict | Refusal, Verdict | Refusal]:
        """Let both decide: the one that judges afresh first, for it changes nothing."""
        seen = set(self.check.seen)
        afresh = self.run(self.afresh.decide(ask))
        self.check.seen = seen
        return self.run(self.answer(ask)), afresh

    async def answer(self, ask: AccessRequest) -> Verdict | Refusal:
        """Decide as the shell does."""
        found = self.enforcer.cached_decider.decide(ask)
        return found if isinstance(found, Verdict) else await self.enforcer.decide(ask, found)

    def stored(self) -> dict[bytes, bytes]:
        """Give everything that is stored of customers: all records but the service's, and all documents."""
        if isinstance(self.inner, MemoryStore):
            found = {name: self.inner._records.get(name) for name in self.inner._records}
            for namespace in self.inner._documents.values():
                found |= {name.encode(): value for name, value in namespace.items()}
        else:
            reader = self.inner._require_open(self.inner._reader)
            found = dict(reader.execute("SELECT name, value FROM records").fetchall())
            found |= {n.encode(): v for n, v in reader.execute("SELECT name, value FROM documents").fetchall()}
        found.pop(SERVICE, None)
        return found

    def _known(self, credential: Credential) -> bytes:
        header = f"Bearer {len(self.check.known)}".encode()
        if isinstance(credential, Proven):
            credential = Proven(replace(credential.principal, fingerprint=header.hex()))
        self.check.known[header] = credential
        return header

    def _enforcer(self, store: Any, sink: ListSink, ids: CountingIds) -> Enforcer:
        return Enforcer(
            policy=self.policy,
            store=store,
            journal=Journal(self.policy.digest, sink, ids),
            checker=self.check,
            desk=StoreDesk(store),
            clock=self.clock,
            ids=ids,
            directories={},
            verifiers={},
            cipher=PayloadCipher((b"k" * 32,)),
        )
