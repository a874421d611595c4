"""Every exception that authguard raises, seen whole before one by one.

    AuthguardError
    ├── PolicyError            a policy file cannot be used; carries every problem found
    ├── SettingsError          an argument or an AUTHGUARD_* variable cannot be used
    ├── MachineFaultError           the engine met a state or an event that its tables do not hold
    ├── StoreError             a store cannot be read or written
    ├── BusyError              others changed the same records first, or a queue was full; try again
    ├── AuditError             the audit log cannot be written, so nothing may be admitted
    ├── ReportRefusedError          the app tried to raise an event that loosens
    ├── VerificationRefusedError    answers came for a method that is not asked for now
    └── AuthorityError         the caller of an operator's command lacks the authority

Rules: no message holds a credential, a subject or any other personal data; every message says what to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class AuthguardError(Exception):
    """The root: catch this to catch whatever authguard raises on purpose."""


class PolicyError(AuthguardError):
    """A policy cannot be used.

    Attributes:
        problems: every problem found, as one printable line each, in the order of the file.
    """

    def __init__(self, problems: Sequence[object]) -> None:
        """Keep the problems and print one a line."""
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in problems) or "the policy is empty")


class SettingsError(AuthguardError):
    """An argument or an ``AUTHGUARD_*`` variable cannot be used; the message names it and what it takes."""


class MachineFaultError(AuthguardError):
    """The engine met a state, an event or a cell that its tables do not hold; the enforcer refuses."""


class StoreError(AuthguardError):
    """A store cannot be read or written now."""


class BusyError(AuthguardError):
    """Other requests changed the same records first, or a queue was full: the caller tries again."""


class AuditError(AuthguardError):
    """The audit log cannot be written; without a record there is no admission."""


class ReportRefusedError(AuthguardError):
    """The app reported an event that it may not raise: reports only tighten (DESIGN 2)."""


class VerificationRefusedError(AuthguardError):
    """Answers came for a method that the policy does not ask of this customer now, or from nobody who is proven."""


class AuthorityError(AuthguardError):
    """An operator's command was called without the authority that the policy asks for (exit code 5)."""
