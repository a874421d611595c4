"""The ports: protocols of everything outside the guard, and the values that they exchange.

Adapters implement them; only `authguard.factory` chooses adapters. A method's docstring states the duties of its
caller.
"""

from __future__ import annotations

from authguard.ports.account_directory import AccountDirectory, AccountStatus, Unreachable
from authguard.ports.audit_sink import AuditSink
from authguard.ports.cipher import Cipher, DecryptionFailure
from authguard.ports.condition_source import ConditionSource, PendingValue
from authguard.ports.credential_validator import (
    CredentialValidator,
    IgnoredKeyStatus,
    IntrospectionProblem,
    IssuerStatus,
    KeysState,
)
from authguard.ports.handoff_desk import HandoffDesk, Ticket
from authguard.ports.store import FIRST, RecordKind, Store
from authguard.ports.system import Clock, Ids
from authguard.ports.verifier import Question, Verifier

__all__ = [
    "FIRST",
    "AccountDirectory",
    "AccountStatus",
    "AuditSink",
    "Cipher",
    "Clock",
    "ConditionSource",
    "CredentialValidator",
    "DecryptionFailure",
    "HandoffDesk",
    "Ids",
    "IgnoredKeyStatus",
    "IntrospectionProblem",
    "IssuerStatus",
    "KeysState",
    "PendingValue",
    "Question",
    "RecordKind",
    "Store",
    "Ticket",
    "Unreachable",
    "Verifier",
]
