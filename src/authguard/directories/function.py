"""Functions of the app that a policy names: found only if the app allowed their module, and asked for account states.

A policy is data, never a path to code that nobody agreed to.
"""

from __future__ import annotations

import importlib
import inspect
from typing import TYPE_CHECKING, Any

from authguard.directories.resilience import RawAccountStatus, find_or_none
from authguard.errors import SettingsError
from authguard.outbound.thread_pool import BoundedThreadPool

if TYPE_CHECKING:
    from collections.abc import Callable

    from authguard.core.request import Principal


class FunctionLookup:
    """Asks a function of the app ``(issuer, subject) -> status``, sync or async."""

    def __init__(self, function: Callable[[str, str], Any], max_concurrency: int, mandates_at: str = "") -> None:
        """Keep the function.

        Args:
            function: called in a worker thread where it is not async.
            max_concurrency: threads at the most, those counted that it was left behind in.
            mandates_at: JSON Pointer to who may act, in a document that then also has ``status``; empty where the
                function gives the status alone.
        """
        self._mandates_at = mandates_at
        self._function = function
        self._workers = BoundedThreadPool(max_concurrency)

    async def open(self) -> None:
        """Do nothing: it is the app's."""

    async def close(self) -> None:
        """Do nothing."""

    async def look_up(self, principal: Principal) -> RawAccountStatus:
        """Call it; whatever it gives is looked at by the caller."""
        if inspect.iscoroutinefunction(self._function):
            said = await self._function(principal.issuer, principal.subject)
        else:
            said = await self._workers.run(self._function, principal.issuer, principal.subject)
        if not self._mandates_at:
            return RawAccountStatus(said)
        return RawAccountStatus(find_or_none(said, "/status"), delegations=find_or_none(said, self._mandates_at))


def find_function(call: str, modules: tuple[str, ...]) -> Callable[..., Any]:
    """Import the function that a policy names.

    Args:
        call: ``module:function``.
        modules: the modules (with those below them) that the app allowed.

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
        raise SettingsError(f"the policy calls `{call}`, which is no function")
    return function  # type: ignore[no-any-return]  # its signature is the app's promise
