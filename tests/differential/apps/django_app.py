"""The app in Django: views that do not look at the method, slashes appended, a script name of its own."""

from __future__ import annotations

import json
from typing import Any

import django
from django.conf import settings
from django.http import HttpResponse, HttpResponseBadRequest
from django.urls import path

from tests.differential.apps.reading import careless
from tests.differential.ledger import note


def view(route: str, reads: str = "") -> Any:
    """Make a view that reads as it is told, whatever the method."""

    def answer(request: Any, **_named: str) -> HttpResponse:
        try:
            document: Any = None
            if reads == "json":
                document = json.loads(request.body)
            elif reads == "form":
                document = request.POST
            elif reads == "careless":
                document = careless(
                    request.headers.get("content-type", ""), request.headers.get("content-encoding", ""), request.body
                )
        except (ValueError, RecursionError):
            return HttpResponseBadRequest()
        note(route, document)
        return HttpResponse(route)

    return answer


def overriding(get_response: Any) -> Any:
    """Let a header say what the method is."""

    def middleware(request: Any) -> Any:
        for name in ("HTTP_X_HTTP_METHOD_OVERRIDE", "HTTP_X_HTTP_METHOD", "HTTP_X_METHOD_OVERRIDE"):
            request.method = request.META.get(name, request.method).upper()
        return get_response(request)

    return middleware


def make() -> Any:
    """Build the app; Django has its settings once per process."""
    if not settings.configured:
        settings.configure(
            ALLOWED_HOSTS=["*"],
            APPEND_SLASH=True,
            FORCE_SCRIPT_NAME="/api",
            ROOT_URLCONF=__name__,
            MIDDLEWARE=[f"{__name__}.overriding", "django.middleware.common.CommonMiddleware"],
            LOGGING_CONFIG=None,
            USE_TZ=True,
        )
        django.setup()
    from django.core.asgi import get_asgi_application  # noqa: PLC0415 - reads the settings

    return get_asgi_application()


urlpatterns = [
    path("healthz", view("health")),
    path("transfer", view("chat_transfer")),
    path("chat", view("chat")),
    path("pay", view("pay", "json")),
    path("form", view("form", "form")),
    path("careless", view("careless", "careless")),
    path("any", view("any", "json")),
    path("orders/<str:order_id>", view("order")),
    path("orders/<str:order_id>/refund", view("refund", "json")),
    path("files/<path:rest>", view("files", "json")),
    path("hidden", view("hidden", "json")),
    path("v1/pay/", view("v1_pay", "json")),
    path("shop/buy/<str:item>", view("buy", "json")),
]
