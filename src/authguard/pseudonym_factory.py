"""What subjects are called in the log: chosen in one place for the app, for commands and for whoever asks the log."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from authguard import erasable_pseudonym
from authguard.audit.chain_file import chain_paths
from authguard.erasable_pseudonym import ErasablePseudonyms
from authguard.errors import SettingsError
from authguard.pseudonym import KeyedPseudonyms, load_or_create_key
from authguard.settings import KEY_BYTES, MEMORY

if TYPE_CHECKING:
    from authguard.ports import Clock
    from authguard.settings import Settings


def create_pseudonyms(
    settings: Settings, *, plain: bool, several: bool = False, clock: Clock | None = None
) -> ErasablePseudonyms | KeyedPseudonyms:
    """Choose what subjects are called: by a key for each, where the file of the keys can be kept beside the store.

    Args:
        settings: of the deployment.
        plain: whether the policy wants subjects by their names.
        several: whether the policy trusts several issuers.
        clock: for the file, which is made where there is none; without it nothing is made.

    Raises:
        SettingsError: the keys cannot be read or made.
    """
    if plain:
        return KeyedPseudonyms(b"", plain=True, several=several)
    if settings.pseudonym_key:
        return KeyedPseudonyms(settings.pseudonym_key)
    if settings.store == MEMORY:
        return KeyedPseudonyms(os.urandom(KEY_BYTES))
    path = erasable_pseudonym.key_file_path(Path(settings.store))
    if clock is not None:
        log = Path(settings.audit_log)
        erasable_pseudonym.create_key_file(
            path, clock.now(), before=any(chain.stat().st_size for chain in chain_paths(log) if chain.exists())
        )
    elif not path.exists():
        return KeyedPseudonyms(load_pseudonym_key(settings))
    return ErasablePseudonyms(path)


def load_pseudonym_key(settings: Settings, *, create: bool = False) -> bytes:
    """Read the key of the whole deployment.

    Args:
        settings: of the deployment.
        create: whether to create the key file if there is none.

    Raises:
        SettingsError: it cannot be read or made.
    """
    if settings.pseudonym_key:
        return settings.pseudonym_key
    if settings.store == MEMORY:
        return os.urandom(KEY_BYTES)
    path = Path(settings.store)
    if not create and not path.with_name(path.name + ".key").exists():
        raise SettingsError(
            f"the pseudonym key beside the store `{path}` cannot be read, there is none: name the app's"
            " store with --store, set AUTHGUARD_PSEUDONYM_KEY as the app has it, or start the app, which makes one"
        )
    return load_or_create_key(path)
