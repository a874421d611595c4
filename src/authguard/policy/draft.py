"""A policy as merged and resolved, before anything about it is proved: what the checks look at."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING

from authguard.core.cors import NO_CORS, Cors
from authguard.core.outcomes import LocalizedText
from authguard.policy.compiled_policy import Changes
from authguard.policy.problem import Place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.core.agents import Agent
    from authguard.core.decision_table import Rule
    from authguard.core.machine import Spec
    from authguard.core.outcomes import Fallback
    from authguard.core.request import Operation
    from authguard.core.timers import Timer
    from authguard.core.verification import Method
    from authguard.policy.compiled_policy import Durability
    from authguard.policy.deployment import AccountSource, Assurance, Channels, Issuer, Verifier


@dataclass(frozen=True, slots=True, kw_only=True)
class Invariant:
    """Something that must never, or always, hold.

    Attributes:
        name: as the policy names it.
        never: dimension -> values, over the dimensions of the table and ``outcome``; empty for the other kind.
        always_reachable: outcomes; empty for the other kind.
        by: whose events may be used: ``caller``, ``clock``, ``operator``.
    """

    name: str
    never: Mapping[str, frozenset[str]] = field(default_factory=dict)
    always_reachable: tuple[str, ...] = ()
    by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """The merged document in core values, with the place of everything.

    Names may still be unresolved, machines may have holes: the checks say so.

    Attributes:
        name: of the policy.
        digest: SHA-256 (hex) of the merged document in canonical form.
        base: made to be extended; what only a deployment can fill is not checked.
        machines: by name, all five.
        timers: merged.
        rules: merged, in order.
        fallbacks: merged by name, without ``allow``.
        on_fault: fallback's name.
        invariants: merged.
        operations: first match wins.
        otherwise: what nobody named is judged as, where the policy admits it.
        admits_unnamed: whether the policy does; else what nobody named is refused.
        issuers: in order.
        agents: that may act for a subject, or alone.
        accounts: sources.
        accounts_declared: whether the policy says where account states come from (``accounts: none`` says so too).
        assurance: order and equivalence.
        identity: level, or empty.
        methods: of proving identity, by name.
        verifiers: services that prove identity, by name.
        channels: where the customer speaks from.
        request_budget: seconds.
        body_budget: bytes.
        nodes_budget: values of a JSON body.
        in_flight_budget: requests of one account that are decided at once.
        max_held: transactions of one account.
        durability: by risk.
        pseudonymous: of subjects in the log.
        public_windows: of public admissions in the log.
        checkpoint_every: lines.
        checkpoint_max_interval: seconds.
        rotate_size: bytes.
        rotate_max_age: seconds.
        log_retention: seconds.
        response_retention: seconds.
        app_reports: account events that the app may report.
        public_url: or empty.
        hosts: that a request may name; empty for any.
        root_path: what stands before the operations' paths; or empty.
        cors: what pages of other origins may do.
        rollback_roles: act -> (role, count).
        rollback_message: what the customer is told while rolled back.
        staff_claim: with the roles of staff; empty for none.
        staff_issuers: whose roles make staff.
        staff_roles: act (``reinstate``, ``reset``) -> the role that may.
        places: dotted path (``machines.session.transitions[3]``, ``decisions[4]``, ``fallbacks.sign_in``) -> place;
            indexes are those of the merged lists.
        changes: what it makes of what it extends.
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
    nodes_budget: int = 50_000
    in_flight_budget: int = 64
    max_held: int = 20
    durability: Mapping[str, Durability] = field(default_factory=dict)
    pseudonymous: bool = True
    public_windows: bool = False
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
        """Every operation that a request can be judged as."""
        return (*self.operations, self.otherwise) if self.admits_unnamed else self.operations

    def place(self, *paths: str) -> Place:
        """Find where something was written: the first of these dotted paths that is known."""
        for path in paths:
            if path in self.places:
                return self.places[path]
        return self.places.get("", Place())
