"""Settings of account sources, verifiers and methods that run time reads as they are declared."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from authguard.core.declaration import CallablePath, ClaimName, Key, Name, Pointer, Seconds, Source, Tolerance, Url


class AccountSourceSettings(Struct, frozen=True, kw_only=True):
    """Settings of a source of account states that are compiled as they are."""

    claim: Annotated[
        ClaimName, Key("Claim with the status, by name or JSON Pointer such as `/app_metadata/status`.", "unordered")
    ] = ""
    # compared by status, in `accounts`
    map: Annotated[
        dict[str, Name],
        Key("Status (a text, boolean or number) to account state; any other status is `unrecognised`.", "unordered"),
    ] = field(default_factory=dict)
    call: Annotated[
        CallablePath, Key("The function, `package.module:function`, in a module that the app allows.", "unordered")
    ] = ""
    url: Annotated[Url, Key("Address of an `http` service.", "unordered")] = ""
    max_age: Annotated[Tolerance, Key("Time for which a response is cached.", "larger_smaller_may_be")] = 300.0
    timeout: Annotated[Seconds, Key("Time limit of one call.", "unordered")] = 0.5
    max_concurrency: Annotated[int, Meta(ge=1, le=10_000), Key("Maximum number of concurrent calls.", "unordered")] = 50


class VerifierSettings(Struct, frozen=True, kw_only=True):
    """Settings of a verifier that are compiled as they are."""

    type: Annotated[
        Literal["http", "python", "totp", "kba", "code"],
        Key("`http` service or `python` function of the app, or built in: `totp`, `kba`, `code`.", "unordered"),
    ]
    url: Annotated[Url, Key("Address of an `http` service.", "unordered")] = ""
    call: Annotated[
        CallablePath, Key("The function, `package.module:function`, in a module that the app allows.", "unordered")
    ] = ""
    timeout: Annotated[Seconds, Key("Time limit of one call.", "unordered")] = 2.0
    # a lower score passes
    pass_at: Annotated[float, Meta(ge=0, le=1), Key("Lowest score that passes, 0 to 1.", "smaller")] = 1.0
    # a doubt ends an attempt, and a failure does not
    fail_at: Annotated[
        float, Meta(ge=0, le=1), Key("Highest score that fails; a score between the two is in doubt.", "unordered")
    ] = 0.0
    interactive: Annotated[bool, Key("Whether the customer must enter an answer.", "unordered")] = True
    retries: Annotated[
        int, Meta(ge=0, le=10), Key("Maximum number of retries if it does not respond.", "unordered")
    ] = 0
    max_concurrency: Annotated[int, Meta(ge=1, le=10_000), Key("Maximum number of concurrent calls.", "unordered")] = 50
    request: Annotated[
        dict[Pointer, Source],
        Key("JSON Pointer to the value at that place of the request to an `http` service.", "unordered"),
    ] = field(default_factory=dict)
    # fewer digits are guessed sooner
    digits: Annotated[int, Meta(ge=6, le=10), Key("Length of a `totp` or a `code`.", "smaller")] = 6
    window: Annotated[
        int,
        Meta(ge=0, le=2),
        Key("Accepted steps of 30s before and after the current one of a `totp`.", "larger"),
    ] = 1
    expires: Annotated[Seconds, Key("Lifetime of a `code`, at most 10m.", "larger")] = 300.0
    questions: Annotated[
        tuple[Name, ...],
        Meta(max_length=16),
        Key("Questions of a `kba`; each answer must equal the one that the app's function returns.", "narrower"),
    ] = ()


class MethodSettings(Struct, frozen=True, kw_only=True):
    """Settings of a combination of verifiers that are compiled as they are."""

    # compared by the event that it raises, in `methods`
    on_contradiction: Annotated[
        Literal["ambiguous", "failed"], Key("Result if two verifiers disagree.", "unordered")
    ] = "ambiguous"
    # compared by the event that it raises, in `methods`
    on_doubt: Annotated[
        Literal["ambiguous", "failed"],
        Key("Result of a score between the thresholds.", "unordered"),
    ] = "ambiguous"
    # compared by the event that it raises, in `methods`
    on_unavailable: Annotated[
        Literal["unavailable", "ambiguous"],
        Key("Result if services that could have decided are unavailable.", "unordered"),
    ] = "unavailable"
    backoff: Annotated[Seconds, Key("Wait after a failed attempt; doubled after each further one.", "smaller")] = 0.0
    attempts: Annotated[int, Meta(ge=1, le=1_000), Key("Maximum number of attempts.", "zero_is_unbounded")] = 0
    # compared by the window that counts, in `methods`
    per: Annotated[Seconds, Key("Time window of the attempts.", "unordered")] = 0.0
