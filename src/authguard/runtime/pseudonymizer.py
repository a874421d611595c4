"""Pseudonyms of subjects in the log, and the check that a command uses the same pseudonym keys as the app."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from authguard.errors import SettingsError

if TYPE_CHECKING:
    from authguard.ports import Store

#: store location of the check value of the app's pseudonym keys
NAMESPACE: Final = "names"
CHECK_KEY: Final = "check"


class Pseudonymizer(Protocol):
    """Maps subjects to stable pseudonyms for the log.

    Attributes:
        check: equal for equal keys; reveals nothing about them.
    """

    @property
    def check(self) -> str: ...  # noqa: D102 - documented above

    def subject(self, issuer: str, subject: str) -> str:
        """Return the pseudonym of a subject of an issuer."""
        ...

    def account(self, account: bytes) -> str:
        """Return the pseudonym of an account's subject; empty if the log has real names."""
        ...


class NullPseudonymizer:
    """Returns no pseudonyms."""

    check: Final = ""

    @staticmethod
    def subject(_issuer: str, _subject: str) -> str:
        """Return an empty text."""
        return ""

    @staticmethod
    def account(_account: bytes) -> str:
        """Return an empty text."""
        return ""


async def store_pseudonym_check(store: Store, check: str) -> None:
    """Store the check value of the app's pseudonym keys, so that no command writes other pseudonyms.

    Args:
        store: opened.
        check: of the keys; empty if there are no pseudonyms.
    """
    if check and await store.get(NAMESPACE, CHECK_KEY) != check.encode():
        await store.put(NAMESPACE, CHECK_KEY, check.encode())


async def require_same_pseudonyms(store: Store, check: str) -> None:
    """Require that these are the pseudonym keys of the app.

    Raises:
        SettingsError: the app uses other keys.
        StoreError: the store cannot be read.
    """
    stored = await store.get(NAMESPACE, CHECK_KEY)
    if stored and stored != check.encode():
        raise SettingsError(
            "the app uses other pseudonym keys than this command: set AUTHGUARD_PSEUDONYM_KEY to the app's value,"
            " or restore the `.names` file of the store, or restart the app if its policy changed `subjects`"
        )
