"""How browsers reach the guarded app: what the CORS protocol (Fetch standard) lets pages of other origins do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: the headers that a page has to send to be judged, beside those that any page may send
ALLOWED_HEADERS: Final = ("Authorization", "Content-Type", "DPoP", "Idempotency-Key", "Authguard-Transaction")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cors:
    """The options of Starlette's `CORSMiddleware`, by the same names.

    Attributes:
        declared: whether the policy has the key at all; if not, the guard sends no CORS header.
        allow_origins: origins whose pages may read answers; ``*`` for any.
        allow_origin_regex: a pattern that a whole origin may match instead; empty for none.
        allow_methods: methods that a pre-flight allows; ``*`` for any.
        allow_headers: request headers that a pre-flight allows; ``*`` for any.
        allow_credentials: whether pages may send cookies along.
        expose_headers: response headers that scripts may read, beside the guard's own.
        max_age: seconds for which a browser remembers a pre-flight.
    """

    declared: bool = False
    allow_origins: tuple[str, ...] = ()
    allow_origin_regex: str = ""
    allow_methods: tuple[str, ...] = ("GET",)
    allow_headers: tuple[str, ...] = ALLOWED_HEADERS
    allow_credentials: bool = False
    expose_headers: tuple[str, ...] = ()
    max_age: int = 600


#: nothing is said to pages of other origins
NO_CORS: Final = Cors()
