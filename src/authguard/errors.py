"""All exceptions of authguard.

    AuthguardError
    ├── PolicyError               a policy cannot be used; carries every problem found
    ├── SettingsError             an argument or an AUTHGUARD_* variable cannot be used
    ├── MachineFaultError         a state, an event or a cell is not in the tables of the policy
    ├── StoreError                a store cannot be read or written
    ├── BusyError                 another request changed the same records first, or a queue was full; retry
    ├── AuditError                the audit log cannot be written, so no request may be admitted
    ├── ReportRefusedError        the app reported an event that it may not raise
    ├── VerificationRefusedError  answers arrived for a method that the policy does not ask for now
    └── AuthorityError            the caller of an operator's command lacks the authority

Rules: no message holds a credential, a subject or other personal data; every message states the remedy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class AuthguardError(Exception):
    """Base class of all exceptions that authguard raises on purpose."""


class PolicyError(AuthguardError):
    """A policy cannot be used.

    Attributes:
        problems: every problem found, one printable line each, in the order of the file.
    """

    def __init__(self, problems: Sequence[object]) -> None:
        """Store the problems; the message has one line for each."""
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in problems) or "the policy is empty")


class SettingsError(AuthguardError):
    """An argument or an ``AUTHGUARD_*`` variable cannot be used; the message names it and the values that it takes."""


class MachineFaultError(AuthguardError):
    """A state, an event or a cell is not in the tables of the policy; the enforcer refuses the request."""


class OwnerAbsentError(MachineFaultError):
    """An event was raised in a record that is not loaded; nothing was changed."""


class StoreError(AuthguardError):
    """A store cannot be read or written now."""


class BusyError(AuthguardError):
    """Another request changed the same records first, or a queue was full: the caller retries."""


class AuditError(AuthguardError):
    """The audit log cannot be written; without a record no request is admitted."""


class ReportRefusedError(AuthguardError):
    """The app reported an event that it may not raise: reports may only tighten a state."""


class VerificationRefusedError(AuthguardError):
    """Answers arrived for a method that the policy does not ask of this customer now, or from an unproven caller."""


class AuthorityError(AuthguardError):
    """An operator's command was called without the authority that the policy requires (exit code 5)."""
