"""Pseudonyms that a person can have in a log, and the only full form of a session's or a pseudonym's prefix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from authguard.cli.output import print_error
from authguard.cli.terminal import escape, format_time_ms
from authguard.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from authguard.audit.query.index import Index

#: hexadecimal digits of a pseudonym, and fewest of a prefix of one
PSEUDONYM_DIGITS: Final = 32
MIN_PREFIX_DIGITS: Final = 6
#: most candidates that a message lists
MAX_CANDIDATES: Final = 8
_HEX: Final = frozenset("0123456789abcdef")


class PersonNames(Struct, frozen=True, kw_only=True):
    """The names of one person in a log.

    Attributes:
        names: name as typed, and each pseudonym.
        erased: time at which the key of an earlier pseudonym was destroyed, epoch seconds UTC; 0 if none was.
    """

    names: tuple[str, ...]
    erased: float = 0.0

    @property
    def note(self) -> str:
        """What cannot be found any more, as a message; empty if nothing was erased."""
        if not self.erased:
            return ""
        return (
            f"note: the key of this name was destroyed at {format_time_ms(self.erased)}"
            " (`authguard audit erase`): earlier records of this subject can no longer be found"
        )


def find_names(name: str, issuer: str, policy: str, store: str) -> PersonNames:
    """Return the names that a subject can have in the log.

    Args:
        name: name of the issuer, or a pseudonym.
        issuer: of the name; empty for the issuers of the policy.
        policy: value of `--policy`; may be empty.
        store: value of `--store`, whose key file makes the pseudonyms; may be empty.

    Raises:
        SettingsError: there is no key, or the issuer is unknown.
    """
    if len(name) == PSEUDONYM_DIGITS and set(name) <= _HEX and not issuer:
        return PersonNames(names=(name,))
    from authguard.core.record_keys import account_key  # noqa: PLC0415 - only names need a key
    from authguard.erasable_pseudonym import ErasablePseudonyms  # noqa: PLC0415
    from authguard.pseudonym import KeyedPseudonyms  # noqa: PLC0415
    from authguard.pseudonym_factory import create_pseudonyms, load_pseudonym_key  # noqa: PLC0415
    from authguard.settings import Settings  # noqa: PLC0415

    issuers, plain = _read_policy(issuer, policy)
    by_name = KeyedPseudonyms(b"", plain=True, several=True)  # as under `audit: {subjects: plain}`
    names, erased = [name, *(by_name.subject(one, name) for one in issuers)], 0.0
    if plain:
        return PersonNames(names=tuple(dict.fromkeys(names)))
    settings = Settings.resolve("unread", store=store)
    keys = create_pseudonyms(settings, plain=False)
    for account in (account_key(one, name) for one in issuers):
        names.append(keys.account(account))
        if isinstance(keys, ErasablePseudonyms):
            known = keys.get_info(account)
            erased = max(erased, known.erased)
            if known.since:
                names.append(KeyedPseudonyms(load_pseudonym_key(settings)).account(account))
    return PersonNames(names=tuple(dict.fromkeys(names)), erased=erased)


def _read_policy(issuer: str, policy: str) -> tuple[tuple[str, ...], bool]:
    """Return the issuers of a name, and whether the policy writes plain names."""
    if issuer and not policy:
        return (issuer,), False
    if not policy:
        raise SettingsError("name the subject's issuer with --issuer, or the app's policy with --policy")
    from authguard.policy.compiler import load  # noqa: PLC0415 - needed only for a name

    loaded = load(policy)
    return (issuer,) if issuer else tuple(loaded.issuers), loaded.audit.subjects == "plain"


def resolve_subjects(index: Index, names: PersonNames, typed: str) -> tuple[str, ...]:
    """Return the names that the log has; a prefix of one pseudonym counts if no name does.

    Raises:
        LookupError: several pseudonyms begin with the typed digits; the message lists them.
    """
    if found := tuple(name for name in names.names if _has_subject(index, name)):
        return found
    if len(typed) < MIN_PREFIX_DIGITS or not set(typed) <= _HEX:
        return ()
    return complete_prefix(index, ("subject", "actor"), typed, "pseudonyms")


def _has_subject(index: Index, name: str) -> bool:
    sql = "SELECT 1 FROM record WHERE subject = ? UNION ALL SELECT 1 FROM record WHERE actor = ? LIMIT 1"
    return index.db.execute(sql, (name, name)).fetchone() is not None


def complete_prefix(index: Index, columns: Iterable[str], typed: str, what: str) -> tuple[str, ...]:
    """Return the only value that begins with the typed text; empty if there is none.

    Args:
        index: of the log.
        columns: columns of the index with such values.
        typed: prefix, or the whole value.
        what: plural noun of the values, for the message.

    Raises:
        LookupError: several values begin with it; the message lists them.
    """
    found = sorted({value for column in columns for value in _begin_with(index, column, typed)})
    if typed in found:
        return (typed,)
    if len(found) > 1:
        more = " and more" if len(found) > MAX_CANDIDATES else ""
        listed = ", ".join(map(escape, found[:MAX_CANDIDATES]))
        raise LookupError(f"several {what} begin with `{escape(typed)}`: {listed}{more}; type more of it")
    return tuple(found)


def _begin_with(index: Index, column: str, typed: str) -> Iterator[str]:
    sql = (
        f"SELECT DISTINCT {column} FROM record WHERE {column} >= ? AND {column} < ?"  # noqa: S608 - a constant column
        f" LIMIT {MAX_CANDIDATES + 1}"
    )
    return (value for (value,) in index.db.execute(sql, (typed, typed + "\U0010ffff")))


def print_note(names: PersonNames) -> None:
    """Print what cannot be found any more."""
    if names.note:
        print_error(names.note)
