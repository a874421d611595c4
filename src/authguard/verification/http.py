"""Verifiers over HTTP: one JSON question, one JSON answer, both shaped by the policy with JSON Pointers (RFC 6901).

Rules: TLS, or this very machine; no redirect is followed; at most 64 KiB of an answer are read, at most 32 deep; an
answer that every parser would not read alike is none. Our own credentials for the service come from the environment or
from files beside the policy, never from the policy itself.
"""

from __future__ import annotations

import json
import ssl
from typing import TYPE_CHECKING, Any, Final

import httpx2

from authguard.core.pointers import Nothing, find, put
from authguard.core.verdicts import Doubted, Failed, Passed, Unavailable
from authguard.errors import SettingsError
from authguard.verification.steady import NoAnswer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.core.verdicts import VerifierVerdict
    from authguard.policy.compiled import Verifier
    from authguard.ports import Question

#: bytes of an answer, and how deep it may nest
ANSWER_BOUND: Final = 65_536
DEPTH_BOUND: Final = 32
#: what is asked where the policy gives no shape
PLAIN: Final[Mapping[str, str]] = {
    "/issuer": "issuer",
    "/subject": "subject",
    "/attempt": "attempt",
    "/channel": "channel",
    "/answers": "answers",
}
_VERDICTS: Final[Mapping[str, VerifierVerdict]] = {
    "passed": Passed(),
    "failed": Failed(),
    "doubted": Doubted(0.5),
    "unavailable": Unavailable("refused"),
}
#: statuses after which asking again may help (RFC 9110 15.6, RFC 6585 4)
_AGAIN: Final = frozenset({429, 500, 502, 503, 504})


class HttpService:
    """Asks one address."""

    def __init__(
        self, declared: Verifier, address: str, *, environ: Mapping[str, str], client: httpx2.AsyncClient | None = None
    ) -> None:
        """Prepare what every question carries.

        Args:
            declared: shapes and credentials, as the policy says.
            address: of the service.
            environ: where the bearer token is.
            client: to use instead of one of its own; its owner closes it.

        Raises:
            SettingsError: the variable with the token is not set, or the certificate cannot be read.
        """
        self._declared = declared
        self._address = address
        self._given = client
        self._client = client
        self._headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        self._request = declared.request or PLAIN
        if declared.bearer_env:
            token = environ.get(declared.bearer_env, "")
            if not token:
                raise SettingsError(f"set `{declared.bearer_env}`: the verifier `{declared.name}` shows its token")
            self._headers["Authorization"] = f"Bearer {token}"
        self._tls: ssl.SSLContext | bool = True
        if declared.certificate:
            self._tls = ssl.create_default_context(cafile=declared.authority or None)
            try:
                self._tls.load_cert_chain(declared.certificate, declared.key)
            except (OSError, ssl.SSLError) as error:
                message = f"the certificate of the verifier `{declared.name}` cannot be read: {type(error).__name__}"
                raise SettingsError(message) from error

    async def open(self) -> None:
        """Make a client; no proxy of the environment has a say about what customers answer."""
        if self._client is None:
            limits = httpx2.Limits(max_connections=self._declared.at_once)
            # reading the trusted certificates takes long, and this very machine is asked without
            verify = self._tls if self._address.startswith("https:") else False
            self._client = httpx2.AsyncClient(verify=verify, trust_env=False, timeout=None, limits=limits)

    async def close(self) -> None:
        """Close it, if it is our own."""
        if self._client is not None and self._client is not self._given:
            await self._client.aclose()
            self._client = None

    async def ask(self, question: Question) -> float | VerifierVerdict:
        """Ask once; the caller bounds the time.

        Raises:
            NoAnswer: with its cause.
        """
        if self._client is None:
            raise NoAnswer("error")
        try:
            async with self._client.stream(
                "POST", self._address, json=self._shape(question), headers=self._headers, follow_redirects=False
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
        return self._read(bytes(body))

    def _shape(self, question: Question) -> dict[str, Any]:
        known: dict[str, Any] = {
            "issuer": question.issuer,
            "subject": question.subject,
            "session": question.session,
            "attempt": question.attempt,
            "channel": question.channel,
            "answers": dict(question.answers),
        }
        document: dict[str, Any] = {}
        for pointer, word in self._request.items():
            source, _, name = word.partition(".")
            put(document, pointer, question.answers.get(name, "") if name else known[source])
        return document

    def _read(self, body: bytes) -> float | VerifierVerdict:
        """Read the answer as the policy says; whatever it does not say is nonsense."""
        declared = self._declared
        try:
            document = json.loads(body, object_pairs_hook=_once, parse_constant=_refuse)
            if _depth(document) > DEPTH_BOUND:
                raise NoAnswer("nonsense")
            said = find(document, declared.answer_at)
        except (ValueError, RecursionError, Nothing) as error:
            raise NoAnswer("nonsense") from error
        match declared.answer_as:
            case "score" if isinstance(said, int | float) and not isinstance(said, bool):
                return float(said)
            case "passed" if isinstance(said, bool):
                return Passed() if said else Failed()
            case "verdict" if isinstance(said, str) and said in declared.map:
                return _VERDICTS[declared.map[said]]
            case _:
                raise NoAnswer("nonsense")


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
