"""Models of verification: verifiers, their services, and methods that combine them."""

from typing import Annotated, Literal

from msgspec import Meta, field

from authguard.core.declaration import Key
from authguard.core.service_settings import MethodSettings, VerifierSettings
from authguard.policy.schema.model import StrictModel
from authguard.policy.schema.types import (
    Address,
    Callable_,
    Duration,
    Name,
    Pointer,
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


class Verifier(VerifierSettings, frozen=True, kw_only=True):
    """A service that verifies identity."""

    breaker: Annotated[Breaker | None, Key("Circuit breaker of the service.")] = None
    auth: Annotated[ServiceAuth, Key("Credentials of the guard for an `http` service.")] = ServiceAuth()
    response: Annotated[
        ServiceAnswer, Key("Place of the result in the response of an `http` service; default `{score: /score}`.")
    ] = ServiceAnswer()
    hedge: Annotated[
        Hedge | None, Key("Second service, called if the first does not respond in time.", "unordered")
    ] = None


class Method(MethodSettings, frozen=True, kw_only=True):
    """A combination of verifiers."""

    all: Annotated[tuple[Name, ...], Key("Verifiers that must all pass.")] = ()
    any: Annotated[tuple[Name, ...], Key("Verifiers of which one must pass, and none fail.")] = ()
    sequence: Annotated[tuple[Name, ...], Key("Verifiers that must all pass, called one after the other.")] = ()
    quorum: Annotated[int, Meta(ge=1, le=100), Key("Number of verifiers of `of` that must pass.")] = 0
    of: Annotated[tuple[Name, ...], Key("Verifiers of a quorum.")] = ()
