"""CORS options: access to the guarded app for pages of other origins (Fetch standard)."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

#: the entry of `allow_origins` that stands for any origin
ANY_ORIGIN: Final = "*"
#: request headers that the guard reads, in addition to those that any page may send
ALLOWED_HEADERS: Final = ("Authorization", "Content-Type", "DPoP", "Idempotency-Key", "Authguard-Transaction")


class Cors(Struct, frozen=True, kw_only=True):
    """The options of Starlette's `CORSMiddleware`, with the same names.

    Attributes:
        declared: whether the policy has the key; if not, the guard sends no CORS header.
        allow_origins: origins with access to responses; ``*`` for any.
        allow_origin_regex: pattern that may match a whole origin instead; empty for none.
        allow_methods: methods that a preflight allows; ``*`` for any.
        allow_headers: request headers that a preflight allows; ``*`` for any.
        allow_credentials: whether pages may send cookies.
        expose_headers: response headers that scripts may read, in addition to the guard's.
        max_age: seconds for which a browser may cache a preflight.
    """

    declared: bool = False
    allow_origins: tuple[str, ...] = ()
    allow_origin_regex: str = ""
    allow_methods: tuple[str, ...] = ("GET",)
    allow_headers: tuple[str, ...] = ALLOWED_HEADERS
    allow_credentials: bool = False
    expose_headers: tuple[str, ...] = ()
    max_age: int = 600


#: no CORS header is sent
NO_CORS: Final = Cors()
