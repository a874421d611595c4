"""How subjects are named in the log, and how an operator's command knows that it names them as the app does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from authguard.errors import SettingsError

if TYPE_CHECKING:
    from authguard.ports import Store

#: where the store keeps which names the app writes
NAMESPACE: Final = "names"
CHECK_KEY: Final = "check"


class Pseudonymizer(Protocol):
    """Names subjects for the log, each always alike.

    Attributes:
        check: equal for equal keys; tells nothing of them.
    """

    @property
    def check(self) -> str: ...  # noqa: D102 - told above

    def subject(self, issuer: str, subject: str) -> str:
        """Name a subject of an issuer."""
        ...

    def account(self, account: bytes) -> str:
        """Name the subject of an account; empty where subjects are called by their names, which no key tells."""
        ...


class NullPseudonymizer:
    """Names nobody."""

    check: Final = ""

    @staticmethod
    def subject(_issuer: str, _subject: str) -> str:
        """Return nothing."""
        return ""

    @staticmethod
    def account(_account: bytes) -> str:
        """Return nothing."""
        return ""


async def store_pseudonym_check(store: Store, check: str) -> None:
    """Keep in the store which names the app writes, so that no command writes others.

    Args:
        store: opened.
        check: of the names; empty where nobody is named.
    """
    if check and await store.get(NAMESPACE, CHECK_KEY) != check.encode():
        await store.put(NAMESPACE, CHECK_KEY, check.encode())


async def require_same_pseudonyms(store: Store, check: str) -> None:
    """Demand that these are the names that the app writes.

    Raises:
        SettingsError: the app writes others.
        StoreError: the store cannot be read.
    """
    kept = await store.get(NAMESPACE, CHECK_KEY)
    if kept and kept != check.encode():
        raise SettingsError(
            "the app names subjects by other keys than this command would: set AUTHGUARD_PSEUDONYM_KEY as the app has"
            " it, or restore the `.names` file beside the store, or restart the app if its policy changed `subjects`"
        )
