"""Functions of the app that a policy names: imported only from allowed modules, and called for account states.

A policy is data: it cannot load code from a module that the app did not allow.
"""

from __future__ import annotations

import importlib
import inspect
from typing import TYPE_CHECKING, Any

from authguard.directories.resilience import RawAccountStatus, find_or_none, read_labels
from authguard.errors import SettingsError
from authguard.outbound.thread_pool import BoundedThreadPool

if TYPE_CHECKING:
    from collections.abc import Callable

    from authguard.core.request import Principal


class FunctionLookup:
    """Calls a function of the app ``(issuer, subject) -> status``, sync or async."""

    def __init__(
        self,
        function: Callable[[str, str], Any],
        max_concurrency: int,
        mandates_at: str = "",
        pointers: tuple[str, ...] = (),
    ) -> None:
        """Store the function.

        Args:
            function: called in a worker thread if it is not async.
            max_concurrency: maximum number of threads, including those of abandoned calls.
            mandates_at: JSON Pointer to the delegations, in a document that then also has ``status``; empty if the
                function returns the status alone.
            pointers: JSON Pointers to what conditions read of such a document.
        """
        self._pointers = pointers
        self._mandates_at = mandates_at
        self._function = function
        self._workers = BoundedThreadPool(max_concurrency)

    async def open(self) -> None:
        """Do nothing: the function belongs to the app."""

    async def close(self) -> None:
        """Do nothing."""

    async def fetch(self, principal: Principal) -> RawAccountStatus:
        """Call the function; the caller validates the result."""
        if inspect.iscoroutinefunction(self._function):
            result = await self._function(principal.issuer, principal.subject)
        else:
            result = await self._workers.run(self._function, principal.issuer, principal.subject)
        if not self._mandates_at and not self._pointers:
            return RawAccountStatus(result)
        labels, delegations = read_labels(result, self._pointers), find_or_none(result, self._mandates_at)
        return RawAccountStatus(find_or_none(result, "/status"), delegations=delegations, labels=labels)


def find_function(call: str, modules: tuple[str, ...]) -> Callable[..., Any]:
    """Import the function that a policy names.

    Args:
        call: ``module:function``.
        modules: allowed modules; their submodules are allowed, too.

    Raises:
        SettingsError: the module is not allowed, or there is no such function.
    """
    module, _, name = call.partition(":")
    if not any(module == allowed or module.startswith(f"{allowed}.") for allowed in modules):
        raise SettingsError(f"the policy calls `{call}`; allow it with `allowed_modules=({module!r},)` or remove it")
    try:
        function = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise SettingsError(f"the policy calls `{call}`, which cannot be imported: {type(error).__name__}") from error
    if not callable(function):
        raise SettingsError(f"the policy calls `{call}`, which is not a function")
    return function  # type: ignore[no-any-return]  # the app is responsible for its signature
