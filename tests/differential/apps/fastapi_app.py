"""The app in FastAPI: a root path, a router with a prefix, a mounted app, models and forms."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, FastAPI, Form, Request, WebSocket
from pydantic import BaseModel

from tests.differential.apps.reading import Overriding
from tests.differential.apps.starlette_app import handler
from tests.differential.ledger import note


class Payment(BaseModel):
    """What a payment says."""

    amount: float
    currency: str = "EUR"


def pays(route: str) -> Any:
    """Make an endpoint with a model."""

    async def endpoint(payment: Payment) -> dict[str, str]:
        note(route, payment)
        return {"route": route}

    return endpoint


def pays_plainly(route: str) -> Any:
    """Make an endpoint that FastAPI runs in a thread."""

    def endpoint(payment: Annotated[dict[str, Any], Body()]) -> dict[str, str]:
        note(route, payment)
        return {"route": route}

    return endpoint


async def form(amount: Annotated[float, Form()], currency: Annotated[str, Form()] = "EUR") -> dict[str, str]:
    """Pay by a form."""
    note("form", {"amount": amount, "currency": currency})
    return {"route": "form"}


def idle(route: str) -> Any:
    """Make an endpoint that reads nothing."""

    async def endpoint() -> dict[str, str]:
        note(route)
        return {"route": route}

    return endpoint


async def careless(request: Request) -> Any:
    """Pay by what the headers say the body is."""
    return await handler("careless", "careless")(request)


def live(route: str) -> Any:
    """Make a WebSocket endpoint that says good-bye."""

    async def endpoint(websocket: WebSocket) -> None:
        note(route)
        await websocket.accept()
        await websocket.close()

    return endpoint


def make() -> Any:
    """Build the app."""
    post = ["POST"]
    app, shop, v1 = FastAPI(root_path="/api"), FastAPI(), APIRouter(prefix="/v1")
    v1.add_api_route("/pay", pays("v1_pay"), methods=post)
    shop.add_api_route("/buy/{item}", pays("buy"), methods=post)
    app.include_router(v1)
    app.mount("/shop", shop)
    app.add_api_route("/healthz", idle("health"), methods=["GET"])
    app.add_api_route("/transfer", idle("chat_transfer"), methods=post)
    app.add_api_route("/chat", idle("chat"), methods=post)
    app.add_api_route("/pay", pays("pay"), methods=post)
    app.add_api_route("/form", form, methods=post)
    app.add_api_route("/careless", careless, methods=post)
    app.add_api_route("/any", pays_plainly("any"), methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
    app.add_api_route("/orders/{order_id}", idle("order"), methods=["GET"])
    app.add_api_route("/orders/{order_id}/refund", pays("refund"), methods=post)
    app.add_api_route("/files/{rest:path}", pays_plainly("files"), methods=["GET", "POST", "PUT"])
    app.add_api_route("/hidden", pays_plainly("hidden"), methods=["GET", "POST"])
    app.add_api_websocket_route("/live/{room}", live("live"))
    app.add_api_websocket_route("/wire", live("wire"))
    return Overriding(app)
