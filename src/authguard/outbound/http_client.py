"""The one place where HTTP clients are made: what goes out takes no proxy of the environment unless a setting says so.

Rule: what carries a bearer token or a question about a customer goes where the policy says. `AUTHGUARD_PROXIES` set to
`environment` lets `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` lead what goes out over TLS, in a tunnel that the proxy
cannot read. What goes out without TLS stays on this machine, so it never takes a proxy.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from authguard.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from ssl import SSLContext

    import httpx2

VARIABLE: Final = "AUTHGUARD_PROXIES"
ALLOWED: Final = "environment"


def uses_environment_proxies(environ: Mapping[str, str] | None = None) -> bool:
    """Return whether the environment's proxies may be used.

    Args:
        environ: instead of the process's own variables.

    Raises:
        SettingsError: the variable holds something else than `environment`.
    """
    said = (os.environ if environ is None else environ).get(VARIABLE, "")
    if said not in {"", ALLOWED}:
        raise SettingsError(f"{VARIABLE} has to be `{ALLOWED}`, or not set: then no proxy is used")
    return said == ALLOWED


def create_client(*, verify: SSLContext | bool = True, **options: Any) -> httpx2.Client:  # noqa: ANN401 - of httpx2
    """Make a client for a thread of its own.

    Args:
        verify: trusted certificates; ``True`` for the usual ones.
        options: further ones of `httpx2.Client`.
    """
    import httpx2  # noqa: PLC0415 - a command that asks nobody does without

    return httpx2.Client(verify=verify, **_ways(), **options)


def create_async_client(*, verify: SSLContext | bool = True, **options: Any) -> httpx2.AsyncClient:  # noqa: ANN401
    """Make a client for an event loop, as `create_client`."""
    import httpx2  # noqa: PLC0415

    return httpx2.AsyncClient(verify=verify, **_ways(), **options)


def load_trusted_certificates() -> SSLContext:
    """Read the trusted certificates, which takes too long for a request."""
    import httpx2  # noqa: PLC0415

    return httpx2.create_ssl_context()


def _ways() -> dict[str, Any]:
    """Return what decides whether a proxy is taken, and that no redirect is followed."""
    return {"trust_env": uses_environment_proxies(), "mounts": {"http://": None}, "follow_redirects": False}
