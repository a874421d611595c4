"""An agent's shop behind AuthGuard: the policy decides which purchases run, and which wait for a person.

Rule: no handler checks identity, limits or repetition, since `policy.yaml` has admitted the request, and it runs once.
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

#: charged purchases, one per line, in a separate and permanent file like a bank's
CHARGED: Final = Path(os.environ.get("SHOP_CHARGED", "var/charged.txt"))
#: an article whose seller never answers
SLOW: Final = "a piano"
#: timeout for that seller in seconds
PATIENCE: Final = 60.0


def charge(line: str) -> None:
    """Charge a purchase."""
    with CHARGED.open("a", encoding="utf-8") as bank:
        bank.write(line)


async def purchase(request: Request) -> JSONResponse:
    """Buy an article."""
    wanted = await request.json()
    guard = current_guard(request)
    await asyncio.to_thread(charge, f"{wanted['total']} {wanted['currency']} {wanted['article']}\n")
    if wanted["article"] == SLOW:
        await asyncio.sleep(PATIENCE)
    return JSONResponse({"bought": wanted["article"], "for": guard.subject, "by": guard.actor or "themselves"})


async def healthz(_: Request) -> PlainTextResponse:
    """Return the health of the shop."""
    return PlainTextResponse("open")


shop: Final = Starlette(
    routes=[Route("/healthz", healthz), Route("/purchases", purchase, methods=["POST"])],
)
app: Final = AuthGuard(shop, policy=os.environ.get("AUTHGUARD_POLICY") or Path(__file__).with_name("policy.yaml"))
