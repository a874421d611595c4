"""Functions that conditions of a policy call in tests: each returns the result that a test gives it, by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

#: condition -> result of its function
RESULTS: Final[dict[str, str]] = {}


def __getattr__(name: str) -> Callable[[str, str], str]:
    """Return the function of a condition."""
    if name.startswith("_"):
        raise AttributeError(name)

    def ask(issuer: str, subject: str) -> str:
        del issuer, subject
        return RESULTS[name]

    return ask
