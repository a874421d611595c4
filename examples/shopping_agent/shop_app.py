"""An agent's shop behind AuthGuard: it buys. Whether it may, and whether somebody has to look first, is the policy's.

Rule: nothing here asks who somebody is, what the limit is or whether this was bought before: a request that gets here
was admitted by `policy.yaml`, and runs once.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from authguard import AuthGuard, current_guard

if TYPE_CHECKING:
    from starlette.requests import Request

#: what was charged, one line a purchase, as a bank would keep it: elsewhere, and for good
CHARGED: Final = Path(os.environ.get("SHOP_CHARGED", "var/charged.txt"))
#: an article whose seller never answers
SLOW: Final = "a piano"
#: seconds that the shop waits for that seller
PATIENCE: Final = 60.0


def charge(line: str) -> None:
    """Have the bank charge."""
    with CHARGED.open("a", encoding="utf-8") as bank:
        bank.write(line)


async def purchase(request: Request) -> JSONResponse:
    """Buy."""
    wanted = await request.json()
    guard = current_guard(request)
    await asyncio.to_thread(charge, f"{wanted['total']} {wanted['currency']} {wanted['article']}\n")
    if wanted["article"] == SLOW:
        await asyncio.sleep(PATIENCE)
    return JSONResponse({"bought": wanted["article"], "for": guard.subject, "by": guard.actor or "themselves"})


async def healthz(_: Request) -> PlainTextResponse:
    """Tell that the shop is open."""
    return PlainTextResponse("open")


shop: Final = Starlette(
    routes=[Route("/healthz", healthz), Route("/purchases", purchase, methods=["POST"])],
)
app: Final = AuthGuard(shop, policy=os.environ.get("AUTHGUARD_POLICY") or Path(__file__).with_name("policy.yaml"))
