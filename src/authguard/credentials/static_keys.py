"""Keys that the deployment holds itself: a JWK Set in a file, or a secret in a variable (development only)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.core.strict_json import parse_object
from authguard.credentials.jwk import KeySet, build_secret_key, load_jwks
from authguard.credentials.jwks_fetcher import MAX_RESPONSE_BYTES, MAX_RESPONSE_NODES
from authguard.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from authguard.policy.deployment import Issuer


def load_key_file(issuer: Issuer, folder: Path, algorithms: frozenset[str]) -> KeySet:
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
            raw = file.read(MAX_RESPONSE_BYTES)
        found = load_jwks(parse_object(raw, nodes=MAX_RESPONSE_NODES), algorithms)
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"{named} cannot be used as a JWK Set of at most {MAX_RESPONSE_BYTES} bytes: {type(error).__name__}"
        ) from None
    if not found.keys:
        raise SettingsError(f"{named} holds no sound public key for {', '.join(issuer.algorithms)}")
    return found


def load_secret(issuer: Issuer, environ: Mapping[str, str], algorithms: frozenset[str]) -> KeySet:
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
        return build_secret_key(value.encode("utf-8", "surrogateescape"), algorithms)
    except ValueError as error:
        raise SettingsError(f"{issuer.secret_env} cannot be used for issuer `{issuer.issuer}`: {error}") from None
