"""Factory of all HTTP clients; they ignore the proxies of the environment unless a setting allows them.

Rule: a request that carries a bearer token or a question about a customer goes only where the policy sends it. If
`AUTHGUARD_PROXIES` is `environment`, requests over TLS may use `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, through a
tunnel that the proxy cannot read. Requests without TLS stay on this machine and never use a proxy.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from authguard.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from ssl import SSLContext

    import httpx2

PROXIES_VARIABLE: Final = "AUTHGUARD_PROXIES"
ENVIRONMENT: Final = "environment"


def uses_environment_proxies(environ: Mapping[str, str] | None = None) -> bool:
    """Return whether HTTP clients may use the proxies of the environment.

    Args:
        environ: variables to read instead of those of the process.

    Raises:
        SettingsError: the variable has a value other than `environment`.
    """
    value = (os.environ if environ is None else environ).get(PROXIES_VARIABLE, "")
    if value not in {"", ENVIRONMENT}:
        raise SettingsError(f"{PROXIES_VARIABLE} has to be `{ENVIRONMENT}`, or not set: then no proxy is used")
    return value == ENVIRONMENT


def create_client(*, verify: SSLContext | bool = True, **options: Any) -> httpx2.Client:  # noqa: ANN401 - of httpx2
    """Create a blocking client, for a thread.

    Args:
        verify: trusted certificates; ``True`` for the default ones.
        options: further options of `httpx2.Client`.
    """
    import httpx2  # noqa: PLC0415 - commands without HTTP requests do not load it

    return httpx2.Client(verify=verify, **_proxy_options(), **options)


def create_async_client(*, verify: SSLContext | bool = True, **options: Any) -> httpx2.AsyncClient:  # noqa: ANN401
    """Create a client for an event loop; arguments as for `create_client`."""
    import httpx2  # noqa: PLC0415

    return httpx2.AsyncClient(verify=verify, **_proxy_options(), **options)


def load_trusted_certificates() -> SSLContext:
    """Load the trusted certificates; this is too slow for a request."""
    import httpx2  # noqa: PLC0415

    return httpx2.create_ssl_context()


def _proxy_options() -> dict[str, Any]:
    """Return the options that control proxies and disable redirects."""
    return {"trust_env": uses_environment_proxies(), "mounts": {"http://": None}, "follow_redirects": False}
