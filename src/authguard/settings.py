"""Settings of a deployment: arguments first, ``AUTHGUARD_*`` variables second, defaults last.

Nothing is read at import; variables are read once, when a guard is built.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from authguard.environment import refuse_renamed_variables
from authguard.errors import SettingsError
from authguard.outbound.proxy import uses_environment_proxies
from authguard.paths import absolute, require_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

#: value of `store` that keeps nothing over a restart
MEMORY: Final = "memory"
DEFAULT_STORE: Final = "var/authguard.db"
DEFAULT_LOG: Final = "var/audit.jsonl"
DEFAULT_PREFIX: Final = "/.authguard"
DEFAULT_TOKEN_CACHE_SIZE: Final = 65_536
MAX_TOKEN_CACHE_SIZE: Final = 10_000_000
#: bytes of the pseudonym key (as long as SHA-256's output, RFC 2104 3)
KEY_BYTES: Final = 32
#: maximum number of encryption keys, the rotated ones included
MAX_ENCRYPTION_KEYS: Final = 16
#: maximum number of anchors of a log
MAX_ANCHORS: Final = 8


def deployment_file_prefix(store: str, log: str) -> str:
    """Return the prefix of the deployment's own files: the store's path, or the log's if the store is in memory."""
    return log if store == MEMORY else store


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of a deployment; build them with `resolve`.

    Attributes:
        policy: name of a shipped policy, or path of a file.
        store: path of the SQLite file, or ``memory``. Variable: ``AUTHGUARD_STORE``.
        audit_log: path of the audit log. Variable: ``AUTHGUARD_AUDIT_LOG``.
        pseudonym_key: key of the subjects' pseudonyms in the log, at least 32 bytes; if empty, a file next to the store
            holds it. Variable: ``AUTHGUARD_PSEUDONYM_KEY``, in hex.
        signing_key: the key that signs the log's checkpoints, or the path of its file; if empty, a file next to the
            store holds it. Variable: ``AUTHGUARD_SIGNING_KEY``.
        prefix: path prefix of the guard's own endpoints.
        allowed_modules: modules with the functions that a policy's ``call:`` may name.
        token_cache_size: verified tokens that one process caches, so that it does not verify them again; about 6 KB of
            memory each. Variable: ``AUTHGUARD_TOKEN_CACHE_SIZE``.
        public_url: external base URL of the app; empty for the policy's. Variable: ``AUTHGUARD_PUBLIC_URL``.
        encryption_keys: keys for the held requests and first responses in the store, 32 bytes each: the first encrypts,
            all decrypt; if there are none, one is derived from the pseudonym key. Variable:
            ``AUTHGUARD_ENCRYPTION_KEYS``, in hex, separated by commas.
        anchors: places that keep the log's checkpoints: paths, addresses, functions that take a signed note. Variable:
            ``AUTHGUARD_ANCHORS``, separated by blanks.
        anchor_token: bearer token for the addresses among them. Variable: ``AUTHGUARD_ANCHOR_TOKEN``.
        expose_token: whether `AccessToken.token` of the MCP SDK holds the caller's credential; otherwise it is empty.
    """

    policy: str
    store: str = DEFAULT_STORE
    audit_log: str = DEFAULT_LOG
    pseudonym_key: bytes = b""
    signing_key: str = field(default="", repr=False)
    prefix: str = DEFAULT_PREFIX
    allowed_modules: tuple[str, ...] = ()
    token_cache_size: int = DEFAULT_TOKEN_CACHE_SIZE
    public_url: str = ""
    encryption_keys: tuple[bytes, ...] = ()
    anchors: tuple[str | Path | Callable[[str], object], ...] = ()
    anchor_token: str = field(default="", repr=False)
    expose_token: bool = False

    @classmethod
    def resolve(
        cls,
        policy: str | Path | None = None,
        *,
        store: str | Path | None = None,
        audit_log: str | Path | None = None,
        pseudonym_key: bytes | None = None,
        signing_key: str | Path | None = None,
        prefix: str = DEFAULT_PREFIX,
        allowed_modules: tuple[str, ...] = (),
        token_cache_size: int | None = None,
        public_url: str = "",
        anchors: Sequence[str | Path | Callable[[str], object]] | None = None,
        expose_token: bool = False,
        environ: Mapping[str, str] | None = None,
    ) -> Settings:
        """Resolve each setting: the argument, else its variable, else the default; paths become absolute here.

        Args:
            policy: or ``AUTHGUARD_POLICY``.
            store: or ``AUTHGUARD_STORE``.
            audit_log: or ``AUTHGUARD_AUDIT_LOG``.
            pseudonym_key: or ``AUTHGUARD_PSEUDONYM_KEY`` (hex).
            signing_key: or ``AUTHGUARD_SIGNING_KEY``.
            prefix: of the guard's own endpoints.
            allowed_modules: modules that a policy's ``call:`` may name.
            token_cache_size: or ``AUTHGUARD_TOKEN_CACHE_SIZE``.
            public_url: or ``AUTHGUARD_PUBLIC_URL``.
            anchors: or ``AUTHGUARD_ANCHORS``.
            expose_token: to the MCP SDK.
            environ: variables to read instead of those of the process.

        Raises:
            SettingsError: there is no policy, a variable has an old name, a key is too short, a value is not a number,
                the prefix is not a path, the public URL is not a URL, a path is a URL, ``AUTHGUARD_PROXIES`` is
                unknown, or a path is relative to a folder that no longer exists.
        """
        variables = os.environ if environ is None else environ
        refuse_renamed_variables(variables)
        uses_environment_proxies(variables)
        chosen = str(policy) if policy else variables.get("AUTHGUARD_POLICY", "")
        if not chosen:
            raise SettingsError("there is no policy: set AUTHGUARD_POLICY (`policy=`, `--policy`) to a name or a path")
        if not prefix.startswith("/") or prefix.endswith("/") or "{" in prefix:
            raise SettingsError("`prefix` has to be a path such as `/.authguard`, without a trailing slash")
        return cls(
            policy=chosen,
            store=_resolve_store(str(store) if store else variables.get("AUTHGUARD_STORE") or DEFAULT_STORE),
            audit_log=str(absolute(require_log(audit_log or variables.get("AUTHGUARD_AUDIT_LOG") or DEFAULT_LOG))),
            pseudonym_key=_parse_pseudonym_key(pseudonym_key, variables.get("AUTHGUARD_PSEUDONYM_KEY", "")),
            signing_key=_require_signing_key(str(signing_key or variables.get("AUTHGUARD_SIGNING_KEY", ""))),
            prefix=prefix,
            allowed_modules=allowed_modules,
            token_cache_size=_parse_cache_size(token_cache_size, variables.get("AUTHGUARD_TOKEN_CACHE_SIZE", "")),
            public_url=_validate_public_url(public_url or variables.get("AUTHGUARD_PUBLIC_URL", "")),
            encryption_keys=_parse_encryption_keys(variables.get("AUTHGUARD_ENCRYPTION_KEYS", "")),
            anchors=_validate_anchors(variables.get("AUTHGUARD_ANCHORS", "").split() if anchors is None else anchors),
            anchor_token=variables.get("AUTHGUARD_ANCHOR_TOKEN", ""),
            expose_token=expose_token,
        )


def require_store(value: str) -> str:
    """Return the value of `store`, if it is ``memory`` or a path.

    Raises:
        SettingsError: it is a URL, or another spelling of ``memory``.
    """
    if value.strip(":").casefold() == MEMORY and value != MEMORY:
        raise SettingsError(f"`{value}` is no store: write `{MEMORY}`, or `./{value}` for a file of this name")
    require_path(
        value, f"a store (AUTHGUARD_STORE, `--store`, `store=`) is `{MEMORY}` or a file, such as {DEFAULT_STORE}"
    )
    return value


def require_log(value: str | Path) -> str | Path:
    """Return the value of `audit_log`, if it is a path.

    Raises:
        SettingsError: it is a URL.
    """
    require_path(value, f"a log (AUTHGUARD_AUDIT_LOG, `--log`, `audit_log=`) is a file, such as {DEFAULT_LOG}")
    return value


def _require_signing_key(value: str) -> str:
    """Return the value of `signing_key`, if it is a key or a path."""
    require_path(value, "a signing key (AUTHGUARD_SIGNING_KEY, `signing_key=`) is a file, or the key itself")
    return value


def _resolve_store(value: str) -> str:
    return value if value == MEMORY else str(absolute(require_store(value)))


def _validate_anchors(
    value: Sequence[str | Path | Callable[[str], object]],
) -> tuple[str | Path | Callable[[str], object], ...]:
    if isinstance(value, str) or len(value) > MAX_ANCHORS or not all(value):
        raise SettingsError(
            f"`anchors` (AUTHGUARD_ANCHORS) has to be a list of up to {MAX_ANCHORS} paths, addresses and functions"
        )
    for one in value:
        if not callable(one) and not str(one).lower().startswith(("https://", "http://")):
            require_path(one, "an anchor (AUTHGUARD_ANCHORS, `anchors=`) is a file, or an https address")
    return tuple(value)


def _parse_encryption_keys(variable: str) -> tuple[bytes, ...]:
    """Parse the encryption keys, the newest first."""
    message = "AUTHGUARD_ENCRYPTION_KEYS has to be one or more keys of 64 hexadecimal digits, separated by commas"
    try:
        keys = tuple(bytes.fromhex(key.strip()) for key in variable.split(",")) if variable.strip() else ()
    except ValueError:
        raise SettingsError(message) from None
    if any(len(key) != KEY_BYTES for key in keys) or len(keys) > MAX_ENCRYPTION_KEYS:
        raise SettingsError(message)
    return keys


def _validate_public_url(value: str) -> str:
    """Parse the public URL; it names the deployment, so it has no user, query or fragment."""
    if not value:
        return ""
    try:
        parts = urlsplit(value)
        known = parts.scheme in {"https", "http"} and parts.hostname and value.isascii() and value.isprintable()
        plain = parts.username is None and not parts.query and not parts.fragment and " " not in value
        _ = parts.port
    except ValueError:
        known, plain = False, False
    if not known or not plain:
        raise SettingsError("`public_url` (AUTHGUARD_PUBLIC_URL) has to be an address such as https://support.example")
    return value


def _parse_cache_size(value: int | None, variable: str) -> int:
    if value is None and variable and not (variable.isascii() and variable.isdigit()):
        raise SettingsError("AUTHGUARD_TOKEN_CACHE_SIZE has to be a number of credentials, such as 65536")
    count = value if value is not None else int(variable[:9] or DEFAULT_TOKEN_CACHE_SIZE)
    if not 0 <= count <= MAX_TOKEN_CACHE_SIZE:
        raise SettingsError(
            f"`token_cache_size` (AUTHGUARD_TOKEN_CACHE_SIZE) has to be a number from 0 to {MAX_TOKEN_CACHE_SIZE}"
        )
    return count


def _parse_pseudonym_key(value: bytes | None, variable: str) -> bytes:
    key = value or b""
    if not key and variable:
        try:
            key = bytes.fromhex(variable)
        except ValueError:
            raise SettingsError("AUTHGUARD_PSEUDONYM_KEY has to be hexadecimal: 64 digits or more") from None
    if key and len(key) < KEY_BYTES:
        raise SettingsError(f"the pseudonym key has to be at least {KEY_BYTES} bytes long")
    return key
