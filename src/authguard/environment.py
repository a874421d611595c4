"""Environment variables of authguard that have been renamed.

Rule: an old name is refused, because ignoring it would move the log or lose a key without a message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

#: old name -> current name
RENAMED: Final = {
    "AUTHGUARD_LOG": "AUTHGUARD_AUDIT_LOG",
    "AUTHGUARD_REMEMBER": "AUTHGUARD_TOKEN_CACHE_SIZE",
    "AUTHGUARD_SEALING_KEYS": "AUTHGUARD_ENCRYPTION_KEYS",
}


def refuse_renamed_variables(environ: Mapping[str, str]) -> None:
    """Check that no variable is set under its old name.

    Raises:
        SettingsError: one is; the message has the current name.
    """
    for old, new in RENAMED.items():
        if old in environ:
            raise SettingsError(f"{old} is now {new}: rename the variable")
