"""Open the store and log of a deployment for an operator's command.

A command never creates a store: the running app would not use it. Read access to the store is the authority to look,
and write access the authority to decide; without it, the command ends with an `AuthorityError` (exit code 5). A command
that looks changes no file.
"""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import typer

from authguard.cli.options import require_policy
from authguard.cli.output import print_error
from authguard.cli.terminal import escape
from authguard.core.person_name import distinct_names, normalize_name
from authguard.errors import AuthorityError, SettingsError
from authguard.file_access import Access, find_obstacle
from authguard.ports import DecryptionFailure
from authguard.runtime.journal import sanitize_text
from authguard.settings import MEMORY, Settings
from authguard.state_factory import build_state_repository, create_staff_actions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from authguard.core.policy import Policy
    from authguard.ports import Cipher, Store
    from authguard.runtime.pseudonymizer import Pseudonymizer
    from authguard.runtime.staff_actions import StaffActions
    from authguard.runtime.state_repository import StateRepository


#: most characters of a person's name
MAX_NAME_CHARS: Final = 100


@asynccontextmanager
async def open_deployment(
    policy: str, store: str, log: Path | None, *, records: bool, loaded: Policy | None = None
) -> AsyncIterator[tuple[StateRepository, Store]]:
    """Open the store, and for a change the log, of the deployment; close them at the end.

    For a command that only reads, the store is opened so that no file changes.

    Args:
        policy: value of `--policy`; may be empty.
        store: value of `--store`; may be empty.
        log: value of `--log`; `None` for the default.
        records: whether the command changes state, so that the log must be open.
        loaded: the policy, if it was loaded before.

    Raises:
        SettingsError: the store does not exist, or is in the memory of another process.
        AuthorityError: the caller has no access to the store: write access for a change, else read access.
        AuthguardError: the policy, the store or the log cannot be used.
    """
    settings = resolve_settings(policy, store, log)
    require_access(settings.store, writes=records)
    repository, opened, journal = build_state_repository(settings, read_only=not records, policy=loaded)
    await opened.open()
    try:
        if records:
            journal.open()
        yield repository, opened
    finally:
        journal.close()
        await opened.close()


@asynccontextmanager
async def open_staff_actions(
    policy: str, store: str, log: Path | None, *, records: bool
) -> AsyncIterator[tuple[StaffActions, StateRepository]]:
    """Open a deployment as `open_deployment`, with its staff actions."""
    async with open_deployment(policy, store, log, records=records) as (repository, _):
        yield await create_staff_actions(repository, resolve_settings(policy, store, log)), repository


def resolve_settings(policy: str, store: str, log: Path | None) -> Settings:
    """Return the settings of a deployment, from options or else from variables.

    Raises:
        SettingsError: a setting cannot be used, or no policy is given.
    """
    return Settings.resolve(
        require_policy(policy or os.environ.get("AUTHGUARD_POLICY", "")), store=store, audit_log=log
    )


class UnreadableContent:
    """Implements `authguard.ports.Cipher` for a reader without the keys: nothing can be decrypted."""

    def encrypt(self, *_: bytes) -> NoReturn:
        """Refuse to encrypt.

        Raises:
            AuthorityError: always.
        """
        raise AuthorityError("the keys of the store's content cannot be read")

    keyed_digest = encrypt

    def decrypt(self, ciphertext: bytes, about: bytes) -> DecryptionFailure:
        """Return the failure to decrypt."""
        del ciphertext, about
        return DecryptionFailure("key")


class StoredContent:
    """The keys of a deployment, loaded only if something needs them: of stored requests, and of pseudonyms."""

    def __init__(self, settings: Settings, policy: Policy) -> None:
        """Store the settings and the policy."""
        self._settings = settings
        self._policy = policy
        self._cipher: Cipher | None = None
        self._naming: Pseudonymizer | None = None

    def cipher(self) -> Cipher:
        """Return the cipher that decrypts stored requests; if its keys cannot be read, print a note, once."""
        if self._cipher is None:
            from authguard.deployment_keys import create_decryption_cipher  # noqa: PLC0415 - imports cryptography

            try:
                self._cipher = create_decryption_cipher(self._settings)
            except SettingsError as error:
                print_error(f"note: stored requests are not shown: {escape(str(error))}")
                self._cipher = UnreadableContent()
        return self._cipher

    def naming(self) -> Pseudonymizer:
        """Return the pseudonyms of the app.

        Raises:
            SettingsError: the pseudonym keys cannot be read.
        """
        if self._naming is None:
            plain, several = self._policy.audit.subjects == "plain", len(self._policy.issuers) > 1
            from authguard.pseudonym_factory import create_pseudonyms  # noqa: PLC0415 - imports cryptography

            self._naming = create_pseudonyms(self._settings, plain=plain, several=several)
        return self._naming

    def name_account(self, account: bytes) -> str:
        """Return the pseudonym of an account; empty if the deployment has none, or its keys cannot be read."""
        try:
            return self.naming().account(account)
        except SettingsError:
            return ""


def require_access(store: str, *, writes: bool) -> None:
    """Check that the store exists, and that the caller may read it, and write it for a change.

    Raises:
        SettingsError: the store does not exist, or is in the memory of another process.
        AuthorityError: the caller has no such access.
    """
    if store == MEMORY:
        raise SettingsError("a store in memory belongs to one process: name the app's SQLite file with --store")
    path = Path(store)
    try:
        path.stat()
    except PermissionError:
        raise _unauthorised(store, writes=writes) from None
    except OSError:
        raise SettingsError(
            f"there is no store at `{escape(store)}`: name the app's with --store or AUTHGUARD_STORE, or start the app"
        ) from None
    # SQLite writes its journal next to the file
    may_write = os.access(path, os.R_OK | os.W_OK) and os.access(path.parent, os.W_OK)
    if not (may_write if writes else os.access(path, os.R_OK)):
        raise _unauthorised(store, writes=writes)


def _unauthorised(store: str, *, writes: bool) -> AuthorityError:
    why = find_obstacle(Path(store), Access.DATABASE if writes else Access.READ)
    return AuthorityError(
        f"no {'write' if writes else 'read'} access to the store `{store}`{f' ({why})' if why else ''}: run the command"
        " as a user who has it, or name the app's store with --store or AUTHGUARD_STORE"
        f"{'; the commands that list and show need read access only' if writes else ''}"
    )


def parse_names(names: list[str]) -> tuple[str, ...]:
    """Return the names of the acting persons, printable, each person once.

    Names that differ only in case, width, blanks or punctuation are one person.

    Raises:
        typer.BadParameter: a name is empty or too long.
    """
    given = distinct_names(" ".join(sanitize_text(name).split()) for name in names)
    if any(not normalize_name(name) or len(name) > MAX_NAME_CHARS for name in given):
        raise typer.BadParameter(
            f"a name has 1 to {MAX_NAME_CHARS} characters, and a letter or a digit", param_hint="--by"
        )
    return given
