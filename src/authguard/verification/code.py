"""One-time codes: made here, handed to the app's own sender, kept only as a keyed hash until they are over.

Rules: a code is for one attempt, one verifier and one guess, whatever that guess is; it counts for the policy's time
and never longer (NIST SP 800-63B-4 3.1.3.2: ten minutes at most); asking again sends another a few times and then no
more, so that nobody's telephone is flooded. What was never answered is swept as others are sent.
"""

from __future__ import annotations

import hmac
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

import anyio
import msgspec

from authguard.core.verification import Failed, Passed, Unavailable
from authguard.outbound.error import ServiceError
from authguard.verification.app_function import AppFunction
from authguard.verification.resilience import ResilientVerifier

if TYPE_CHECKING:
    from collections.abc import Callable

    from authguard.core.verification import VerifierVerdict
    from authguard.policy.deployment import Verifier
    from authguard.ports import Clock, Ids, Question, Store

#: where the hashes of codes are kept
NAMESPACE: Final = "codes"
#: codes of one attempt that are sent at the most
MAX_SENDS: Final = 3
#: seconds of a shelf's compartment: a code lies in that of the time when it was sent, and may be found in the next
BUCKET_S: Final = 3_600
#: names that are looked at, to be swept, each time a code is sent
MAX_SWEPT: Final = 8


class StoredCode(msgspec.Struct, frozen=True, array_like=True):
    """What is kept of a code.

    Attributes:
        digest: keyed hash of it and its attempt.
        until: epoch seconds UTC to which it counts.
        sends: how many were sent for this attempt.
    """

    digest: bytes
    until: float
    sends: int


class CodeStore:
    """What is kept of the codes of one verifier."""

    __slots__ = ("_declared", "_key", "_store")

    def __init__(self, declared: Verifier, store: Store, key: bytes) -> None:
        """Keep the parts; the `key` is secret and shared by all processes."""
        self._declared = declared
        self._store = store
        self._key = key

    async def store(self, question: Question, code: str) -> bool:
        """Keep a code in place of the one before it; False where there were enough for this attempt.

        Raises:
            StoreError: it cannot be kept.
        """
        await self._sweep(question.at)
        name, raw = await self._find(question)
        sends = msgspec.msgpack.decode(raw, type=StoredCode).sends if raw else 0
        if sends >= MAX_SENDS:
            return False
        kept = StoredCode(self._digest(question, code), question.at + self._declared.expires, sends + 1)
        return await self._store.replace(NAMESPACE, name, raw, msgspec.msgpack.encode(kept))

    async def consume(self, question: Question, said: str) -> bool:
        """Use the code up, and tell whether it was the right one: of all who try at once, one is told.

        Raises:
            StoreError: it cannot be used up, so it may not count.
        """
        digest = self._digest(question, said)
        name, raw = await self._find(question)
        kept = msgspec.msgpack.decode(raw, type=StoredCode) if raw else StoredCode(b"", 0.0, 0)
        same = hmac.compare_digest(digest, kept.digest)
        mine = bool(raw) and await self._store.replace(NAMESPACE, name, raw, b"")
        return same and mine and question.at < kept.until

    async def _find(self, question: Question) -> tuple[str, bytes]:
        """Look in this time's compartment and the one before it."""
        now = int(question.at // BUCKET_S)
        label = blake2b(question.attempt.encode(), digest_size=16, key=self._key, person=b"code attempt").hexdigest()
        for compartment in (now - 1, now, now + 1):  # a clock may have stepped back meanwhile
            name = f"{compartment:010}.{self._declared.name}.{label}"
            raw = await self._store.get(NAMESPACE, name)
            if raw:
                return name, raw
        return f"{now:010}.{self._declared.name}.{label}", b""

    async def _sweep(self, at: float) -> None:
        """Drop the oldest codes whose time is over; names sort by time."""
        over = f"{int(at // BUCKET_S) - 1:010}"
        for name in await self._store.list_keys(NAMESPACE, MAX_SWEPT):
            if name < over:
                await self._store.put(NAMESPACE, name, b"")

    def _digest(self, question: Question, code: str) -> bytes:
        digest = blake2b(digest_size=32, key=self._key, person=b"code")
        for part in (self._declared.name, question.issuer, question.subject, question.attempt, code):
            raw = part.encode("utf-8", "surrogatepass")
            digest.update(len(raw).to_bytes(4, "big"))
            digest.update(raw)
        return digest.digest()


class _CodeSender:
    """The app's sender as a service: makes a code, keeps it, and hands it over."""

    def __init__(
        self, declared: Verifier, function: Callable[[str, str, str, str], Any], codes: CodeStore, ids: Ids
    ) -> None:
        self._digits = declared.digits
        self._send = AppFunction(function, declared.max_concurrency)
        self._codes = codes
        self._ids = ids

    async def open(self) -> None:
        """Do nothing: it is the app's."""

    async def close(self) -> None:
        """Do nothing."""

    async def ask(self, question: Question) -> VerifierVerdict:
        """Send one code; where there were enough, the last one is still on its way.

        Raises:
            ServiceError: the sender says that it could not.
        """
        # 128 bits over at most 10 digits: no code is likelier than another by more than one in 2**94
        code = f"{int(self._ids.secret(), 16) % 10**self._digits:0{self._digits}}"
        if await self._codes.store(question, code):
            sent = await self._send(question.issuer, question.subject, question.channel, code)
            if sent is False:
                raise ServiceError("refused")
        return Passed()


class CodeVerifier:
    """Implements `authguard.ports.Verifier`: the app sends a code, ``function(issuer, subject, channel, code)``."""

    asks = True
    sends = True

    def __init__(
        self,
        declared: Verifier,
        function: Callable[[str, str, str, str], Any],
        *,
        store: Store,
        key: bytes,
        clock: Clock,
        ids: Ids,
    ) -> None:
        """Arrange the parts.

        Args:
            declared: digits, how long a code counts, time-out, breaker and bulkhead, as the policy says.
            function: the app's sender; sync or async; ``False`` says that it could not send.
            store: where hashes are kept, for all processes.
            key: secret, shared by all processes.
            clock: for the breaker.
            ids: where randomness comes from.
        """
        self._codes = CodeStore(declared, store, key)
        sending = _CodeSender(declared, function, self._codes, ids)
        self._sender = ResilientVerifier(declared, [sending], clock=clock, chance=lambda: 0.0)
        self._timeout = declared.timeout
        self.longest = self._sender.longest

    async def open(self) -> None:
        """Make ready."""
        await self._sender.open()

    async def close(self) -> None:
        """Let go."""
        await self._sender.close()

    async def begin(self, question: Question) -> Passed | Unavailable:
        """Send a code."""
        said = await self._sender.verify(question)
        return said if isinstance(said, Passed | Unavailable) else Unavailable("nonsense")

    async def verify(self, question: Question) -> Passed | Failed | Unavailable:
        """Check the answer; the code is used up by it.

        Raises:
            StoreError: it could not be used up.
        """
        said = question.answers.get("answer", "").replace(" ", "")
        with anyio.move_on_after(self._timeout):
            return Passed() if await self._codes.consume(question, said) else Failed()
        return Unavailable("timeout")
