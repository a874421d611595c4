"""Choice of the pseudonyms of the log: the same for the app, for operator commands and for queries."""

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
    """Return the pseudonyms of a deployment: erasable ones if their key file can be kept next to the store.

    Args:
        settings: of the deployment.
        plain: whether the policy wants plain names of subjects.
        several: whether the policy trusts several issuers.
        clock: time of the creation of the key file; without a clock, a missing file is not created.

    Raises:
        SettingsError: the keys cannot be read or created.
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
    """Return the pseudonym key of the whole deployment.

    Args:
        settings: of the deployment.
        create: whether to create the key file if there is none.

    Raises:
        SettingsError: the key cannot be read or created.
    """
    if settings.pseudonym_key:
        return settings.pseudonym_key
    if settings.store == MEMORY:
        return os.urandom(KEY_BYTES)
    path = Path(settings.store)
    if not create and not path.with_name(path.name + ".key").exists():
        raise SettingsError(
            f"there is no pseudonym key next to the store `{path}`: name the app's"
            " store with --store, set AUTHGUARD_PSEUDONYM_KEY as the app has it, or start the app, which creates one"
        )
    return load_or_create_key(path)
