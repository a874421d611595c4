"""The error of a call to an outside service or to a function of the app."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from authguard.core.verification import Cause


class ServiceError(Exception):
    """The service gave no answer that can be used.

    Attributes:
        cause: closed code.
        retryable: whether asking retryable may help, and cannot have used anything up.
    """

    def __init__(self, cause: Cause, *, retryable: bool = False) -> None:
        """Keep the cause."""
        self.cause: Final[Cause] = cause
        self.retryable: Final = retryable
        super().__init__(cause)
