"""One-time codes: generated here, sent by the app, and stored only as a keyed hash until they expire.

Rules: a code is valid for one attempt, one verifier and one guess, and for the policy's time only (NIST SP 800-63B-4,
section 3.1.3.2: ten minutes at most). The number of codes per attempt is limited, so that no telephone is flooded.
Unanswered codes are deleted as others are sent.
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

    from authguard.core.deployment import Verifier
    from authguard.core.verification import VerifierVerdict
    from authguard.ports import Clock, Ids, Question, Store

#: of the stored hashes
NAMESPACE: Final = "codes"
#: maximum number of codes for one attempt
MAX_SENDS: Final = 3
#: duration of a storage bucket: a code is in the bucket of the time when it was sent
BUCKET_S: Final = 3_600
#: maximum number of keys read to delete expired codes, each time a code is sent
MAX_SWEPT: Final = 8


class StoredCode(msgspec.Struct, frozen=True, array_like=True):
    """The stored part of a code.

    Attributes:
        digest: keyed hash of the code and its attempt.
        until: expiry, epoch seconds UTC.
        sends: number of codes sent for this attempt.
    """

    digest: bytes
    until: float
    sends: int


class CodeStore:
    """Stores the codes of one verifier."""

    __slots__ = ("_declared", "_key", "_store")

    def __init__(self, declared: Verifier, store: Store, key: Callable[[], bytes]) -> None:
        """Store the parts; `key` returns the secret that all processes share."""
        self._declared = declared
        self._store = store
        self._key = key

    async def store(self, question: Question, code: str) -> bool:
        """Store a code in place of the previous one; return False if the attempt has no codes left.

        Raises:
            StoreError: it cannot be stored.
        """
        await self._sweep(question.at)
        name, raw = await self._find(question)
        sends = msgspec.msgpack.decode(raw, type=StoredCode).sends if raw else 0
        if sends >= MAX_SENDS:
            return False
        stored = StoredCode(self._digest(question, code), question.at + self._declared.expires, sends + 1)
        return await self._store.replace(NAMESPACE, name, raw, msgspec.msgpack.encode(stored))

    async def consume(self, question: Question, code: str) -> bool:
        """Delete the stored code, and return whether the given one was correct; of concurrent callers, one succeeds.

        Raises:
            StoreError: it cannot be deleted, so it must not count.
        """
        digest = self._digest(question, code)
        name, raw = await self._find(question)
        stored = msgspec.msgpack.decode(raw, type=StoredCode) if raw else StoredCode(b"", 0.0, 0)
        same = hmac.compare_digest(digest, stored.digest)
        is_deleted = bool(raw) and await self._store.replace(NAMESPACE, name, raw, b"")
        return same and is_deleted and question.at < stored.until

    async def _find(self, question: Question) -> tuple[str, bytes]:
        """Return the key and value of an attempt's code, from the current or an adjacent bucket."""
        now = int(question.at // BUCKET_S)
        label = blake2b(question.attempt.encode(), digest_size=16, key=self._key(), person=b"code attempt").hexdigest()
        for bucket in (now - 1, now, now + 1):  # the clock may have stepped back since
            name = f"{bucket:010}.{self._declared.name}.{label}"
            raw = await self._store.get(NAMESPACE, name)
            if raw:
                return name, raw
        return f"{now:010}.{self._declared.name}.{label}", b""

    async def _sweep(self, at: float) -> None:
        """Delete the oldest expired codes; keys sort by time."""
        over = f"{int(at // BUCKET_S) - 1:010}"
        for name in await self._store.list_keys(NAMESPACE, MAX_SWEPT):
            if name < over:
                await self._store.put(NAMESPACE, name, b"")

    def _digest(self, question: Question, code: str) -> bytes:
        digest = blake2b(digest_size=32, key=self._key(), person=b"code")
        for part in (self._declared.name, question.issuer, question.subject, question.attempt, code):
            raw = part.encode("utf-8", "surrogatepass")
            digest.update(len(raw).to_bytes(4, "big"))
            digest.update(raw)
        return digest.digest()


class _CodeSender:
    """The app's sender as a service: generates a code, stores it, and sends it."""

    def __init__(
        self, declared: Verifier, function: Callable[[str, str, str, str], Any], codes: CodeStore, ids: Ids
    ) -> None:
        self._digits = declared.digits
        self._send = AppFunction(function, declared.max_concurrency)
        self._codes = codes
        self._ids = ids

    async def open(self) -> None:
        """Do nothing: the function belongs to the app."""

    async def close(self) -> None:
        """Do nothing."""

    async def ask(self, question: Question) -> VerifierVerdict:
        """Send one code; if the attempt has no codes left, the last one is still valid.

        Raises:
            NoAnswerError: the sender reports that it could not.
        """
        # 128 bits to at most 10 digits: probabilities of two codes differ by at most one in 2**94
        code = f"{int(self._ids.secret(), 16) % 10**self._digits:0{self._digits}}"
        if await self._codes.store(question, code):
            sent = await self._send(question.issuer, question.subject, question.channel, code)
            if sent is False:
                raise ServiceError("refused")
        return Passed()


class CodeVerifier:
    """Implements `authguard.ports.Verifier`: the app sends a code, ``function(issuer, subject, channel, code)``."""

    interactive = True
    sends = True

    def __init__(
        self,
        declared: Verifier,
        function: Callable[[str, str, str, str], Any],
        *,
        store: Store,
        key: Callable[[], bytes],
        clock: Clock,
        ids: Ids,
    ) -> None:
        """Store the parts.

        Args:
            declared: digits, validity, timeout, breaker and bulkhead, as in the policy.
            function: the app's sender; sync or async; ``False`` means that it could not send.
            store: of the hashes, for all processes.
            key: returns the secret that all processes share.
            clock: for the breaker.
            ids: source of randomness.
        """
        self._codes = CodeStore(declared, store, key)
        sending = _CodeSender(declared, function, self._codes, ids)
        self._sender = ResilientVerifier(declared, [sending], clock=clock)
        self._timeout = declared.timeout
        self.max_duration = self._sender.max_duration

    async def open(self) -> None:
        """Open the sender."""
        await self._sender.open()

    async def close(self) -> None:
        """Close the sender."""
        await self._sender.close()

    async def begin(self, question: Question) -> Passed | Unavailable:
        """Send a code."""
        code = await self._sender.verify(question)
        return code if isinstance(code, Passed | Unavailable) else Unavailable("nonsense")

    async def verify(self, question: Question) -> Passed | Failed | Unavailable:
        """Check the answer, which consumes the code.

        Raises:
            StoreError: the code could not be consumed.
        """
        code = question.answers.get("answer", "").replace(" ", "")
        with anyio.move_on_after(self._timeout):
            return Passed() if await self._codes.consume(question, code) else Failed()
        return Unavailable("timeout")
