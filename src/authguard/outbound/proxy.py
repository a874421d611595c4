"""Whether HTTP clients may use the proxies of the environment; imports nothing, since every command reads it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from authguard.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

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
