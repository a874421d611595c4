"""A customer-service agent behind AuthGuard: chat as JSON, as server-sent events and over a WebSocket; orders, refunds.

Rule: nothing here asks who somebody is or whether they may: a request that gets here was admitted by `policy.yaml`.
What the app learns of a customer it reports to the guard, which may only make it stricter.
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

#: every customer of this example has ordered the same two things
ORDERS: Final = {"1001": "a kettle", "1002": "a camera"}
BODY_BOUND: Final = 16_384
MESSAGE_BOUND: Final = 2_000
CUSTOMERS_BOUND: Final = 10_000
#: customers who must have met an outage before it counts as one
OUTAGE_CUSTOMERS: Final = 3


class Talks:
    """How many turns the talk with each customer has had, so that a talk that goes on can be told from a new one."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self._turns: OrderedDict[str, int] = OrderedDict()

    def next(self, customer: str) -> int:
        """Count one more turn, and forget whoever has been silent the longest past the bound."""
        self._turns[customer] = self._turns.pop(customer, 0) + 1
        if len(self._turns) > CUSTOMERS_BOUND:
            self._turns.popitem(last=False)
        return self._turns[customer]


class Outages:
    """Who met a service that does not answer: what one customer says, or has the agent say, stops nobody else."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self._met: dict[str, set[str]] = {}

    def count(self, service: str, customer: str) -> bool:
        """Count a customer; tell whether enough have met it by now, and then begin anew."""
        met = self._met.setdefault(service, set())
        met.add(customer)
        if len(met) < OUTAGE_CUSTOMERS:
            return False
        met.clear()
        return True


TALKS: Final = Talks()
OUTAGES: Final = Outages()
#: for what concerns everybody; no talk with a customer has it but through `OUTAGES`
CONTROL: Final = Control()
#: counts the refunds that were paid, so that one paid twice would show
PAID: Final = count(1)


async def converse(guard: Guard, text: str) -> dict[str, Any]:
    """Take one turn, tell the guard what was learned, and give what the customer reads."""
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
    """Answer as one JSON document."""
    return JSONResponse(await converse(current_guard(request), message_in(await body_of(request))))


async def chat_stream(request: Request) -> Response:
    """Answer word by word, as server-sent events."""
    turn = await converse(current_guard(request), message_in(await body_of(request)))

    def events() -> Iterator[str]:
        for word in turn["reply"].split():
            yield f"event: word\ndata: {json.dumps(word)}\n\n"
        yield f"event: done\ndata: {json.dumps({'turn': turn['turn']})}\n\n"

    return StreamingResponse(events(), media_type="text/event-stream", headers={"cache-control": "no-store"})


async def live(websocket: WebSocket) -> None:
    """Talk over a WebSocket: one JSON message in, one out."""
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
    """Look one order up."""
    number = request.path_params["order_id"]
    return JSONResponse({"order": number, "item": item_of(number)})


async def refund(request: Request) -> Response:
    """Pay money back. The guard has read the amount, held what is over the limits, and runs each transaction once."""
    number = request.path_params["order_id"]
    item_of(number)
    wanted = json.loads(await body_of(request), parse_float=Decimal)  # the guard could read it, so it is an object
    amount = f"{wanted['amount']} {wanted['currency']}"
    return JSONResponse({"order": number, "refunded": amount, "refunds_paid": next(PAID)})


async def export(_: Request) -> Response:
    """Hand out everything: a route that was added in a hurry, and that nobody named in the policy."""
    return JSONResponse({"orders": ORDERS})


async def healthz(_: Request) -> Response:
    """Say that the app lives."""
    return PlainTextResponse("ok")


async def body_of(request: Request) -> bytes:
    """Read a body of bounded size.

    Raises:
        HTTPException: 413, it is larger.
    """
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BOUND:
            raise HTTPException(413, "that is too long")
    return body


def message_in(body: bytes) -> str:
    """Find the message in a JSON document.

    Raises:
        HTTPException: 400, there is none of a bearable length.
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
    """Find what was ordered.

    Raises:
        HTTPException: 404, the customer has no such order.
    """
    if number not in ORDERS:
        raise HTTPException(404, "there is no such order")
    return ORDERS[number]


async def not_now(_: Request, __: Exception) -> Response:
    """Say so when the guard could not take a report: what was learned did not count, so nothing was done."""
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
    allowed_modules=("outbox",),  # whose functions the policy may name
    control=CONTROL,
)
