"""The only place that chooses adapters: a policy and settings become one enforcer."""

from __future__ import annotations

import os
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from random import SystemRandom
from typing import TYPE_CHECKING, Final

from authguard import signing_key
from authguard.app_log import LoggingSink
from authguard.audit import segment_file
from authguard.audit.write.anchor import make_anchor
from authguard.audit.write.anchor_publisher import AnchorPublisher
from authguard.audit.write.checkpoint_signer import DEFAULT_INTERVAL_LINES, DEFAULT_INTERVAL_S, CheckpointSigner
from authguard.audit.write.jsonl import JsonlSink
from authguard.audit.write.processor import ChainProcessor
from authguard.audit.write.retention import RetentionPolicy, SegmentRetention
from authguard.clock import SystemClock
from authguard.credentials import token_validator
from authguard.credentials.cache import Cache
from authguard.credentials.jwt_validator import JwtValidator
from authguard.credentials.nonce import NonceGenerator
from authguard.directories.function import FunctionLookup, find_function
from authguard.directories.http import HttpLookup
from authguard.directories.resilience import Lookup, ResilientDirectory
from authguard.encryption import PayloadCipher
from authguard.errors import SettingsError
from authguard.ids import SystemIds
from authguard.policy.compiler import load
from authguard.pseudonym import KeyedPseudonyms, load_or_create_key
from authguard.pseudonym_factory import create_pseudonyms, load_pseudonym_key
from authguard.runtime.enforcer import Enforcer
from authguard.runtime.handoff import StoreDesk
from authguard.runtime.journal import Journal
from authguard.runtime.pseudonymizer import require_same_pseudonyms
from authguard.runtime.staff_actions import StaffActions
from authguard.runtime.state_repository import StateRepository
from authguard.settings import MEMORY, deployment_file_prefix
from authguard.stores.memory import MemoryStore
from authguard.stores.sqlite import SqliteStore
from authguard.verification.code import CodeVerifier
from authguard.verification.http import HttpService
from authguard.verification.kba import KbaService
from authguard.verification.python import PythonService
from authguard.verification.resilience import ResilientVerifier, Service
from authguard.verification.totp import TotpService

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import httpx2

    from authguard.policy.compiled_policy import Policy
    from authguard.policy.deployment import AccountSource
    from authguard.policy.deployment import Verifier as Declared
    from authguard.ports import AccountDirectory, AuditSink, Clock, CredentialCheck, Ids, Store, Verifier
    from authguard.settings import Settings


#: characters of a secret by which a gateway proves itself, and how many may be good at a time
SECRET_LEAST: Final = 32
SECRET_MOST: Final = 256
SECRETS_BOUND: Final = 4


def build_enforcer(
    settings: Settings,
    *,
    clock: Clock | None = None,
    client: httpx2.AsyncClient | None = None,
    environ: Mapping[str, str] | None = None,
) -> Enforcer:
    """Choose the adapters and put the enforcer together.

    Raises:
        PolicyError: the policy has a problem.
        SettingsError: a setting cannot be used.
    """
    policy = load(settings.policy)
    if not policy.issuers:
        raise SettingsError(
            f"the policy `{policy.name}` is a base that names no issuer: extend it, and say who may speak"
        )
    if settings.public_url:
        policy = replace(policy, public_url=settings.public_url)
    if not policy.public_url and any(issuer.sender_constraint == "dpop" for issuer in policy.issuers.values()):
        raise SettingsError("proofs of possession name the address that callers use: set AUTHGUARD_PUBLIC_URL")
    clock = clock or SystemClock()
    ids = SystemIds()
    store = create_store(settings, policy)
    key = load_pseudonym_key(settings, create=True)
    several = len(policy.issuers) > 1
    named = create_pseudonyms(settings, plain=not policy.pseudonymous, several=several, clock=clock)
    # read now: what a variable says later is for the next guard
    variables = dict(os.environ if environ is None else environ)
    jwt = JwtValidator(
        policy.issuers,
        pseudonym=named.subject,
        fingerprint=KeyedPseudonyms(key).fingerprint,
        environ=variables,
        client=client,
        folder=Path(settings.policy).parent,
        cache=Cache(settings.token_cache_size),
    )
    checker: CredentialCheck = jwt
    if token_validator.needs_token_validator(policy.issuers):
        nonces = NonceGenerator(sha256(b"authguard nonces\n" + key).digest())
        checker = token_validator.TokenValidator(
            jwt,
            policy.issuers,
            environ=variables,
            nonces=nonces,
            store=store,
            client=client,
            cache=Cache(settings.token_cache_size),
        )
    return Enforcer(
        policy=policy,
        store=store,
        journal=Journal(policy.digest, create_sink(settings, policy, clock, ids), ids),
        checker=checker,
        desk=StoreDesk(store),
        clock=clock,
        ids=ids,
        cipher=create_cipher(settings, key),
        directories=create_directories(policy, settings, variables, client),
        verifiers=create_verifiers(
            policy,
            settings,
            clock,
            variables,
            client,
            store=store,
            ids=ids,
            key=sha256(b"authguard verifiers\n" + key).digest(),
        ),
        naming=named,
        channel_secrets=load_channel_secrets(policy, variables),
    )


def load_channel_secrets(policy: Policy, environ: Mapping[str, str]) -> tuple[bytes, ...]:
    """Read the secrets by which a gateway that names the channel proves itself; several while one is being changed.

    Raises:
        SettingsError: there is none, or one is short or not of printable ASCII.
    """
    name = policy.channels.secret_env
    if not name:
        return ()
    secrets = environ.get(name, "").split()
    sound = all(SECRET_LEAST <= len(one) <= SECRET_MOST and one.isascii() and one.isprintable() for one in secrets)
    if not 0 < len(secrets) <= SECRETS_BOUND or not sound:
        raise SettingsError(
            f"set {name} to the secret that the gateway sends in `{policy.channels.secret_header}`: {SECRET_LEAST} to"
            f" {SECRET_MOST} characters of ASCII without blanks; up to {SECRETS_BOUND} of them, separated by blanks"
        )
    return tuple(one.encode() for one in secrets)


def build_state_repository(settings: Settings) -> tuple[StateRepository, Store, Journal]:
    """Put together what an operator's command needs: the same store and its own chain of the same log."""
    policy = load(settings.policy)
    clock, ids = SystemClock(), SystemIds()
    store = create_store(settings, policy)
    journal = Journal(policy.digest, create_sink(settings, policy, clock, ids), ids)
    return StateRepository(policy=policy, store=store, journal=journal, clock=clock), store, journal


async def create_staff_actions(repository: StateRepository, settings: Settings) -> StaffActions:
    """Choose what lifts states for an operator: the same names in the log as the app's own.

    Raises:
        SettingsError: they cannot be read, or are not those that the app writes.
    """
    policy = repository.policy
    named = create_pseudonyms(settings, plain=not policy.pseudonymous, several=len(policy.issuers) > 1)
    await require_same_pseudonyms(repository.store, named.check)
    return StaffActions(repository, named)


def create_cipher(settings: Settings, key: bytes = b"") -> PayloadCipher:
    """Choose the keys under which what was asked and first answers are sealed.

    What was sealed before the deployment named keys of its own still opens with the one that was derived.

    Args:
        settings: of the deployment.
        key: of its pseudonyms, where it was read already.
    """
    return PayloadCipher((*settings.encryption_keys, _derived(key or load_pseudonym_key(settings, create=True))))


def create_decryption_cipher(settings: Settings) -> PayloadCipher:
    """Choose the keys with which an operator's command opens what was sealed; none is made here."""
    beside = Path(settings.store).with_name(Path(settings.store).name + ".key")
    is_kept = not settings.pseudonym_key and settings.store != MEMORY and beside.exists()
    key = load_or_create_key(Path(settings.store)) if is_kept else settings.pseudonym_key or os.urandom(32)
    return PayloadCipher((*settings.encryption_keys, _derived(key)))


def _derived(key: bytes) -> bytes:
    return sha256(b"authguard sealing\n" + key).digest()


def create_directories(
    policy: Policy, settings: Settings, environ: Mapping[str, str], client: httpx2.AsyncClient | None = None
) -> dict[str, AccountDirectory]:
    """Choose an adapter for each source of account states that is asked.

    Raises:
        SettingsError: a function is not allowed or cannot be imported, or a service's credentials are missing.
    """

    def lookup(source: AccountSource) -> Lookup:
        if source.url:
            return HttpLookup(source, environ=environ, client=client)
        return FunctionLookup(
            find_function(source.call, settings.allowed_modules), source.max_concurrency, source.delegations_at
        )

    return {source.name: ResilientDirectory(source, lookup(source)) for source in policy.accounts if not source.claim}


def create_verifiers(
    policy: Policy,
    settings: Settings,
    clock: Clock,
    environ: Mapping[str, str],
    client: httpx2.AsyncClient | None = None,
    *,
    store: Store,
    ids: Ids,
    key: bytes,
) -> dict[str, Verifier]:
    """Choose an adapter for each verifier that a method of the policy combines.

    Args:
        policy: that declares them.
        settings: with the modules whose functions may be called.
        clock: for breakers.
        environ: where our credentials for services are.
        client: to ask services with, where it is not their own.
        store: where used steps and hashes of codes are kept.
        ids: where codes come from.
        key: secret, shared by all processes of the deployment.

    Raises:
        SettingsError: a function is not allowed or cannot be imported, or a service's credentials are missing.
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
        return ResilientVerifier(declared, services, clock=clock, chance=SystemRandom().random)

    named = {name for method in policy.methods.values() for name in method.verifiers}
    return {name: verifier(declared) for name, declared in policy.verifiers.items() if name in named}


def create_store(settings: Settings, policy: Policy) -> Store:
    """Choose the store: a SQLite file, or memory."""
    keep, answers, ended = policy.retention, policy.response_retention, policy.final_transaction_states
    if settings.store == MEMORY:
        return MemoryStore(retention=keep, response_retention=answers, final_states=ended)
    return SqliteStore(Path(settings.store), retention=keep, response_retention=answers, final_states=ended)


def create_sink(settings: Settings, policy: Policy, clock: Clock, ids: Ids) -> AuditSink:
    """Choose the log: chained JSON lines, signed, with what moves announced through structlog.

    Raises:
        SettingsError: the key that signs it cannot be read or made, or an anchor cannot be one.
    """
    retention = RetentionPolicy(
        max_bytes=policy.rotate_size, max_age_s=policy.rotate_max_age, retention_s=policy.log_retention
    )
    every, within = policy.checkpoint_every, policy.checkpoint_max_interval
    return LoggingSink(_chain(settings, clock, ids, retention, policy.digest, every, within))


def _chain(  # noqa: PLR0917 - what a chain is made of
    settings: Settings,
    clock: Clock,
    ids: Ids,
    retention: RetentionPolicy,
    digest: str = "",
    every: int = DEFAULT_INTERVAL_LINES,
    within: float = DEFAULT_INTERVAL_S,
    *,
    path: Path | None = None,
    by_hand: list[CheckpointSigner] | None = None,
) -> JsonlSink:
    """Make a chain, the log's first that is free where none is named; what signs one that is kept by hand is listed."""
    base = deployment_file_prefix(settings.store, settings.audit_log)
    signers = [(one.key, one.sign) for one in signing_key.load_keys(settings.signing_key, base)]

    def make_signer(path: Path, fd: int, head: Callable[[], str]) -> CheckpointSigner:
        signer = CheckpointSigner(
            path,
            fd,
            head,
            signers=signers,
            check=signing_key.verify_signature,
            memory=signing_key.checkpoint_memory_path(base),
            clock=clock,
            every=every,
            within=within,
            publisher=publisher,
            retention=SegmentRetention(path, retention, clock.now),
            threaded=by_hand is None,
        )
        if by_hand is not None:
            by_hand.append(signer)
        return signer

    anchors = [make_anchor(one, settings.anchor_token) for one in settings.anchors]
    publisher = AnchorPublisher(anchors, signing_key.checkpoint_memory_path(base)) if anchors else None
    return JsonlSink(
        path or Path(settings.audit_log),
        clock=clock,
        ids=ids,
        policy=digest,
        make_signer=make_signer,
        retention=retention,
    )


def maintain_log(settings: Settings, clock: Clock | None = None) -> Iterator[tuple[Path, str]]:
    """Keep every chain of a log that no living process writes: sign, close, compress and retire what is due.

    Yields:
        The chain, and why that could not be done; empty where it was.

    Raises:
        AuthguardError: the policy, a key or the log cannot be read.
    """
    policy, clock = load(settings.policy), clock or SystemClock()
    retention = RetentionPolicy(
        max_bytes=policy.rotate_size, max_age_s=policy.rotate_max_age, retention_s=policy.log_retention
    )
    for chain in segment_file.list_chains(Path(settings.audit_log)):
        made: list[CheckpointSigner] = []
        sink = _chain(settings, clock, SystemIds(), retention, policy.digest, path=chain, by_hand=made)
        try:
            sink.open()
            if sink.path != chain:
                yield chain, "a living process writes it, and keeps it itself"
                continue
            sink.maintain()
            while made[-1].run_once():
                sink.maintain()
            yield chain, made[-1].signing_error or made[-1].retention_error
        finally:
            sink.close()


def create_log_processor(settings: Settings, clock: Clock | None = None) -> ChainProcessor:
    """Choose what keeps the app's own lines: a chain of its own, signed and anchored as the log is.

    Raises:
        SettingsError: the key that signs it cannot be read or made, or an anchor cannot be one.
    """
    clock, ids = clock or SystemClock(), SystemIds()
    return ChainProcessor(_chain(settings, clock, ids, RetentionPolicy()), clock=clock, ids=ids)
