"""What a policy file means: read strictly, checked wholly, compiled to the tables that requests run on.

The names load lazily: the values of a compiled policy never load the reader.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from authguard.policy.compiler import compile_draft, load
    from authguard.policy.reading import Reading, read_draft

__all__ = ["Reading", "compile_draft", "load", "read_draft"]

_HOMES = {"Reading": "reading", "read_draft": "reading", "compile_draft": "compiler", "load": "compiler"}


def __getattr__(name: str) -> object:
    """Load a public name from its module."""
    if name not in _HOMES:
        raise AttributeError(f"module `{__name__}` has no attribute `{name}`")
    from importlib import import_module  # noqa: PLC0415 - only a public name that is asked for loads anything

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
