"""Verifiers over HTTP: a JSON request and a JSON response, both shaped by the policy's JSON Pointers (RFC 6901).

The limits of such a call are in `authguard.outbound`. A response that does not match the policy is an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from authguard.core.claim_source import label_of
from authguard.core.verification import Doubted, Failed, Passed, Unavailable
from authguard.formats.json_pointer import PointerError, resolve_pointer, set_pointer
from authguard.outbound.error import ServiceError
from authguard.outbound.json_service import JsonService, ServiceAuth

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx2

    from authguard.core.deployment import Verifier
    from authguard.core.verification import VerifierVerdict
    from authguard.ports import Question

#: request if the policy defines none: JSON Pointer -> field
DEFAULT_REQUEST: Final[Mapping[str, str]] = {
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


class HttpService:
    """Posts to one URL."""

    def __init__(
        self, declared: Verifier, address: str, *, environ: Mapping[str, str], client: httpx2.AsyncClient | None = None
    ) -> None:
        """Prepare the values that all requests share.

        Args:
            declared: shapes and credentials, as in the policy.
            address: URL of the service.
            environ: has the bearer token.
            client: used instead of a new one; its owner closes it.

        Raises:
            SettingsError: as `authguard.outbound.json_service.JsonService`.
        """
        self._declared = declared
        self._request = declared.request or DEFAULT_REQUEST
        self._service = JsonService(
            address,
            who=f"the verifier `{declared.name}`",
            max_concurrency=declared.max_concurrency,
            auth=ServiceAuth(
                bearer_env=declared.bearer_env,
                certificate=declared.certificate,
                key=declared.key,
                authority=declared.authority,
            ),
            environ=environ,
            client=client,
        )

    async def open(self) -> None:
        """Open the client."""
        await self._service.open()

    async def close(self) -> None:
        """Close the connections."""
        await self._service.close()

    async def ask(self, question: Question) -> float | VerifierVerdict:
        """Send one request; the caller bounds the time.

        Raises:
            NoAnswerError: with its cause.
        """
        return self._read(await self._service.ask(self._shape(question)))

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
            set_pointer(document, pointer, question.answers.get(name, "") if name else known[source])
        return document

    def _read(self, document: object) -> float | VerifierVerdict:
        """Return the verdict or score in the response, or raise an error if it does not match the policy."""
        declared = self._declared
        try:
            value = resolve_pointer(document, declared.answer_at)
        except PointerError as error:
            raise ServiceError("nonsense") from error
        match declared.answer_as:
            case "score" if isinstance(value, int | float) and not isinstance(value, bool):
                return float(value)
            case "passed" if isinstance(value, bool):
                return Passed() if value else Failed()
            case "verdict" if isinstance(value, str | int | float) and label_of(value) in declared.map:
                return _VERDICTS[declared.map[label_of(value)]]
            case _:
                raise ServiceError("nonsense")
