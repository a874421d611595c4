"""Keys that the deployment holds itself: a JWK Set in a file, or a secret in a variable (development only)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.core.strict_json import json_object
from authguard.credentials.jwk import KeySet, load, secret
from authguard.credentials.jwks_fetcher import ANSWER_BOUND, ANSWER_NODES
from authguard.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from authguard.policy.compiled import Issuer


def from_file(issuer: Issuer, folder: Path, algorithms: frozenset[str]) -> KeySet:
    """Load an issuer's ``key_file``.

    Args:
        issuer: whose keys they are.
        folder: against which the path is resolved.
        algorithms: that the keys are for.

    Raises:
        SettingsError: the file cannot be read, is no JWK Set or larger than a fetched one may be, or holds no key that
            can be used.
    """
    named = f"the key file `{issuer.key_file}` of issuer `{issuer.issuer}`"
    try:
        with (folder / issuer.key_file).open("rb") as file:
            raw = file.read(ANSWER_BOUND)
        found = load(json_object(raw, nodes=ANSWER_NODES), algorithms)
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"{named} cannot be used as a JWK Set of at most {ANSWER_BOUND} bytes: {type(error).__name__}"
        ) from None
    if not found.keys:
        raise SettingsError(f"{named} holds no sound public key for {', '.join(issuer.algorithms)}")
    return found


def from_secret(issuer: Issuer, environ: Mapping[str, str], algorithms: frozenset[str]) -> KeySet:
    """Read an issuer's ``secret_env``.

    Args:
        issuer: who shares the secret.
        environ: the variables.
        algorithms: that it is for.

    Raises:
        SettingsError: there is no such variable, or its value is too short or a key of another kind.
    """
    value = environ.get(issuer.secret_env, "")
    if not value:
        raise SettingsError(f"set {issuer.secret_env} to the secret of issuer `{issuer.issuer}`")
    try:
        return secret(value.encode("utf-8", "surrogateescape"), algorithms)
    except ValueError as error:
        raise SettingsError(f"{issuer.secret_env} cannot be used for issuer `{issuer.issuer}`: {error}") from None
