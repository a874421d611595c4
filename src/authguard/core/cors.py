"""CORS options: access to the guarded app for pages of other origins (Fetch standard)."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from authguard.core.declaration import AnyHeader, AnyMethod, Key, Origin, Text

#: the entry of `allow_origins` that stands for any origin
ANY_ORIGIN: Final = "*"
#: request headers that the guard reads, in addition to those that any page may send
ALLOWED_HEADERS: Final = ("Authorization", "Content-Type", "DPoP", "Idempotency-Key", "Authguard-Transaction")


#: maximum origins, methods, headers or hosts in one list
MAX_ACCESS_ITEMS: Final = 200


class CorsSettings(Struct, frozen=True, kw_only=True):
    """CORS settings, named as the options of Starlette's `CORSMiddleware`."""

    allow_origins: Annotated[
        tuple[Origin, ...],
        Meta(max_length=MAX_ACCESS_ITEMS),
        Key("Origins whose pages may read responses, such as `https://shop.example`; `'*'` for any.", "wider_or_any"),
    ] = ()
    allow_origin_regex: Annotated[
        Text, Meta(max_length=500), Key("Pattern that a whole origin may match instead.", "set")
    ] = ""
    allow_methods: Annotated[
        tuple[AnyMethod, ...],
        Meta(max_length=MAX_ACCESS_ITEMS),
        Key("Methods that a pre-flight allows; default `GET`, `'*'` for any.", "wider_or_any"),
    ] = ("GET",)
    allow_headers: Annotated[
        tuple[AnyHeader, ...],
        Meta(max_length=MAX_ACCESS_ITEMS),
        Key("Request headers that a pre-flight allows; default: those that the guard reads.", "wider_or_any"),
    ] = ALLOWED_HEADERS
    allow_credentials: Annotated[bool, Key("Whether pages may send cookies.", "larger")] = False
    expose_headers: Annotated[
        tuple[AnyHeader, ...],
        Meta(max_length=MAX_ACCESS_ITEMS),
        Key("Response headers that scripts may read, in addition to the guard's.", "wider_or_any"),
    ] = ()
    max_age: Annotated[
        int, Meta(ge=0, le=86_400), Key("Seconds for which a browser caches a pre-flight.", "larger")
    ] = 600


class Cors(CorsSettings, frozen=True, kw_only=True):
    """The options of Starlette's `CORSMiddleware`, with the same names.

    Attributes:
        declared: whether the policy has the key; if not, the guard sends no CORS header.
    """

    declared: bool = False


#: no CORS header is sent
NO_CORS: Final = Cors()
