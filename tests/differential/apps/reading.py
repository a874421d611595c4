"""How handlers read what moves money, where their framework leaves it to them."""

from __future__ import annotations

import gzip
import json
from typing import Any, Final
from urllib.parse import parse_qs

#: of a request that asks for more than this, a handler that ran has been got at
FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data")
OVERRIDES: Final = (b"x-http-method-override", b"x-http-method", b"x-method-override")


def careless(content_type: str, coding: str, body: bytes) -> Any:
    """Read a body by whatever its headers say: coding, charset and media type, as some apps and their middleware do.

    Raises:
        ValueError: it cannot be read so.
    """
    try:
        if "gzip" in coding.lower():
            body = gzip.decompress(body)
        kind, *parameters = content_type.split(";")
        charset = next((p.partition("=")[2].strip(' "') for p in parameters if "charset" in p.lower()), "utf-8")
        text = body.decode(charset, "replace")
    except (LookupError, OSError, EOFError) as error:
        raise ValueError from error
    if "form" in kind:
        return {name: values[-1] for name, values in parse_qs(text).items()}
    return json.loads(text)


class Overriding:
    """Lets a header say what the method is, as middleware for old clients does; it stands inside of the guard."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        for name, value in scope.get("headers", ()):
            if scope["type"] == "http" and name.lower().replace(b"_", b"-") in OVERRIDES:
                scope = {**scope, "method": value.decode("latin-1").upper()}
        await self._app(scope, receive, send)
