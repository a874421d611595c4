"""The app in Flask, behind an adapter from WSGI to ASGI."""

from __future__ import annotations

from typing import Any

from a2wsgi import WSGIMiddleware
from flask import Flask, abort, request

from tests.differential.apps.reading import careless
from tests.differential.ledger import note


def view(route: str, reads: str = "") -> Any:
    """Make a view."""

    def answer(**_named: str) -> dict[str, str]:
        try:
            document: Any = None
            if reads == "json":
                document = request.get_json(force=route == "pay")
            elif reads == "form":
                document = request.form
            elif reads == "careless":
                headers = request.headers
                document = careless(
                    headers.get("content-type", ""), headers.get("content-encoding", ""), request.get_data()
                )
        except (ValueError, RecursionError):
            abort(422)
        note(route, document)
        return {"route": route}

    answer.__name__ = f"view_{route}"
    return answer


def overriding(app: Any) -> Any:
    """Let a header say what the method is, as the recipe of WSGI apps does."""

    def serve(environ: Any, start_response: Any) -> Any:
        for name in ("HTTP_X_HTTP_METHOD_OVERRIDE", "HTTP_X_HTTP_METHOD", "HTTP_X_METHOD_OVERRIDE"):
            environ["REQUEST_METHOD"] = environ.get(name, environ["REQUEST_METHOD"]).upper()
        return app(environ, start_response)

    return serve


def make() -> Any:
    """Build the app."""
    app = Flask(__name__)
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
    return WSGIMiddleware(overriding(app))
