"""Keys from the configuration: a JWK Set in a file, or a secret in the environment (development only)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.credentials.issuer_document import MAX_RESPONSE_BYTES, MAX_RESPONSE_NODES
from authguard.credentials.jwk import KeySet, build_secret_key
from authguard.credentials.jwk_set import load_jwks
from authguard.errors import SettingsError
from authguard.formats.strict_json import parse_object

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from authguard.core.deployment import Issuer

#: maximum number of ignored keys in one message
MAX_LISTED_KEYS: Final = 5


def load_key_file(issuer: Issuer, folder: Path, algorithms: frozenset[str]) -> KeySet:
    """Load the ``key_file`` of an issuer.

    Args:
        issuer: of the policy.
        folder: folder against which the path is resolved.
        algorithms: that the keys may be used with.

    Raises:
        SettingsError: the file cannot be read, is not a JWK Set, exceeds the limit of a fetched one, or contains no
            usable key.
    """
    named = f"the key file `{issuer.key_file}` of issuer `{issuer.issuer}`"
    try:
        with (folder / issuer.key_file).open("rb") as file:
            raw = file.read(MAX_RESPONSE_BYTES)
        found = load_jwks(parse_object(raw, nodes=MAX_RESPONSE_NODES), algorithms, {issuer.issuer})
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"{named} cannot be used as a JWK Set of at most {MAX_RESPONSE_BYTES} bytes: {type(error).__name__}"
        ) from None
    if not found.keys:
        causes = f": {'; '.join(map(str, found.ignored[:MAX_LISTED_KEYS]))}" if found.ignored else ""
        raise SettingsError(f"{named} contains no strong public key for {', '.join(issuer.algorithms)}{causes}")
    return found


def load_secret(issuer: Issuer, environ: Mapping[str, str], algorithms: frozenset[str]) -> KeySet:
    """Load the secret in the ``secret_env`` of an issuer.

    Args:
        issuer: of the policy.
        environ: the environment.
        algorithms: that the secret may be used with.

    Raises:
        SettingsError: the variable is not set, or its value is too short or a key of another kind.
    """
    value = environ.get(issuer.secret_env, "")
    if not value:
        raise SettingsError(f"set {issuer.secret_env} to the secret of issuer `{issuer.issuer}`")
    try:
        return build_secret_key(value.encode("utf-8", "surrogateescape"), algorithms)
    except ValueError as error:
        raise SettingsError(f"{issuer.secret_env} cannot be used for issuer `{issuer.issuer}`: {error}") from None
