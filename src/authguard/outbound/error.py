"""The error of a call to an outside service or to a function of the app."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from authguard.core.verification import Cause


class ServiceError(Exception):
    """A service, or a function of the app, returned no usable answer.

    Attributes:
        cause: closed code.
        retryable: whether a retry may help and cannot have used up anything.
    """

    def __init__(self, cause: Cause, *, retryable: bool = False) -> None:
        self.cause: Final[Cause] = cause
        self.retryable: Final = retryable
        super().__init__(cause)
