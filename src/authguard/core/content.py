"""The content of a policy: what its draft, its compiled form and the request path read under the same names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, field

from authguard.core.cors import NO_CORS, Cors
from authguard.core.credential_place import AUTHORIZATION
from authguard.core.deployment import Assurance, Channels
from authguard.core.sections import Audit, Budget, Reports, Rollback, Settings, Transactions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.core.agents import Agent
    from authguard.core.credential_place import CredentialPlace
    from authguard.core.deployment import AccountSource, Verifier
    from authguard.core.flags import Flag
    from authguard.core.own_conditions import OwnCondition
    from authguard.core.request import Operation
    from authguard.core.verification import Method


class ReplacedTimer(Struct, frozen=True, kw_only=True):
    """A timer of the base policy that the timers of a policy replace.

    Attributes:
        event: its event.
        after: its delay, as written.
        since: the moment from which it counted.
        states: states in which it ran; empty for all.
    """

    event: str
    after: str
    since: str
    states: tuple[str, ...] = ()


class Changes(Struct, frozen=True, kw_only=True):
    """Changes that a policy makes to its base policy, other than added transitions and rules.

    Attributes:
        fallbacks: fallbacks by name, including ``allow``.
        states: machine -> added states.
        timers: replaced timers.
    """

    fallbacks: frozenset[str] = frozenset()
    states: Mapping[str, frozenset[str]] = field(default_factory=dict)
    timers: tuple[ReplacedTimer, ...] = ()


class Content(Struct, frozen=True, kw_only=True):
    """What a draft and a compiled policy share.

    Attributes:
        name: name in the file.
        digest: SHA-256 (hex) of the merged document in canonical JSON; part of every record.
        on_fault: name of the fallback if the guard fails.
        operations: operations; the first match wins.
        otherwise: operation for requests that match no other operation; used if `admits_unnamed`.
        admits_unnamed: whether requests that match no operation are decided as `otherwise`; if not, they are refused.
        credentials: places from which the credential is read; a request may use one.
        agents: actors that may act for a subject or alone.
        accounts: account sources; if empty, every account is ``normal``.
        assurance: order of assurance levels.
        identity: assurance level at which a sign-in proves identity; empty if only verifiers do.
        verifiers: verifiers by name.
        methods: combinations of verifiers by name.
        channels: channel settings.
        conditions: the policy's own conditions, in order.
        budget: resources for one request.
        transactions: storage of transactions.
        audit: storage of the log.
        reports: account events that the app may report.
        settings: external addresses of the app.
        hosts: accepted hosts; empty for any.
        cors: CORS settings.
        rollback: who may stop the agent, and what customers read meanwhile.
        staff_claim: claim with staff roles, for `authguard.core.staff.roles`; empty without staff.
        staff_issuers: issuers whose staff roles count.
        staff_roles: act (``reinstate``, ``reset``) -> required role; nobody may perform a missing act.
        flags: what the guard remembers for a time, in order.
        changes: changes to inherited definitions.
    """

    name: str
    digest: str
    on_fault: str = ""
    operations: tuple[Operation, ...] = ()
    otherwise: Operation
    admits_unnamed: bool = False
    credentials: tuple[CredentialPlace, ...] = (AUTHORIZATION,)
    agents: frozenset[Agent] = frozenset()
    accounts: tuple[AccountSource, ...] = ()
    assurance: Assurance = Assurance()
    identity: str = ""
    verifiers: Mapping[str, Verifier] = field(default_factory=dict)
    methods: Mapping[str, Method] = field(default_factory=dict)
    channels: Channels = Channels()
    conditions: tuple[OwnCondition, ...] = ()
    budget: Budget = Budget()
    transactions: Transactions = Transactions()
    audit: Audit = Audit()
    reports: Reports = Reports()
    settings: Settings = Settings()
    hosts: frozenset[str] = frozenset()
    cors: Cors = NO_CORS
    rollback: Rollback = Rollback()
    staff_claim: str = ""
    staff_issuers: frozenset[str] = frozenset()
    staff_roles: Mapping[str, str] = field(default_factory=dict)
    flags: tuple[Flag, ...] = ()
    changes: Changes = field(default_factory=Changes)

    @property
    def all_operations(self) -> tuple[Operation, ...]:
        """All operations that a request can match."""
        return (*self.operations, self.otherwise) if self.admits_unnamed else self.operations
