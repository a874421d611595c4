"""The keys of a deployment: created and loaded when the guard opens, never when it is built.

Rules: building the guard reads key files and writes nothing, so that `authguard policy check --app` runs where nothing
may be written. Processes that open at the same time get the same keys.
"""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from msgspec import Struct

from authguard import erasable_pseudonym
from authguard.deployment_files import require_usable_files
from authguard.encryption import PayloadCipher
from authguard.erasable_pseudonym import ErasablePseudonyms
from authguard.errors import SettingsError
from authguard.pseudonym import KeyedPseudonyms, key_file_path, load_or_create_key
from authguard.pseudonym_factory import create_pseudonyms, load_pseudonym_key
from authguard.settings import MEMORY, deployment_file_prefix

if TYPE_CHECKING:
    from collections.abc import Callable

    from authguard.ports import Clock, DecryptionFailure
    from authguard.settings import Settings
    from authguard.signing_key import SigningKey


class SigningKeys:
    """The keys that sign a log, loaded or created at the first use.

    Args:
        settings: of the deployment.
    """

    __slots__ = ("_base", "_given", "_keys")

    def __init__(self, settings: Settings) -> None:
        self._given = settings.signing_key
        self._base = deployment_file_prefix(settings.store, settings.audit_log)
        self._keys: tuple[SigningKey, ...] = ()

    def validate(self) -> None:
        """Validate the keys that exist; create nothing.

        Raises:
            SettingsError: the named key, or the existing file, holds no key.
        """
        from authguard import signing_key  # noqa: PLC0415 - a command that decrypts signs nothing

        file = signing_key.key_file_path(self._base)
        if self._given:
            signing_key.load_keys(self._given, self._base)
        elif os.access(file, os.R_OK):
            signing_key.load_key_file(file)

    def load(self) -> tuple[SigningKey, ...]:
        """Return the keys, the signing one last.

        Raises:
            SettingsError: the keys cannot be read or created.
        """
        if not self._keys:
            from authguard import signing_key  # noqa: PLC0415 - a command that decrypts signs nothing

            self._keys = signing_key.load_keys(self._given, self._base)
        return self._keys


class _LoadedKeys(Struct, frozen=True):
    """What the secret and the file of pseudonym keys give."""

    secret: bytes
    keyed: KeyedPseudonyms
    pseudonyms: ErasablePseudonyms | KeyedPseudonyms
    cipher: PayloadCipher


class DeploymentKeys:
    """The keys of a guard.

    Implements `authguard.runtime.pseudonymizer.Pseudonymizer` and `authguard.ports.Cipher`. A use before `open` loads
    the keys, and raises `SettingsError` if that fails.

    Args:
        settings: of the deployment.
        plain: whether the policy wants plain names of subjects.
        several: whether the policy trusts several issuers.
        clock: time of the creation of a key file.

    Attributes:
        signing: the keys that sign the log.
    """

    __slots__ = ("_clock", "_loaded", "_lock", "_plain", "_settings", "_several", "signing")

    def __init__(self, settings: Settings, *, plain: bool, several: bool, clock: Clock) -> None:
        self._settings = settings
        self._plain = plain
        self._several = several
        self._clock = clock
        self._lock = Lock()
        self._loaded: _LoadedKeys | None = None
        self.signing = SigningKeys(settings)

    def validate(self) -> None:
        """Check what can be checked without writing: the kinds of the files, and the keys that exist.

        Raises:
            SettingsError: a path is of the wrong kind, or an existing file holds no key.
        """
        require_usable_files(self._settings, plain=self._plain, is_opening=False)
        self.signing.validate()
        if self._settings.pseudonym_key or self._settings.store == MEMORY:
            return
        store = Path(self._settings.store)
        if os.access(key_file_path(store), os.R_OK):
            load_or_create_key(store)
        names = erasable_pseudonym.key_file_path(store)
        if not self._plain and os.access(names, os.R_OK):
            ErasablePseudonyms(names)

    def require_usable_files(self) -> None:
        """Check that this process can read and write every file of the deployment.

        Raises:
            SettingsError: a file cannot be used; the message names every one.
        """
        require_usable_files(self._settings, plain=self._plain, is_opening=True)

    def open(self) -> None:
        """Create the missing key files, and load all keys; may block.

        Raises:
            SettingsError: a key cannot be created or loaded; the message names every file that cannot be used.
        """
        try:
            self._load()
            self.signing.load()
        except SettingsError:
            self.require_usable_files()
            raise

    def derive(self, purpose: str) -> Callable[[], bytes]:
        """Return a function that returns the key for a purpose, derived from the secret of the deployment."""
        return lambda: sha256(f"authguard {purpose}\n".encode() + self._load().secret).digest()

    @property
    def check(self) -> str:
        """Return a value that is equal for equal pseudonym keys and reveals nothing about them."""
        return self._load().pseudonyms.check

    def subject(self, issuer: str, subject: str, account: bytes = b"") -> str:
        """Return the pseudonym of a subject of an issuer.

        Args:
            issuer: ``iss``.
            subject: ``sub``.
            account: from `authguard.core.record_keys.account_key`, if it is known already.
        """
        pseudonyms = (self._loaded or self._load()).pseudonyms
        return (pseudonyms.account(account) if account else "") or pseudonyms.subject(issuer, subject)

    def account(self, account: bytes) -> str:
        """Return the pseudonym of an account's subject; empty if the log has real names."""
        return self._load().pseudonyms.account(account)

    def peer(self, address: str) -> str:
        """Return the keyed hash of a client's address."""
        return self._load().keyed.peer(address)

    def fingerprint(self, credential: bytes) -> str:
        """Return the keyed fingerprint of a credential."""
        return (self._loaded or self._load()).keyed.fingerprint(credential)

    def encrypt(self, content: bytes, about: bytes) -> bytes:
        """Return the content encrypted, and bound to its context."""
        return (self._loaded or self._load()).cipher.encrypt(content, about)

    def keyed_digest(self, content: bytes) -> str:
        """Return a keyed digest of content, hex."""
        return self._load().cipher.keyed_digest(content)

    def decrypt(self, ciphertext: bytes, about: bytes) -> bytes | DecryptionFailure:
        """Return the content, or a failure."""
        return self._load().cipher.decrypt(ciphertext, about)

    def _load(self) -> _LoadedKeys:
        if (loaded := self._loaded) is not None:
            return loaded
        with self._lock:
            if self._loaded is None:  # another thread may have loaded them meanwhile
                secret = load_pseudonym_key(self._settings, create=True)
                self._loaded = _LoadedKeys(
                    secret,
                    KeyedPseudonyms(secret),
                    create_pseudonyms(self._settings, plain=self._plain, several=self._several, clock=self._clock),
                    create_cipher(self._settings, secret),
                )
            return self._loaded


def create_cipher(settings: Settings, secret: bytes) -> PayloadCipher:
    """Create the cipher for stored requests and first responses.

    The key derived from the secret stays last, so that content from before the configuration of encryption keys can be
    decrypted.

    Args:
        settings: of the deployment.
        secret: the pseudonym key.
    """
    return PayloadCipher((*settings.encryption_keys, sha256(b"authguard sealing\n" + secret).digest()))


def create_decryption_cipher(settings: Settings) -> PayloadCipher:
    """Create the cipher with which an operator's command decrypts stored content; it creates no key file.

    Raises:
        SettingsError: the key file cannot be read.
    """
    key_file = key_file_path(Path(settings.store))
    has_key_file = not settings.pseudonym_key and settings.store != MEMORY and key_file.exists()
    secret = load_or_create_key(Path(settings.store)) if has_key_file else settings.pseudonym_key or os.urandom(32)
    return create_cipher(settings, secret)
