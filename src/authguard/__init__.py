"""An explicit, total and statically checked authentication state machine in front of an AI agent's endpoints.

Public names load lazily, so that importing the core does not load Starlette.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

__version__ = "0.1.0"

if TYPE_CHECKING:
    from authguard.asgi.control import Control
    from authguard.asgi.guard import Guard, current_guard
    from authguard.errors import (
        AuditError,
        AuthguardError,
        AuthorityError,
        BusyError,
        MachineFaultError,
        PolicyError,
        ReportRefusedError,
        SettingsError,
        StoreError,
    )
    from authguard.middleware import AuthGuard, audit_processor

_MODULES: Final = {
    "AuthGuard": "authguard.middleware",
    "Control": "authguard.asgi.control",
    "Guard": "authguard.asgi.guard",
    "audit_processor": "authguard.middleware",
    "current_guard": "authguard.asgi.guard",
    "AuditError": "authguard.errors",
    "AuthguardError": "authguard.errors",
    "AuthorityError": "authguard.errors",
    "BusyError": "authguard.errors",
    "MachineFaultError": "authguard.errors",
    "PolicyError": "authguard.errors",
    "ReportRefusedError": "authguard.errors",
    "SettingsError": "authguard.errors",
    "StoreError": "authguard.errors",
}

__all__ = [
    "AuditError",
    "AuthGuard",
    "AuthguardError",
    "AuthorityError",
    "BusyError",
    "Control",
    "Guard",
    "MachineFaultError",
    "PolicyError",
    "ReportRefusedError",
    "SettingsError",
    "StoreError",
    "audit_processor",
    "current_guard",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - an attribute of a module has any type
    """Load a public name on first access (PEP 562)."""
    import importlib  # noqa: PLC0415 - only on access to a name

    if name not in _MODULES:
        raise AttributeError(f"module `authguard` has no attribute `{name}`")
    from authguard.garbage_collection import paused_collection  # noqa: PLC0415 - as above

    with paused_collection():
        return getattr(importlib.import_module(_MODULES[name]), name)
