"""Serves one app with and without the guard, and compares what a middleware outside saw."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from authguard import AuthGuard
from authguard.testing import FakeClock, Mint
from tests.differential.outer.policy import POLICY
from tests.differential.outer.probe import SOCKET, Call, Seen, body, serve

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

#: paths that every app has; each request is sent twice, since the guard repeats the second decision from its cache
HTTP: Final = (
    Call("/open/7"),
    Call("/items/7"),
    Call("/items/7"),
    Call("/items/not-a-number"),
    Call("/echo", "POST", body(b'{"a":', b"1", b"}")),
    Call("/echo", "POST", body(b'{"a":', b"1", b"}")),
    Call("/stream"),
    Call("/stream"),
    Call("/raises"),
    Call("/raises"),
    Call("/group"),
    Call("/nowhere"),
    Call("/mounted/inner/8"),
    Call("/mounted/inner/8"),
    Call("/pay/9", "POST", body(b"{", b"}")),
    Call("/pay_raises", "POST", body(b"{}")),
)
WAITS: Final = (
    Call("/waits", leaves=True),
    Call("/waits", leaves=True),
    Call("/pay_waits", "POST", body(b"{", b"}"), leaves=True),
)
LIVE: Final = (
    Call("/live/a", "", SOCKET),
    Call("/live/a", "", SOCKET),
    Call("/live/a", "", SOCKET[:1], leaves=True),
    Call("/live_raises", "", SOCKET[:1]),
)


async def differences(app: str, calls: Sequence[Call], folder: Path) -> list[str]:
    """Return what differs with the guard; nothing if it changes nothing for a middleware outside.

    Args:
        app: module of the app in this folder.
        calls: the requests.
        folder: for the policy and the log.
    """
    made = import_module(f"tests.differential.outer.{app}_app").make()
    clock = FakeClock()
    mint = Mint.create(clock)
    (folder / "keys.json").write_text(json.dumps(mint.jwks("ES256")), "utf-8")
    (folder / "policy.yaml").write_text(POLICY, "utf-8")
    token = mint.mint(acr="aal2", scope="chat")
    without = await serve(made, calls, token)
    guard = AuthGuard(
        made, folder / "policy.yaml", store="memory", audit_log=folder / "audit.jsonl", clock=clock, environ={}
    )
    behind = await serve(guard, calls, token)
    assert any(seen.sent for seen in without), "the app answered nothing: it shows nothing"
    return [
        f"{call.path}: {line}"
        for call, one, other in zip(calls, without, behind, strict=True)
        for line in _compare(one, other)
    ]


def _compare(without: Seen, behind: Seen) -> list[str]:
    one, other = asdict(without), asdict(behind)
    found = []
    for name in one:
        if one[name] != other[name]:
            found += [f"{name}: {line}" for line in _explain(one[name], other[name])]
    return found


def _explain(one: Any, other: Any) -> list[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        names = sorted(key for key in {*one, *other} if one.get(key, "(none)") != other.get(key, "(none)"))
        return [f"{key}: {one.get(key, '(none)')!r}, guarded {other.get(key, '(none)')!r}" for key in names]
    return [f"{one!r}, guarded {other!r}"]
