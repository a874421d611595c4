"""The composition root of the guard: builds an enforcer from a policy and settings, and chooses its adapters."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from authguard.app_log import ClosedGuardLog, LoggingSink, log_introspection_problem, log_issuer_status
from authguard.clock import SystemClock
from authguard.credentials import token_validator
from authguard.credentials.cache import Cache
from authguard.credentials.jwt_validator import JwtValidator, needs_token_validator
from authguard.credentials.nonce import NonceGenerator
from authguard.deployment_keys import DeploymentKeys
from authguard.directories.condition import ConditionFunction
from authguard.directories.function import FunctionLookup, find_function
from authguard.directories.http import HttpLookup
from authguard.directories.resilience import Lookup, ResilientDirectory
from authguard.errors import SettingsError
from authguard.formats.urls import origin_of
from authguard.ids import SystemIds
from authguard.log_factory import create_sink
from authguard.policy.compiler import load
from authguard.runtime.enforcer import Enforcer
from authguard.runtime.handoff import StoreDesk
from authguard.runtime.journal import Journal
from authguard.state_factory import create_store
from authguard.verification.code import CodeVerifier
from authguard.verification.http import HttpService
from authguard.verification.kba import KbaService
from authguard.verification.python import PythonService
from authguard.verification.resilience import ResilientVerifier, Service
from authguard.verification.totp import TotpService

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import httpx2

    from authguard.core.deployment import AccountSource, Channels
    from authguard.core.deployment import Verifier as Declared
    from authguard.core.own_conditions import OwnCondition
    from authguard.core.policy import Policy
    from authguard.ports import AccountDirectory, Clock, ConditionSource, CredentialValidator, Ids, Store, Verifier
    from authguard.settings import Settings


#: length of a secret that authenticates a gateway, and the number of secrets that are valid at a time
MIN_SECRET_LENGTH: Final = 32
MAX_SECRET_LENGTH: Final = 256
MAX_SECRETS: Final = 4


def build_enforcer(
    settings: Settings,
    *,
    clock: Clock | None = None,
    client: httpx2.AsyncClient | None = None,
    environ: Mapping[str, str] | None = None,
) -> Enforcer:
    """Build the enforcer with its adapters.

    Raises:
        PolicyError: the policy has a problem.
        SettingsError: a setting cannot be used.
    """
    policy = load(settings.policy)
    if not policy.issuers:
        raise SettingsError(f"the policy `{policy.name}` is a base without issuers: extend it, and add `issuers`")
    if settings.public_url:
        policy = replace(policy, settings=replace(policy.settings, public_url=settings.public_url))
    if not policy.settings.public_url and any(issuer.sender_constraint == "dpop" for issuer in policy.issuers.values()):
        raise SettingsError("proofs of possession name the URL that callers use: set AUTHGUARD_PUBLIC_URL")
    cookies = [place for place in policy.credentials if place.kind == "cookie"]
    if any(not place.origins for place in cookies) and not origin_of(policy.settings.public_url):
        raise SettingsError("pages use the cookie of `credentials` by their origin: set AUTHGUARD_PUBLIC_URL")
    clock = clock or SystemClock()
    ids = SystemIds()
    keys = DeploymentKeys(
        settings, plain=policy.audit.subjects == "plain", several=len(policy.issuers) > 1, clock=clock
    )
    keys.validate()
    store = create_store(settings, policy)
    # copied now: later changes of a variable apply to the next guard
    variables = dict(os.environ if environ is None else environ)
    jwt = JwtValidator(
        policy.issuers,
        pseudonym=keys.subject,
        fingerprint=keys.fingerprint,
        environ=variables,
        client=client,
        folder=Path(settings.policy).parent,
        cache=Cache(settings.token_cache_size),
        notify=log_issuer_status,
    )
    checker: CredentialValidator = jwt
    if needs_token_validator(policy.issuers):
        nonces = NonceGenerator(keys.derive("nonces"))
        checker = token_validator.TokenValidator(
            jwt,
            policy.issuers,
            environ=variables,
            nonces=nonces,
            store=store,
            client=client,
            cache=Cache(settings.token_cache_size),
            notify=log_introspection_problem,
        )
    sink = LoggingSink(create_sink(settings, policy, clock, ids, keys.signing))
    return Enforcer(
        policy=policy,
        store=store,
        journal=Journal(policy.digest, sink, ids, policy.audit.request),
        checker=checker,
        desk=StoreDesk(store),
        clock=clock,
        ids=ids,
        cipher=keys,
        directories=create_directories(policy, settings, variables, client),
        verifiers=create_verifiers(
            policy,
            settings,
            clock,
            variables,
            client,
            store=store,
            ids=ids,
            key=keys.derive("verifiers"),
        ),
        naming=keys,
        load_keys=keys.open,
        require_files=keys.require_usable_files,
        report_closed=ClosedGuardLog(),
        peer_name=str if policy.audit.peers == "plain" else keys.peer,
        channel_secrets=load_gateway_secrets(policy.channels, variables),
        condition_sources=create_condition_sources(policy, settings),
        condition_secrets={one.name: load_gateway_secrets(one, variables) for one in policy.conditions},
    )


def load_gateway_secrets(declared: Channels | OwnCondition, environ: Mapping[str, str]) -> tuple[bytes, ...]:
    """Return the secrets that authenticate a gateway that sets a header; several during a rotation.

    Args:
        declared: what is read from the header.
        environ: has the secrets.

    Raises:
        SettingsError: there is no secret, or one is too short or not printable ASCII.
    """
    name = declared.secret_env
    if not name:
        return ()
    secrets = environ.get(name, "").split()
    are_valid = all(
        MIN_SECRET_LENGTH <= len(one) <= MAX_SECRET_LENGTH and one.isascii() and one.isprintable() for one in secrets
    )
    if not 0 < len(secrets) <= MAX_SECRETS or not are_valid:
        raise SettingsError(
            f"set {name} to the secret that the gateway sends in `{declared.secret_header}`: {MIN_SECRET_LENGTH}"
            f" to {MAX_SECRET_LENGTH} characters of ASCII without blanks; up to {MAX_SECRETS} secrets, separated by"
            " blanks"
        )
    return tuple(one.encode() for one in secrets)


def create_directories(
    policy: Policy, settings: Settings, environ: Mapping[str, str], client: httpx2.AsyncClient | None = None
) -> dict[str, AccountDirectory]:
    """Create the adapter of each source of account states that the guard queries.

    Raises:
        SettingsError: a function is not allowed or cannot be imported, or the credentials of a service are missing.
    """

    def lookup(source: AccountSource) -> Lookup:
        if source.url:
            return HttpLookup(source, environ=environ, client=client)
        return FunctionLookup(
            find_function(source.call, settings.allowed_modules),
            source.max_concurrency,
            source.delegations_at,
            source.pointers,
        )

    return {source.name: ResilientDirectory(source, lookup(source)) for source in policy.accounts if not source.claim}


def create_condition_sources(policy: Policy, settings: Settings) -> dict[str, ConditionSource]:
    """Create the adapter of each condition with a ``call``.

    Raises:
        SettingsError: a function is not allowed or cannot be imported.
    """
    return {
        one.name: ConditionFunction(one, find_function(one.call, settings.allowed_modules))
        for one in policy.conditions
        if one.call
    }


def create_verifiers(
    policy: Policy,
    settings: Settings,
    clock: Clock,
    environ: Mapping[str, str],
    client: httpx2.AsyncClient | None = None,
    *,
    store: Store,
    ids: Ids,
    key: Callable[[], bytes],
) -> dict[str, Verifier]:
    """Create the adapter of each verifier that a method of the policy uses.

    Args:
        policy: the policy that declares them.
        settings: with the modules of allowed functions.
        clock: for the circuit breakers.
        environ: variables that hold the guard's credentials for services.
        client: HTTP client to use instead of each service's own.
        store: stores used time steps and hashes of codes.
        ids: generator of codes.
        key: returns the secret that all processes of the deployment share.

    Raises:
        SettingsError: a function is not allowed or cannot be imported, or the credentials of a service are missing.
    """

    def service(declared: Declared, target: str) -> Service:
        if declared.type == "http":
            return HttpService(declared, target, environ=environ, client=client)
        function = find_function(target, settings.allowed_modules)
        if declared.type == "totp":
            return TotpService(declared, function, store, key)
        if declared.type == "kba":
            return KbaService(declared, function, key)
        return PythonService(function, declared.max_concurrency)

    def verifier(declared: Declared) -> Verifier:
        if declared.type == "code":
            function = find_function(declared.call, settings.allowed_modules)
            return CodeVerifier(declared, function, store=store, key=key, clock=clock, ids=ids)
        targets = [target for target in (declared.url or declared.call, declared.hedge) if target]
        services = [service(declared, target) for target in targets]
        return ResilientVerifier(declared, services, clock=clock)

    named = {name for method in policy.methods.values() for name in method.verifiers}
    return {name: verifier(declared) for name, declared in policy.verifiers.items() if name in named}
