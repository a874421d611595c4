"""Settings of a fallback that run time reads as they are declared."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from authguard.core.declaration import Key, Name, Seconds, Token

Machine = Literal["service", "account", "session", "verification", "transaction"]
Effect = Literal["read", "write"]


class FallbackSettings(Struct, frozen=True, kw_only=True):
    """Settings of a fallback that are compiled as they are."""

    status: Annotated[int, Meta(ge=200, le=599), Key("HTTP status instead of the outcome's status.", "neutral")] = 0
    discloses: Annotated[frozenset[Machine], Key("Machines whose state the reply may contain.", "wider")] = frozenset()
    attempts: Annotated[
        int, Meta(ge=1, le=1_000), Key("How often this fallback is sent before `then`.", "zero_is_unbounded")
    ] = 0
    per: Annotated[Seconds, Key("Time window of the attempts.", "smaller")] = 0.0
    # compared by what it leads to, in `fallbacks`
    then: Annotated[Name, Key("Fallback after the last attempt.", "unordered")] = ""
    methods: Annotated[tuple[Name, ...], Key("For `verify`: accepted methods.", "wider")] = ()
    # a person decides in each queue
    queue: Annotated[Name, Key("For `handoff`: queue of the staff who take over.", "neutral")] = ""
    effects: Annotated[frozenset[Effect], Key("For `restrict`: remaining effects.", "wider")] = frozenset()
    scopes: Annotated[
        frozenset[Token], Key("For `restrict`: remaining scopes; intersected with the token's scopes.", "wider_or_all")
    ] = frozenset()
    error: Annotated[Token, Key("For `deny`: error code of RFC 6750.", "neutral")] = ""
