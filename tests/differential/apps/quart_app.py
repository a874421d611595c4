"""The app in Quart."""

from __future__ import annotations

from typing import Any

from quart import Quart, abort, request, websocket

from tests.differential.apps.reading import Overriding, careless
from tests.differential.ledger import note


def view(route: str, reads: str = "") -> Any:
    """Make a view."""

    async def answer(**_named: str) -> dict[str, str]:
        try:
            document: Any = None
            if reads == "json":
                document = await request.get_json(force=route == "pay")
            elif reads == "form":
                document = await request.form
            elif reads == "careless":
                headers = request.headers
                document = careless(
                    headers.get("content-type", ""), headers.get("content-encoding", ""), await request.get_data()
                )
        except (ValueError, RecursionError):
            abort(422)
        note(route, document)
        return {"route": route}

    answer.__name__ = f"view_{route}"
    return answer


def live(route: str) -> Any:
    """Make a WebSocket view that says good-bye."""

    async def answer(**_named: str) -> None:
        note(route)
        await websocket.accept()
        await websocket.close(1000)

    answer.__name__ = f"live_{route}"
    return answer


def make() -> Any:
    """Build the app."""
    app = Quart(__name__)
    every = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    for rule, route, reads, methods in (
        ("/healthz", "health", "", ["GET"]),
        ("/transfer", "chat_transfer", "", ["POST"]),
        ("/chat", "chat", "", ["POST"]),
        ("/pay", "pay", "json", ["POST"]),
        ("/form", "form", "form", ["POST"]),
        ("/careless", "careless", "careless", ["POST"]),
        ("/any", "any", "json", every),
        ("/orders/<order_id>", "order", "", ["GET"]),
        ("/orders/<order_id>/refund", "refund", "json", ["POST"]),
        ("/files/<path:rest>", "files", "json", ["GET", "POST", "PUT"]),
        ("/hidden", "hidden", "json", ["GET", "POST"]),
        ("/v1/pay/", "v1_pay", "json", ["POST"]),
        ("/shop/buy/<item>", "buy", "json", ["POST"]),
    ):
        app.add_url_rule(rule, view_func=view(route, reads), methods=methods, provide_automatic_options=False)
    app.add_websocket("/live/<room>", view_func=live("live"))
    app.add_websocket("/wire", view_func=live("wire"))
    return Overriding(app)
