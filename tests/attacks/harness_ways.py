"""What the attacks by method, path and host share: a policy that admits what nobody named, and an app that pays."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.attacks.harness import Site

BODY: Final = b'{"amount": 1}'
#: alice of `Site.token` is verified by her sign-in, so `otherwise` admits her and `pay` asks for more than she has
POLICY: Final = """\
authguard: 1
name: attacked
extends: standard
issuers:
  - issuer: https://issuer.test
    audience: https://agent.test
    algorithms: [ES256]
    keys: {file: keys.json}
accounts: none
budget: {request: 60s}
operations:
  - {name: health, match: {path: /healthz, method: GET}, risk: public, effect: read}
  - {name: pay, match: {path: /pay, method: POST}, risk: high, effect: write, scopes: [nobody-has]}
  - {name: live, match: {websocket: /live}, risk: public, effect: read}
otherwise: {risk: sensitive, effect: write}
assurance: {order: [aal1, aal2]}
identity: {credential: aal2}
fallbacks:
  prove_identity: {kind: handoff, queue: identity}
  prove_otherwise: {kind: handoff, queue: identity}
"""
#: the same, where the policy says nothing of what nobody named
SILENT: Final = POLICY.replace("otherwise: {risk: sensitive, effect: write}\n", "")


def set_clock(site: Site) -> None:
    """Set the clock that tokens are signed by to now, for a server that runs by the machine's."""
    site.clock.set(time.time())


def records(site: Site, reason: str) -> int:
    """Count the refusals of a reason in the log."""
    return (site.folder / "audit.jsonl").read_text("utf-8").count(f'"reason":"{reason}"')


def plain_app(ran: list[str], pays: Callable[[Any], bool] = lambda _: True) -> Any:
    """Return an ASGI app that answers 200 to whatever comes, and notes method and path of what `pays` picks out."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            ran.append(f"websocket {scope['path']}")
            await receive()
            await send({"type": "websocket.close", "code": 1000})
            return
        if pays(scope):
            ran.append(f"{scope['method']} {scope['path']}")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    return app
