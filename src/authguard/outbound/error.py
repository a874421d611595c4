"""The error of a call to an outside service or to a function of the app."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from authguard.core.verification import Cause


class ServiceError(Exception):
    """A service, or a function of the app, returned no usable answer.

    Attributes:
        cause: closed code.
        detail: what happened, for a log: text of this package, without content of a response; may be empty.
        retryable: whether a repeat may help and cannot have used up anything; false for a misconfiguration.
        retry_after: seconds after which the service wants a repeat (RFC 9110 10.2.3); negative if it states none.
    """

    def __init__(self, cause: Cause, *, detail: str = "", retryable: bool = False, retry_after: float = -1.0) -> None:
        self.cause: Final[Cause] = cause
        self.detail: Final = detail
        self.retryable: Final = retryable
        self.retry_after: Final = retry_after
        super().__init__(detail or cause)
