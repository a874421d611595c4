"""Account directories: the app's own function that says what state an account is in.

The function is named by the policy, and called only if the app allowed its module: a policy is data, never a path to
code that nobody agreed to.
"""

from __future__ import annotations

import importlib
import inspect
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.to_thread

from authguard.errors import SettingsError
from authguard.ports import Stated, Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable

    from authguard.core.facts import Principal
    from authguard.policy.compiled import AccountSource

#: accounts whose last answer is remembered
REMEMBERED: Final = 10_000


class PythonDirectory:
    """Asks a function of the app ``(issuer, subject) -> status``, sync or async, and remembers its answer a while."""

    def __init__(self, source: AccountSource, function: Callable[[str, str], Any]) -> None:
        """Keep the function.

        Args:
            source: with its time-out and maximum age, seconds.
            function: called in a worker thread where it is not async.
        """
        self._source = source
        self._function = function
        self._known: dict[bytes, Stated] = {}

    async def ask(self, principal: Principal, now: float) -> Stated | Unreachable:
        """Ask for an account's status; never raises, never waits longer than the policy's time-out."""
        known = self._known.get(principal.account_key)
        if known is not None and 0 <= now - known.at < self._source.max_age:
            return known
        try:
            with anyio.fail_after(self._source.timeout):
                status = await self._call(principal)
        except TimeoutError:
            return Unreachable("timeout")
        except Exception:  # noqa: BLE001 - the app's function failed: that is an event, not an exception of ours
            return Unreachable("error")
        if not isinstance(status, str):
            return Unreachable("nonsense")
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        stated = self._known[principal.account_key] = Stated(status, now)
        return stated

    async def _call(self, principal: Principal) -> object:
        if inspect.iscoroutinefunction(self._function):
            return await self._function(principal.issuer, principal.subject)
        return await anyio.to_thread.run_sync(
            self._function, principal.issuer, principal.subject, abandon_on_cancel=True
        )


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
        raise SettingsError(f"the policy calls `{call}`; allow it with `modules=({module!r},)` or remove it")
    try:
        function = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise SettingsError(f"the policy calls `{call}`, which cannot be imported: {type(error).__name__}") from error
    if not callable(function):
        raise SettingsError(f"the policy calls `{call}`, which is no function")
    return function  # type: ignore[no-any-return]  # its signature is the app's promise
