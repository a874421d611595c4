"""Composition of the audit log of a deployment: signed chains of JSON lines, and their maintenance."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from authguard import signing_key
from authguard.audit import segment_file
from authguard.audit.write.checkpoint_signer import DEFAULT_INTERVAL_LINES, DEFAULT_INTERVAL_S, CheckpointSigner
from authguard.audit.write.events import Part
from authguard.audit.write.jsonl import JsonlSink
from authguard.audit.write.retention import RetentionPolicy, SegmentRetention
from authguard.clock import SystemClock
from authguard.deployment_files import require_usable_files
from authguard.deployment_keys import SigningKeys
from authguard.ids import SystemIds
from authguard.policy.compiler import load
from authguard.settings import deployment_file_prefix

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from authguard.audit.write.anchor_publisher import AnchorPublisher
    from authguard.audit.write.processor import ChainProcessor
    from authguard.core.policy import Policy
    from authguard.ports import AuditSink, Clock, Ids
    from authguard.settings import Settings


def create_sink(
    settings: Settings, policy: Policy, clock: Clock, ids: Ids, keys: SigningKeys | None = None
) -> AuditSink:
    """Create the audit log: signed chains of JSON lines, without events for structlog; nothing is written yet.

    Raises:
        SettingsError: an anchor is invalid.
    """
    retention = RetentionPolicy(
        max_bytes=policy.audit.rotate.size, max_age_s=policy.audit.rotate.max_age, retention_s=policy.audit.retention
    )
    every, within = policy.audit.checkpoint.every, policy.audit.checkpoint.max_interval
    return _create_chain(settings, clock, ids, retention, policy.digest, every, within, keys=keys)


def _create_chain(  # noqa: PLR0917 - the parts of a chain
    settings: Settings,
    clock: Clock,
    ids: Ids,
    retention: RetentionPolicy,
    digest: str = "",
    every: int = DEFAULT_INTERVAL_LINES,
    within: float = DEFAULT_INTERVAL_S,
    *,
    keys: SigningKeys | None = None,
    path: Path | None = None,
    manual_signers: list[CheckpointSigner] | None = None,
) -> JsonlSink:
    """Create a chain: the given one, else the first free one of the log; append its signer to `manual_signers`."""
    base = deployment_file_prefix(settings.store, settings.audit_log)
    signing = keys or SigningKeys(settings)

    def make_signer(path: Path, fd: int, head: Callable[[], str]) -> CheckpointSigner:
        signer = CheckpointSigner(
            path,
            fd,
            head,
            signers=[(one.key, one.sign) for one in signing.load()],
            check=signing_key.verify_signature,
            memory=signing_key.checkpoint_memory_path(base),
            clock=clock,
            every=every,
            within=within,
            publisher=publisher,
            retention=SegmentRetention(path, retention, clock.now),
            threaded=manual_signers is None,
        )
        if manual_signers is not None:
            manual_signers.append(signer)
        return signer

    publisher = _create_publisher(settings, base) if settings.anchors else None
    return JsonlSink(
        path or Path(settings.audit_log),
        clock=clock,
        ids=ids,
        policy=digest,
        make_signer=make_signer,
        retention=retention,
    )


def _create_publisher(settings: Settings, base: str) -> AnchorPublisher:
    from authguard.audit.write.anchor import make_anchor  # noqa: PLC0415 - imports an HTTP client
    from authguard.audit.write.anchor_publisher import AnchorPublisher  # noqa: PLC0415

    anchors = [make_anchor(one, settings.anchor_token) for one in settings.anchors]
    return AnchorPublisher(anchors, signing_key.checkpoint_memory_path(base))


def maintain_log(settings: Settings, clock: Clock | None = None) -> Iterator[tuple[Path, str]]:
    """Maintain every chain of a log that no running process writes: sign, close, compress and retire due segments.

    Yields:
        The chain, and the error that prevented it; empty if there was none.

    Raises:
        AuthguardError: the policy, a key or the log cannot be read.
    """
    policy, clock = load(settings.policy), clock or SystemClock()
    retention = RetentionPolicy(
        max_bytes=policy.audit.rotate.size, max_age_s=policy.audit.rotate.max_age, retention_s=policy.audit.retention
    )
    for chain in segment_file.list_chains(Path(settings.audit_log)):
        signers: list[CheckpointSigner] = []
        sink = _create_chain(settings, clock, SystemIds(), retention, policy.digest, path=chain, manual_signers=signers)
        try:
            sink.open()
            if sink.path != chain:
                yield chain, "a running process writes it and maintains it itself"
                continue
            sink.maintain()
            while signers[-1].run_once():
                sink.maintain()
            yield chain, signers[-1].events.find_failure(Part.SIGNING, Part.RETENTION)
        finally:
            sink.close()


def create_log_processor(settings: Settings, clock: Clock | None = None) -> ChainProcessor:
    """Create the processor of the app's log events: a separate chain, signed and anchored like the log.

    Raises:
        SettingsError: a file is of the wrong kind, an existing key file holds no key, or an anchor is invalid.
    """
    from authguard.audit.write.processor import ChainProcessor  # noqa: PLC0415 - only an app with structlog needs it

    clock, ids, keys = clock or SystemClock(), SystemIds(), SigningKeys(settings)
    require_usable_files(settings, plain=True, is_opening=False)
    keys.validate()
    return ChainProcessor(_create_chain(settings, clock, ids, RetentionPolicy(), keys=keys), clock=clock, ids=ids)
