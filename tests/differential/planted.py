"""Faults planted into a deployment, to show that the checker sees each: around the guard, or between guard and app."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable


class Undecided:
    """Stands in front of a guard and lets what asks by `OPTIONS` pass it."""

    def __init__(self, guard: Any, app: Any) -> None:
        self._guard = guard
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        passes = scope["type"] == "http" and scope["method"] == "OPTIONS"
        await (self._app if passes else self._guard)(scope, receive, send)


class Stripping:
    """Stands inside of a guard, and takes a prefix off a path before the app routes it."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if "path" in scope:
            scope = {**scope, "path": scope["path"].replace("/files", "", 1)}
        await self._app(scope, receive, send)


class Lending:
    """Stands inside of a guard, and gives each request the decision of an earlier one."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._earlier: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            mine = scope["state"]["authguard"]
            scope = {**scope, "state": {**scope["state"], "authguard": self._earlier or mine}}
            self._earlier = mine
        await self._app(scope, receive, send)


#: planted inside of the guard
INSIDE: Final[dict[str, Callable[[Any], Any]]] = {"stripping": Stripping, "lending": Lending}
#: planted into the policy: what is written, and what is written instead
WRITTEN: Final = {
    "generous": ("100 EUR", "1000 EUR"),
    "public": ("risk: routine, effect: read, scopes: [chat]", "risk: public, effect: read"),
    "another": ("match: {path: /chat,", "match: {path: /elsewhere,"),
}
#: what the checker says of each
SEEN: Final = {
    "undecided": "undecided and unrecorded",
    "stripping": "ran and was judged as",
    "lending": "another request's",
    "generous": "above its limit",
    "public": "without a good credential",
    "another": "`chat` ran and was judged as",
}
