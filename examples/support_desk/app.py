"""A customer-service agent behind AuthGuard: chat as JSON, server-sent events and WebSocket; orders and refunds.

Rule: no handler checks identity or permission, since `policy.yaml` has admitted the request. The app reports what it
learns about a customer to the guard; a report can only restrict.
"""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from agent import Turn, after, answer
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute

from authguard import AuthGuard, AuthguardError, Control, Guard, current_guard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request
    from starlette.websockets import WebSocket

#: every customer of this example has these orders
ORDERS: Final = {"1001": "a kettle", "1002": "a camera"}
BODY_BOUND: Final = 16_384
MESSAGE_BOUND: Final = 2_000
CUSTOMERS_BOUND: Final = 10_000
#: number of customers with a failure before it counts as an outage
OUTAGE_CUSTOMERS: Final = 3


class Talks:
    """Counts the turns per customer, to distinguish a new conversation from a continued one."""

    def __init__(self) -> None:
        """Start without customers."""
        self._turns: OrderedDict[str, int] = OrderedDict()

    def next(self, customer: str) -> int:
        """Count one turn and drop the least recent customer beyond the bound."""
        self._turns[customer] = self._turns.pop(customer, 0) + 1
        if len(self._turns) > CUSTOMERS_BOUND:
            self._turns.popitem(last=False)
        return self._turns[customer]


class Outages:
    """Counts the customers for whom a service failed, so that one customer alone cannot report an outage for all."""

    def __init__(self) -> None:
        """Start without failures."""
        self._customers: dict[str, set[str]] = {}

    def count(self, service: str, customer: str) -> bool:
        """Count a customer; return whether enough customers have had a failure, and reset the count if so."""
        customers = self._customers.setdefault(service, set())
        customers.add(customer)
        if len(customers) < OUTAGE_CUSTOMERS:
            return False
        customers.clear()
        return True


TALKS: Final = Talks()
OUTAGES: Final = Outages()
#: control of the service as a whole; a conversation reaches it only through `OUTAGES`
CONTROL: Final = Control()
#: counts paid refunds, so that a double payment is visible
PAID: Final = count(1)


async def converse(guard: Guard, text: str) -> dict[str, Any]:
    """Process one turn, report to the guard, and return the reply to the customer."""
    turn: Turn = answer(text, guard.prompt_summary)
    say = turn.say
    if turn.method:
        say = after(await guard.verify(turn.method, turn.answers), turn.method)
    if turn.report:
        await guard.report(turn.report, note=turn.note)
    if turn.outage and OUTAGES.count(turn.outage, guard.subject):
        await CONTROL.report("service.impaired", note=f"{turn.outage}: no answer")
    if turn.ends:
        await guard.end_session()
    return {"reply": say, "turn": TALKS.next(guard.subject), "ended": turn.ends}


async def chat(request: Request) -> Response:
    """Answer with one JSON document."""
    return JSONResponse(await converse(current_guard(request), message_in(await body_of(request))))


async def chat_stream(request: Request) -> Response:
    """Answer word by word with server-sent events."""
    turn = await converse(current_guard(request), message_in(await body_of(request)))

    def events() -> Iterator[str]:
        for word in turn["reply"].split():
            yield f"event: word\ndata: {json.dumps(word)}\n\n"
        yield f"event: done\ndata: {json.dumps({'turn': turn['turn']})}\n\n"

    return StreamingResponse(events(), media_type="text/event-stream", headers={"cache-control": "no-store"})


async def live(websocket: WebSocket) -> None:
    """Answer over a WebSocket: one JSON message in, one out."""
    guard = current_guard(websocket)
    await websocket.accept()
    while (received := await websocket.receive())["type"] == "websocket.receive":
        try:
            text = message_in((received.get("text") or "").encode())
        except HTTPException as problem:
            await websocket.send_json({"error": problem.detail})
            continue
        turn = await converse(guard, text)
        await websocket.send_json(turn)
        if turn["ended"]:
            await websocket.close()
            return


async def order(request: Request) -> Response:
    """Return one order."""
    number = request.path_params["order_id"]
    return JSONResponse({"order": number, "item": item_of(number)})


async def refund(request: Request) -> Response:
    """Pay a refund. The guard has read the amount, held what exceeds the limits, and runs each transaction once."""
    number = request.path_params["order_id"]
    item_of(number)
    wanted = json.loads(await body_of(request), parse_float=Decimal)  # the guard has parsed it, so it is an object
    amount = f"{wanted['amount']} {wanted['currency']}"
    return JSONResponse({"order": number, "refunded": amount, "refunds_paid": next(PAID)})


async def export(_: Request) -> Response:
    """Export all data: a route without an operation in the policy, so the guard refuses it."""
    return JSONResponse({"orders": ORDERS})


async def healthz(_: Request) -> Response:
    """Return the health of the app."""
    return PlainTextResponse("ok")


async def body_of(request: Request) -> bytes:
    """Read a body of bounded size.

    Raises:
        HTTPException: 413, the body is too large.
    """
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BOUND:
            raise HTTPException(413, "that is too long")
    return body


def message_in(body: bytes) -> str:
    """Return the message of a JSON document.

    Raises:
        HTTPException: 400, there is no message of acceptable length.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    text = document.get("message") if isinstance(document, dict) else None
    if not isinstance(text, str) or not 0 < len(text) <= MESSAGE_BOUND:
        raise HTTPException(400, f'send {{"message": "..."}} of at most {MESSAGE_BOUND} characters')
    return text


def item_of(number: str) -> str:
    """Return the item of an order.

    Raises:
        HTTPException: 404, the customer has no such order.
    """
    if number not in ORDERS:
        raise HTTPException(404, "there is no such order")
    return ORDERS[number]


async def not_now(_: Request, __: Exception) -> Response:
    """Answer 503 if the guard could not store a report: the report has no effect, so nothing was done."""
    return JSONResponse({"error": "please try again in a moment"}, 503, {"retry-after": "5"})


desk = Starlette(
    routes=[
        Route("/chat", chat, methods=["POST"]),
        Route("/chat/stream", chat_stream, methods=["POST"]),
        WebSocketRoute("/live", live),
        Route("/orders/{order_id}", order, methods=["GET"]),
        Route("/orders/{order_id}/refund", refund, methods=["POST"]),
        Route("/export", export, methods=["GET"]),
        Route("/healthz", healthz, methods=["GET"]),
    ],
    exception_handlers={AuthguardError: not_now, TimeoutError: not_now},
)

app = AuthGuard(
    desk,
    policy=os.environ.get("AUTHGUARD_POLICY") or Path(__file__).with_name("policy.yaml"),
    allowed_modules=("outbox",),  # modules of functions that the policy may name
    control=CONTROL,
)
