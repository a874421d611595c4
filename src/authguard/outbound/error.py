"""The error of a call to an outside service or to a function of the app."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from authguard.core.verification import Cause


class NoAnswer(Exception):  # noqa: N818 - says what happened; caught by whoever asked
    """The service gave no answer that can be used.

    Attributes:
        cause: closed code.
        again: whether asking again may help, and cannot have used anything up.
    """

    def __init__(self, cause: Cause, *, again: bool = False) -> None:
        """Keep the cause."""
        self.cause: Final[Cause] = cause
        self.again: Final = again
        super().__init__(cause)
