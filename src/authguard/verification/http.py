"""Verifiers over HTTP: one JSON question, one JSON answer, both shaped by the policy with JSON Pointers (RFC 6901).

What bounds such a call stands in `authguard.calls`; an answer that the policy does not shape is nonsense.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from authguard.core.json_pointer import PointerError, resolve_pointer, set_pointer
from authguard.core.verification import Doubted, Failed, Passed, Unavailable
from authguard.outbound.error import ServiceError
from authguard.outbound.json_service import JsonService, ServiceAuth

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx2

    from authguard.core.verification import VerifierVerdict
    from authguard.policy.deployment import Verifier
    from authguard.ports import Question

#: what is asked where the policy gives no shape
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
        """Make ready."""
        await self._service.open()

    async def close(self) -> None:
        """Let go of connections."""
        await self._service.close()

    async def ask(self, question: Question) -> float | VerifierVerdict:
        """Ask once; the caller bounds the time.

        Raises:
            ServiceError: with its cause.
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
        """Read the answer as the policy says; whatever it does not say is nonsense."""
        declared = self._declared
        try:
            said = resolve_pointer(document, declared.answer_at)
        except PointerError as error:
            raise ServiceError("nonsense") from error
        match declared.answer_as:
            case "score" if isinstance(said, int | float) and not isinstance(said, bool):
                return float(said)
            case "passed" if isinstance(said, bool):
                return Passed() if said else Failed()
            case "verdict" if isinstance(said, str) and said in declared.map:
                return _VERDICTS[declared.map[said]]
            case _:
                raise ServiceError("nonsense")
