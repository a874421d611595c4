"""Attacks by a method that the guard and a framework read differently (RFC 9110 9.1)."""

from __future__ import annotations

import asyncio
from typing import Final

from tests.attacks.harness import Site, ask, attack, http_request, send_raw
from tests.attacks.harness_ways import BODY, POLICY, plain_app, records, set_clock

SERVED: Final = """\
from authguard import AuthGuard


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    paid = scope["path"] == "/pay" and scope["method"].upper() == "POST"  # as Django and Werkzeug compare it
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-paid", b"yes" if paid else b"no")]})
    await send({"type": "http.response.body", "body": b""})


app = AuthGuard(app, "policy.yaml", store="memory", audit_log="audit.jsonl")
"""


@attack(13)
def a_method_in_small_letters_is_judged_as_another_operation(site: Site) -> None:
    """Send `post /pay` through h11, which a framework that writes methods in capitals runs as the payment."""
    site.policy(POLICY)
    set_clock(site)
    with site.served(SERVED, "--http", "h11") as port:
        answer = send_raw(port, http_request("post", "/pay", token=site.token(), body=BODY))
    assert answer.header("x-paid") != "yes", "the payment ran, judged as what nobody named"
    assert answer.status == 400, f"the answer is {answer.status}, not 400"
    assert records(site, "request-malformed") == 1, "the refusal is not recorded"


@attack(13)
def a_method_that_is_the_marker_of_a_handshake_is_judged_as_one(site: Site) -> None:
    """Send the literal method `WEBSOCKET` to the path of a public WebSocket, whose handler answers HTTP too."""
    site.policy(POLICY)
    ran: list[str] = []

    async def send_all() -> None:
        guard = site.guard(plain_app(ran))
        for method in ("WEBSOCKET", "websocket", "WebSocket"):
            await ask(guard, method, "/live", body=BODY)

    asyncio.run(send_all())
    assert not ran, f"`{ran[0]}` was admitted as a handshake"


@attack(13)
def no_method_is_read_in_another_way(site: Site) -> None:
    """Send methods that are not upper-case letters and hyphens; each is malformed, and recorded as that."""
    site.policy(POLICY)
    ran: list[str] = []
    odd = ("post", "Post", "P0ST", "POST_", "POST~", "websocket", "\u03a1OST", "")

    async def send_all() -> list[int]:
        guard = site.guard(plain_app(ran))
        await ask(guard, "GET", "/.authguard/healthz")
        return [(await ask(guard, method, "/pay", site.token(), body=BODY)).status for method in odd]

    statuses = asyncio.run(send_all())
    assert not ran, f"`{ran[0]}` was judged as what nobody named, and ran"
    assert statuses == [400] * len(odd), f"the answers are {statuses}"
    assert records(site, "request-malformed") == len(odd), "a refusal is not recorded"
