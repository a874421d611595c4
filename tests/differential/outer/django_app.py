"""The app of the outer probe in Django over ASGI: async views, a stream, and errors that Django answers itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import django
from django.conf import settings
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import include, path

from tests.differential.outer.probe import EVENTS, FROM_INSIDE, FROM_OUTSIDE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


async def item(request: Any, item_id: str) -> JsonResponse:
    """Set a context variable, and read what the probe has set in the scope."""
    FROM_INSIDE.set("set inside")
    request.scope["inner"] = "set inside"
    return JsonResponse({"item": item_id, "outside": FROM_OUTSIDE.get(), "outer": request.scope["outer"]})


async def echo(request: Any) -> HttpResponse:
    """Return the body."""
    return HttpResponse(request.body)


async def stream(request: Any) -> StreamingHttpResponse:
    """Stream."""

    async def words() -> AsyncIterator[str]:
        for word in ("one", "two"):
            FROM_INSIDE.set(word)
            yield f"{word} {FROM_OUTSIDE.get()} {request.scope['outer']}\n"

    return StreamingHttpResponse(words())


async def raises(request: Any) -> HttpResponse:
    """Raise an error."""
    EVENTS.append(request.path)
    raise LookupError("of the app")


async def group(request: Any) -> HttpResponse:
    """Raise a group."""
    EVENTS.append(request.path)
    raise ExceptionGroup("of the app", [LookupError("one")])


def make() -> Any:
    """Build the app; Django has its settings once per process."""
    wanted = {
        "ALLOWED_HOSTS": ["*"],
        "ROOT_URLCONF": __name__,
        "MIDDLEWARE": [],
        "LOGGING_CONFIG": None,
        "USE_TZ": True,
    }
    if not settings.configured:
        settings.configure(**wanted)
    for name, value in wanted.items():  # another test of this process may have configured Django before
        setattr(settings, name, value)
        django.setup()
    from django.core.asgi import get_asgi_application  # noqa: PLC0415 - reads the settings

    return get_asgi_application()


urlpatterns = [
    path("open/<str:item_id>", item),
    path("items/<str:item_id>", item),
    path("echo", echo),
    path("stream", stream),
    path("raises", raises),
    path("group", group),
    path("mounted/", include([path("inner/<str:item_id>", item)])),
    path("pay/<str:item_id>", item),
    path("pay_raises", raises),
]
