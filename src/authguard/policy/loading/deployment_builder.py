"""Build the deployment settings of a draft: operations, issuers, account sources, methods and channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec.structs import asdict, replace

from authguard.core.cors import NO_CORS, Cors, CorsSettings
from authguard.core.deployment import (
    AccountSource,
    Channels,
    Introspection,
    Issuer,
    Verifier,
)
from authguard.core.extra_dimensions import RESERVED_CHANNELS
from authguard.core.issuer_settings import IntrospectionSettings, IssuerSettings
from authguard.core.operation_settings import OperationSettings
from authguard.core.request import Limit, Match, Operation
from authguard.core.service_settings import AccountSourceSettings, MethodSettings, VerifierSettings
from authguard.core.verification import Method
from authguard.policy.loading import locator
from authguard.policy.schema import deployment, verification
from authguard.policy.schema import issuer as issuer_model
from authguard.policy.schema.removed_key import CHANNEL_HEADER

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from msgspec import Struct

    from authguard.core.credential_place import CredentialPlace
    from authguard.core.issuer_settings import Levels
    from authguard.policy.loading.problem_collector import ProblemCollector


def declared_in(settings: type[Struct], model: Struct) -> dict[str, Any]:
    """Return the values of a model that are compiled as they are declared."""
    return {name: getattr(model, name) for name in settings.__struct_fields__}


def build_operation(index: int, operation: deployment.Operation, found: ProblemCollector) -> Operation:
    """Build an operation; it matches exactly one path or WebSocket."""
    match, path = operation.match, f"operations[{index}].match"
    if bool(match.path) == bool(match.websocket):
        found.add("match-unclear", path, "an operation matches one `path` or one `websocket`", "write one of them")
    elif match.websocket and match.method:
        found.add("match-unclear", path, "a WebSocket has no method", "remove `method`")
    amount, payee = operation.amount, operation.payee
    currency, currency_at, currency_form = amount.currency if amount else ("", "", "")
    _check_places(index, operation, found)
    return Operation(
        **declared_in(OperationSettings, operation),
        match=Match(path=match.path, method=match.method, websocket=match.websocket),
        risk=operation.risk,
        effect=operation.effect,
        acr=operation.assurance.acr,
        max_age=operation.assurance.max_age,
        amount_at=amount.at if amount else "",
        amount_form=amount.form if amount else "",
        scale=amount.scale if amount else 0,
        currency_at=currency_at,
        currency_form=currency_form,
        currency=currency,
        payee_at=payee.at if payee else "",
        payee_form=payee.form if payee else "",
        limits=tuple(
            _build_limit(f"{operation.name}/{position}", limit, f"operations[{index}].limits[{position}]", found)
            for position, limit in enumerate(operation.limits)
        ),
        idempotency=operation.idempotency == "required",
        binds=tuple(dict.fromkeys(name.lower() for name in operation.binds)),
    )


def _check_places(index: int, operation: deployment.Operation, found: ProblemCollector) -> None:
    """Check that amount and payee have one place each, all of them in JSON or all in a form."""
    forms: set[bool] = set()
    for key, place in (("amount", operation.amount), ("payee", operation.payee)):
        if place is None:
            continue
        path = f"operations[{index}].{key}"
        if bool(place.at) == bool(place.form):
            message = f"the {key} is read from one place, by `at` or by `form`"
            found.add("place-unclear", path, message, f"write `at: /{key}` for JSON, or `form: {key}` for a form")
        forms.add(bool(place.form))
    if operation.amount and any(operation.amount.currency[1:]):
        forms.add(bool(operation.amount.currency[2]))
    if len(forms) > 1:
        message = "a body is JSON or a form, and the places of amount, currency and payee name both"
        found.add("place-unclear", f"operations[{index}].amount", message, "write `at` for all of them, or `form`")


def build_otherwise(model: deployment.Otherwise | None) -> Operation:
    """Build the operation for requests that match no other; it is unused if they are refused."""
    properties = model or deployment.Otherwise()
    return Operation(
        name="otherwise",
        risk=properties.risk,
        effect=properties.effect,
        scopes=frozenset(properties.scopes),
        acr=properties.assurance.acr,
        max_age=properties.assurance.max_age,
    )


def build_cors(model: CorsSettings | None, credentials: tuple[CredentialPlace, ...], found: ProblemCollector) -> Cors:
    """Build the CORS settings; without the key, pages of other origins may do nothing."""
    if model is None:
        return NO_CORS
    given = asdict(model)
    if not found.is_given("cors.allow_headers"):  # the default is all headers that the guard reads
        given["allow_headers"] += tuple(place.name for place in credentials if place.kind == "header")
    return Cors(declared=True, **given)


def _build_limit(name: str, limit: deployment.Limit, path: str, found: ProblemCollector) -> Limit:
    if limit.calls and not limit.per:
        found.add("limit-unclear", path, "`calls` need a time window, not `per: call`", "write `per: 10m`")
    amount, currency = limit.amount or ("", "")
    if limit.by == "service":  # one counter for all operations with this limit
        name = f"service/{currency or 'calls'}/{limit.per:.17g}"
    elif limit.name:
        name = limit.name
    if limit.then and not limit.name:
        found.add("limit-unnamed", path, "a limit with `then` needs a name, which rules can name", "write `name: NAME`")
    return Limit(
        name=name,
        amount=amount,
        currency=currency,
        calls=limit.calls,
        per=limit.per,
        by=limit.by,
        tier=limit.name if limit.then else "",
        then=limit.then,
    )


def build_issuer(
    index: int, issuer: issuer_model.Issuer, order: tuple[str, ...], folder: Path, found: ProblemCollector
) -> Issuer:
    """Build an issuer; its key file must be in the policy's folder.

    Args:
        index: of the issuer.
        issuer: declared.
        order: assurance levels, weakest first.
        folder: of the policy.
        found: collects problems.
    """
    constraint = issuer.sender_constraint
    if issuer.token != "access" and found.is_given(f"issuers[{index}].type"):  # noqa: S105 - a kind of token
        message = f"`type` is not allowed with `token: {issuer.token}`, whose types are fixed"
        found.add("key-not-for-kind", f"issuers[{index}].type", message, "remove it")
    if constraint.type == "none":
        found.add_unexpected(
            f"issuers[{index}].sender_constraint",
            constraint.__struct_encode_fields__,
            frozenset({"type"}),
            "`type: none`",
        )
    values, claim = issuer.audience
    if claim and found.is_given(f"issuers[{index}].claims.audience"):
        message = "the claim of the audience is declared twice: in `audience.claim` and in `claims.audience`"
        found.add("key-not-for-kind", f"issuers[{index}].audience", message, "keep one of them")
    sources = replace(issuer.claims, audience=claim) if claim else issuer.claims
    return Issuer(
        **(declared_in(IssuerSettings, issuer) | {"claims": sources, "levels": _order_levels(issuer.levels, order)}),
        audience=values,
        discovery=bool(issuer.keys.discovery),
        discovery_url=issuer.keys.discovery if isinstance(issuer.keys.discovery, str) else "",
        jwks_uri=issuer.keys.jwks_uri,
        insecure_http=issuer.keys.insecure_http,
        key_file=_resolve_file(issuer.keys.file, f"issuers[{index}].keys.file", folder, found),
        secret_env=issuer.keys.secret_env,
        introspection=_build_introspection(issuer.introspection),
        sender_constraint=constraint.type,
        proof_window=constraint.window,
        nonce=constraint.nonce == "required",
    )


def _order_levels(levels: Levels | None, order: tuple[str, ...]) -> Levels | None:
    """Return levels with the strongest first."""
    if levels is None:
        return None
    strongest_first = sorted(levels.map.items(), key=lambda one: -order.index(one[1]) if one[1] in order else 0)
    return replace(levels, map=dict(strongest_first))


def _build_introspection(model: issuer_model.Introspection | None) -> Introspection | None:
    if model is None:
        return None
    return Introspection(
        **declared_in(IntrospectionSettings, model),
        always=model.on == "always",
    )


def _resolve_file(reference: str, path: str, folder: Path, found: ProblemCollector) -> str:
    if not reference:
        return ""
    try:
        return str(locator.resolve_within(folder, folder, reference))
    except locator.OutsideFolderError:
        found.add(
            "key-file-outside", path, "the key file is outside the policy's folder", "move it into the policy's folder"
        )
    except locator.PolicyNotFoundError as error:
        found.add("malformed-value", path, str(error))
    return reference


#: type of account source -> its address key, and its other keys
_SOURCES: Final[Mapping[str, tuple[str, frozenset[str]]]] = {
    "claim": ("claim", frozenset()),
    "python": ("call", frozenset({"max_age", "timeout", "breaker", "max_concurrency"})),
    "http": ("url", frozenset({"status", "at", "max_age", "timeout", "breaker", "max_concurrency", "auth"})),
}


def build_account_source(
    index: int, source: deployment.AccountSource, folder: Path, found: ProblemCollector
) -> AccountSource:
    """Build a source of account states."""
    path, kind, auth = f"accounts[{index}]", source.source, source.auth
    key, others = _SOURCES[kind]
    found.add_unexpected(
        path,
        source.__struct_encode_fields__,
        others | {"from", "map", "delegations", key},
        f"`from: {kind}`",
    )
    subject = {"claim": source.claim, "python": source.call, "http": source.url}[kind]
    if not subject:
        found.add("missing-key", path, f"the key `{key}` is missing")
    if bool(auth.certificate) != bool(auth.key):
        found.add("missing-key", f"{path}.auth", "`certificate` and `key` need each other")
    return AccountSource(
        **declared_in(AccountSourceSettings, source),
        name=f"{kind}:{subject}",
        status_at=source.status,
        true_at=source.at,
        delegations_at=source.delegations,
        failures=source.breaker.failures if source.breaker else 0,
        open_for=source.breaker.open_for if source.breaker else 0.0,
        bearer_env=auth.bearer_env,
        certificate=_resolve_file(auth.certificate, f"{path}.auth.certificate", folder, found),
        key=_resolve_file(auth.key, f"{path}.auth.key", folder, found),
        authority=_resolve_file(auth.authority, f"{path}.auth.authority", folder, found),
    )


def build_method(name: str, method: verification.Method, found: ProblemCollector) -> Method:
    """Build a combination of verifiers."""
    path = f"methods.{name}"
    ways = [way for way in (method.all, method.any, method.sequence, method.of) if way]
    if len(ways) != 1 or bool(method.of) != bool(method.quorum):
        found.add(
            "method-unclear",
            path,
            "a method needs exactly one of `all`, `any`, `sequence` and `quorum`",
            "write one of `all: [...]`, `any: [...]`, `sequence: [...]`, or `quorum: 2` with `of: [...]`",
        )
    elif method.quorum > len(method.of):
        found.add(
            "method-unclear",
            f"{path}.quorum",
            f"a quorum of {method.quorum} among {len(method.of)}",
            "name more verifiers",
        )
    verifiers = ways[0] if ways else ()
    return Method(
        **declared_in(MethodSettings, method),
        name=name,
        verifiers=verifiers,
        need=method.quorum or (1 if method.any else len(verifiers)),
        in_order=bool(method.sequence),
        alternatives=bool(method.any or method.of),
    )


#: maximum lifetime of a one-time code in seconds (NIST SP 800-63B-4 3.1.3.2)
MAX_CODE_LIFETIME_S: Final = 600.0
_SCORED: Final = frozenset({"pass_at", "fail_at", "retries", "hedge", "interactive"})
#: type of a verifier -> its keys, of those that not all types have
_TAKEN: Final[Mapping[str, frozenset[str]]] = {
    "http": _SCORED | {"auth", "request", "response"},
    "python": _SCORED,
    "totp": frozenset({"digits", "window"}),
    "kba": frozenset({"questions"}),
    "code": frozenset({"digits", "expires"}),
}
_OF_SOME: Final = frozenset().union(*_TAKEN.values())


def build_verifier(name: str, verifier: verification.Verifier, folder: Path, found: ProblemCollector) -> Verifier:
    """Build a verifier."""
    path, key, other = f"verifiers.{name}", *(("url", "call") if verifier.type == "http" else ("call", "url"))
    foreign = {other, *_OF_SOME} - _TAKEN[verifier.type]
    found.add_unexpected(path, foreign, frozenset({key, *_TAKEN[verifier.type]}), f"`type: {verifier.type}`")
    if not found.is_given(f"{path}.{key}"):
        found.add("missing-key", path, f"the key `{key}` is missing")
    if verifier.type == "kba" and not verifier.questions:
        found.add("missing-key", path, "the key `questions` is missing")
    if verifier.expires > MAX_CODE_LIFETIME_S:
        found.add("out-of-range", f"{path}.expires", "a code is valid for at most 10m (NIST SP 800-63B-4 3.1.3.2)")
    if verifier.fail_at >= verifier.pass_at:
        found.add("out-of-range", path, "`fail_at` is not below `pass_at`")
    hedge, auth = verifier.hedge, verifier.auth
    if hedge is not None and not found.is_given(f"{path}.hedge.{key}"):
        found.add("missing-key", f"{path}.hedge", f"the key `{key}` is missing: the second service has the same type")
    if bool(auth.certificate) != bool(auth.key):
        found.add("missing-key", f"{path}.auth", "`certificate` and `key` need each other")
    answer_as, answer_at = _response_pointer(verifier.response, f"{path}.response", found)
    return Verifier(
        **declared_in(VerifierSettings, verifier),
        name=name,
        failures=verifier.breaker.failures if verifier.breaker else 0,
        open_for=verifier.breaker.open_for if verifier.breaker else 0.0,
        hedge=(hedge.url or hedge.call) if hedge else "",
        hedge_after=hedge.after if hedge else 0.0,
        answer_at=answer_at,
        answer_as=answer_as,
        map=verifier.response.map,
        bearer_env=auth.bearer_env,
        certificate=_resolve_file(auth.certificate, f"{path}.auth.certificate", folder, found),
        key=_resolve_file(auth.key, f"{path}.auth.key", folder, found),
        authority=_resolve_file(auth.authority, f"{path}.auth.authority", folder, found),
    )


def _response_pointer(
    answer: verification.ServiceAnswer, path: str, found: ProblemCollector
) -> tuple[Literal["score", "passed", "verdict"], str]:
    """Return the type of a service's result and its JSON Pointer."""
    ways: list[tuple[Literal["score", "passed", "verdict"], str]] = [
        ("score", answer.score),
        ("passed", answer.passed),
        ("verdict", answer.verdict),
    ]
    given = [way for way in ways if way[1]]
    if len(given) > 1:
        found.add("answer-unclear", path, "a response has one of `score`, `passed`, `verdict`", "keep one of them")
    if bool(answer.map) != bool(answer.verdict):
        found.add(
            "answer-unclear", path, "`verdict` and `map` need each other", "write `{verdict: /status, map: {...}}`"
        )
    return given[0] if given else ("score", "/score")


def build_channels(channels: deployment.Channels | None, found: ProblemCollector) -> Channels:
    """Build the channel settings; a channel header needs a shared secret."""
    if channels is None:
        return Channels()
    source = channels.source
    if sum((bool(source.header), bool(source.claim), bool(source.paths))) != 1:
        found.add("channel-unclear", "channels.from", "a channel comes from one of `header`, `claim`, `paths`")
    together = {bool(source.header), bool(source.secret_header), bool(source.secret_env)}
    if len(together) > 1 or (source.header and source.header.lower() == source.secret_header.lower()):
        message = "`header`, `secret_header` and `secret_env` need each other: anyone can send a header"
        found.add("channel-unclear", "channels.from", message, f"write `{CHANNEL_HEADER}`")
    for name in channels.trusts:
        if name in RESERVED_CHANNELS:
            message = f"`{name}` is no name of a channel: rules mean something else by it"
            found.add("channel-reserved", f"channels.trusts.{name}", message, "name the channel otherwise")
    return Channels(
        header=source.header.lower(),  # case-insensitive (RFC 9110 5.1); lower case in ASGI
        secret_header=source.secret_header.lower(),
        secret_env=source.secret_env,
        claim=source.claim,
        paths=tuple((one.path, one.channel) for one in source.paths),
        trusts={channel: frozenset(others) for channel, others in channels.trusts.items()},
        declared=True,
    )
