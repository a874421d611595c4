"""Models of verification: verifiers, their services, and methods that combine them."""

from typing import Annotated, Literal

from msgspec import Meta, field

from authguard.core.declaration import Key
from authguard.policy.schema.model import StrictModel
from authguard.policy.schema.types import (
    Address,
    Callable_,
    Duration,
    Name,
    Pointer,
    Source,
    Text,
    Variable,
)


class Breaker(StrictModel, frozen=True, kw_only=True):
    """Circuit breaker of a service."""

    failures: Annotated[int, Meta(ge=1, le=1_000), Key("Consecutive failures that open the breaker.")]
    open_for: Annotated[Duration, Key("Time for which it stays open.")]


class ServiceAuth(StrictModel, frozen=True, kw_only=True):
    """Credentials of the guard for a service: a token, or a certificate (mutual TLS)."""

    bearer_env: Annotated[Variable, Key("Environment variable with the guard's token for the service.")] = ""
    certificate: Annotated[Text, Key("File of the guard's certificate in the policy's folder (mutual TLS).")] = ""
    key: Annotated[Text, Key("File of the certificate's key.")] = ""
    authority: Annotated[
        Text, Key("File of the certificate authority of the service; default: the system's authorities.")
    ] = ""


class Hedge(StrictModel, frozen=True, kw_only=True):
    """Second service, called if the first does not respond in time."""

    url: Annotated[Address, Key("Address of a second `http` service.")] = ""
    call: Annotated[Callable_, Key("A second `python` function.")] = ""
    after: Annotated[Duration, Key("Time without a response.")]


class ServiceAnswer(StrictModel, frozen=True, kw_only=True):
    """Place and format of the result in a service's response."""

    score: Annotated[Pointer, Key("JSON Pointer to a score from 0 to 1.")] = ""
    passed: Annotated[Pointer, Key("JSON Pointer to `true` or `false`.")] = ""
    verdict: Annotated[Pointer, Key("JSON Pointer to a word, a key of `map`.")] = ""
    map: Annotated[
        dict[str, Literal["passed", "failed", "doubted", "unavailable"]],
        Key("Word to `passed`, `failed`, `doubted` or `unavailable`; any other word is unavailable."),
    ] = field(default_factory=dict)


class Verifier(StrictModel, frozen=True, kw_only=True):
    """A service that verifies identity."""

    type: Annotated[
        Literal["http", "python", "totp", "kba", "code"],
        Key("`http` service or `python` function of the app, or built in: `totp`, `kba`, `code`.", "unordered"),
    ]
    url: Annotated[Address, Key("Address of an `http` service.", "unordered")] = ""
    call: Annotated[
        Callable_, Key("The function, `package.module:function`, in a module that the app allows.", "unordered")
    ] = ""
    timeout: Annotated[Duration, Key("Time limit of one call.", "unordered")] = 2.0
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
    breaker: Annotated[Breaker | None, Key("Circuit breaker of the service.")] = None
    max_concurrency: Annotated[int, Meta(ge=1, le=10_000), Key("Maximum number of concurrent calls.", "unordered")] = 50
    auth: Annotated[ServiceAuth, Key("Credentials of the guard for an `http` service.")] = ServiceAuth()
    request: Annotated[
        dict[Pointer, Source],
        Key("JSON Pointer to the value at that place of the request to an `http` service.", "unordered"),
    ] = field(default_factory=dict)
    response: Annotated[
        ServiceAnswer, Key("Place of the result in the response of an `http` service; default `{score: /score}`.")
    ] = ServiceAnswer()
    hedge: Annotated[
        Hedge | None, Key("Second service, called if the first does not respond in time.", "unordered")
    ] = None
    # fewer digits are guessed sooner
    digits: Annotated[int, Meta(ge=6, le=10), Key("Length of a `totp` or a `code`.", "smaller")] = 6
    window: Annotated[
        int,
        Meta(ge=0, le=2),
        Key("Accepted steps of 30s before and after the current one of a `totp`.", "larger"),
    ] = 1
    expires: Annotated[Duration, Key("Lifetime of a `code`, at most 10m.", "larger")] = 300.0
    questions: Annotated[
        tuple[Name, ...],
        Meta(max_length=16),
        Key("Questions of a `kba`; each answer must equal the one that the app's function returns.", "narrower"),
    ] = ()


class Method(StrictModel, frozen=True, kw_only=True):
    """A combination of verifiers."""

    all: Annotated[tuple[Name, ...], Key("Verifiers that must all pass.")] = ()
    any: Annotated[tuple[Name, ...], Key("Verifiers of which one must pass, and none fail.")] = ()
    sequence: Annotated[tuple[Name, ...], Key("Verifiers that must all pass, called one after the other.")] = ()
    quorum: Annotated[int, Meta(ge=1, le=100), Key("Number of verifiers of `of` that must pass.")] = 0
    of: Annotated[tuple[Name, ...], Key("Verifiers of a quorum.")] = ()
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
    backoff: Annotated[Duration, Key("Wait after a failed attempt; doubled after each further one.", "smaller")] = 0.0
    attempts: Annotated[int, Meta(ge=1, le=1_000), Key("Maximum number of attempts.", "zero_is_unbounded")] = 0
    # compared by the window that counts, in `methods`
    per: Annotated[Duration, Key("Time window of the attempts.", "unordered")] = 0.0
