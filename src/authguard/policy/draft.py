"""The draft of a policy: merged and parsed, not yet checked."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from msgspec import Struct, field

from authguard.core.cors import NO_CORS, Cors
from authguard.core.credential_place import AUTHORIZATION
from authguard.core.outcomes import LocalizedText
from authguard.core.policy import Changes
from authguard.policy.problem import Place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.core.agents import Agent
    from authguard.core.credential_place import CredentialPlace
    from authguard.core.decision_table import Rule
    from authguard.core.deployment import (
        AccountSource,
        Assurance,
        Channels,
        Issuer,
        Verifier,
    )
    from authguard.core.machine import Spec
    from authguard.core.outcomes import Fallback
    from authguard.core.policy import Durability
    from authguard.core.request import Operation
    from authguard.core.timers import Timer
    from authguard.core.verification import Method


class Invariant(Struct, frozen=True, kw_only=True):
    """A property that the checks prove over all cells.

    Attributes:
        name: name in the policy.
        never: dimension (or ``outcome``) -> values that must not occur together; empty for `always_reachable`.
        always_reachable: outcomes of which one must always be reachable; empty for `never`.
        by: parties whose events may be used: ``caller``, ``clock``, ``operator``.
    """

    name: str
    never: Mapping[str, frozenset[str]] = field(default_factory=dict)
    always_reachable: tuple[str, ...] = ()
    by: tuple[str, ...] = ()


class Draft(Struct, frozen=True, kw_only=True):
    """The merged document as core values, with the place of each definition.

    Names may be unresolved and machines may be incomplete; the checks report both.

    Attributes:
        name: name of the policy.
        digest: SHA-256 (hex) of the merged document in canonical JSON.
        base: whether the policy is made to be extended; settings of a deployment are then not checked.
        machines: the five state machines by name.
        timers: merged timers.
        rules: merged decision rules, in order.
        fallbacks: merged fallbacks by name, without ``allow``.
        on_fault: name of the fallback if the guard fails.
        invariants: merged invariants.
        operations: operations; the first match wins.
        otherwise: operation for requests that match no other operation; used if `admits_unnamed`.
        admits_unnamed: whether requests that match no operation are decided as `otherwise`; if not, they are refused.
        issuers: issuers, in order.
        credentials: places from which the credential is read.
        agents: actors that may act for a subject or alone.
        accounts: account sources.
        accounts_declared: whether the policy has the key ``accounts`` (``accounts: none`` counts).
        assurance: order of assurance levels.
        identity: assurance level at which a sign-in proves identity; or empty.
        methods: combinations of verifiers by name.
        verifiers: verifiers by name.
        channels: channel settings.
        request_budget: seconds for all waits of the guard in one request, except for its body.
        body_budget: maximum bytes of a body.
        body_idle_timeout: maximum seconds without a part of a body.
        body_min_rate: minimum average bytes per second of a body, after the first `body_idle_timeout` seconds.
        body_timeout: maximum seconds for a body.
        nodes_budget: maximum values of a JSON body.
        in_flight_budget: maximum concurrent requests of one account.
        max_held: maximum held transactions of one account.
        durability: risk -> how a decision is stored.
        pseudonymous: whether the log contains keyed hashes instead of subjects.
        public_windows: whether window records cover public admissions above a rate.
        request_properties: properties of each request in its record: ``peer``, ``method``, ``path``.
        pseudonymous_peers: whether the log contains keyed hashes instead of the clients' addresses.
        checkpoint_every: log lines after which a checkpoint is signed.
        checkpoint_max_interval: maximum seconds between checkpoints.
        rotate_size: size in bytes at which a log file is rotated.
        rotate_max_age: age in seconds at which a log file is rotated.
        log_retention: retention of log lines in seconds.
        response_retention: retention of first responses in seconds.
        app_reports: account events that the app may report.
        public_url: external origin of the app; or empty.
        hosts: accepted hosts; empty for any.
        root_path: prefix before the operations' paths; or empty.
        cors: CORS settings.
        rollback_roles: act -> (role, count).
        rollback_message: text for customers during a rollback.
        staff_claim: claim with staff roles; empty for none.
        staff_issuers: issuers whose staff roles count.
        staff_roles: act (``reinstate``, ``reset``) -> required role.
        places: dotted path (``machines.session.transitions[3]``, ``decisions[4]``, ``fallbacks.sign_in``) -> place;
            indexes refer to the merged lists.
        changes: changes to inherited definitions.
    """

    name: str
    digest: str
    base: bool = False
    machines: Mapping[str, Spec]
    timers: tuple[Timer, ...] = ()
    rules: tuple[Rule, ...] = ()
    fallbacks: Mapping[str, Fallback] = field(default_factory=dict)
    on_fault: str = ""
    invariants: tuple[Invariant, ...] = ()
    operations: tuple[Operation, ...] = ()
    otherwise: Operation
    admits_unnamed: bool = False
    issuers: tuple[Issuer, ...] = ()
    credentials: tuple[CredentialPlace, ...] = (AUTHORIZATION,)
    agents: frozenset[Agent] = frozenset()
    accounts: tuple[AccountSource, ...] = ()
    accounts_declared: bool = False
    assurance: Assurance
    identity: str = ""
    methods: Mapping[str, Method] = field(default_factory=dict)
    verifiers: Mapping[str, Verifier] = field(default_factory=dict)
    channels: Channels
    request_budget: float = 2.0
    body_budget: int = 1_048_576
    body_idle_timeout: float = 10.0
    body_min_rate: int = 1_024
    body_timeout: float = 120.0
    nodes_budget: int = 50_000
    in_flight_budget: int = 64
    max_held: int = 20
    durability: Mapping[str, Durability] = field(default_factory=dict)
    pseudonymous: bool = True
    public_windows: bool = False
    request_properties: frozenset[str] = frozenset()
    pseudonymous_peers: bool = True
    checkpoint_every: int = 1_000
    checkpoint_max_interval: float = 10.0
    rotate_size: int = 67_108_864
    rotate_max_age: float = 604_800.0
    log_retention: float = inf
    response_retention: float = 86_400.0
    app_reports: frozenset[str] = frozenset()
    public_url: str = ""
    hosts: frozenset[str] = frozenset()
    root_path: str = ""
    cors: Cors = NO_CORS
    rollback_roles: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    rollback_message: LocalizedText = field(default_factory=LocalizedText)
    staff_claim: str = ""
    staff_issuers: frozenset[str] = frozenset()
    staff_roles: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[str, Place] = field(default_factory=dict)
    changes: Changes = field(default_factory=Changes)

    @property
    def all_operations(self) -> tuple[Operation, ...]:
        """All operations that a request can match."""
        return (*self.operations, self.otherwise) if self.admits_unnamed else self.operations

    def place(self, *paths: str) -> Place:
        """Return the place of the first of these dotted paths that exists; of the whole policy if none does."""
        for path in paths:
            if path in self.places:
                return self.places[path]
        return self.places.get("", Place())
