"""Reader for verified claims: finds a fact where the issuer's settings place it, and checks its type and bounds.

Rules:
- ``null`` is the same as a missing claim everywhere.
- A claim that identifies somebody or limits the token is read strictly: `ClaimError` names the claim that refuses it.
- A claim that can only add permissions or strength is read leniently: an unusable value counts as missing.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from authguard.core.claim_source import find, find_first, label_of, present
from authguard.evaluation.sharing import share, share_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: maximum length of a text that names a person, client, session or method
MAX_TEXT_CHARS: Final = 255
#: maximum length of a text with several scopes
MAX_LIST_CHARS: Final = 8_192
#: number of texts with scopes whose words are shared by all tokens with that text
MAX_SCOPE_TEXTS: Final = 64
#: latest accepted time: the year 5138
MAX_TIME_S: Final = 1e11

#: text without control characters, line breaks, bidirectional marks and lone surrogates: names of persons, clients and
#: sessions are displayed and logged
_DISPLAYABLE: Final = re.compile(
    r"[^\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]*"
)


class ClaimError(Exception):
    """A claim is missing or has an unusable value.

    Attributes:
        claim: name of the claim, or its JSON Pointer; from the policy, never from the token.
        is_missing: whether it is missing; else its value is not usable.
    """

    def __init__(self, claim: str, *, is_missing: bool = False) -> None:
        """Store the name."""
        super().__init__(claim)
        self.claim = claim
        self.is_missing = is_missing


def read_text(claims: Mapping[str, Any], sources: Iterable[str]) -> str:
    """Return the text of a claim that identifies somebody; empty if it is missing.

    Raises:
        ClaimError: the value is not a displayable text of at most `MAX_TEXT_CHARS` characters.
    """
    found = find_first(claims, sources)
    if found is None:
        return ""
    source, value = found
    if not is_name(value):
        raise ClaimError(source)
    return str(value)


def read_time(claims: Mapping[str, Any], name: str) -> float:
    """Return the time of a claim that limits the token, epoch seconds UTC; 0 if it is missing (RFC 7519 2).

    Raises:
        ClaimError: the value is not a number of that range.
    """
    value = claims.get(name)
    if value is None:
        return 0.0
    if (type(value) is int and 0 <= value <= MAX_TIME_S) or _is_time(value):
        return share_time(value)
    raise ClaimError(name)


def find_newest_time(claims: Mapping[str, Any], sources: Iterable[str]) -> float:
    """Return the newest time of the first usable source, epoch seconds UTC; 0 if there is none."""
    for source, value in present(claims, sources):
        if _is_time(value):
            return share_time(value)
        times = [one for one in value if _is_time(one)] if isinstance(value, list) and "/*" in source else ()
        if times:
            return share_time(max(times))
    return 0.0


def read_texts(value: object, most: int) -> tuple[str, ...]:
    """Return the texts of a claim, a list or a single text; other items are left out.

    Args:
        value: of the claim; a list of more than `most` items is left out as a whole.
        most: maximum number of items.
    """
    listed = value if isinstance(value, list) else [value]
    if len(listed) > most:
        return ()
    texts: tuple[str, ...] = share(tuple([one for one in listed if is_name(one)]))
    return texts


def find_words(claims: Mapping[str, Any], sources: Iterable[str], most: int) -> frozenset[str]:
    """Return the words of the first present source: a list, or a text separated by blanks (RFC 6749 3.3).

    Raises:
        ClaimError: there are more than `most`, or the text is longer than `MAX_LIST_CHARS`.
    """
    found = find_first(claims, sources)
    if found is None:
        return frozenset()
    source, value = found
    if isinstance(value, str):
        if len(value) > MAX_LIST_CHARS:
            raise ClaimError(source)
        words = _split(value)
    else:
        words = _words_of(value) if isinstance(value, list) else frozenset()
    if len(words) > most:
        raise ClaimError(source)
    return words


@lru_cache(maxsize=MAX_SCOPE_TEXTS)
def _split(text: str) -> frozenset[str]:
    """Return the words of a text separated by blanks; all tokens with that text share one set."""
    return _words_of(text.split(" "))


def _words_of(listed: list[Any]) -> frozenset[str]:
    return frozenset(one for one in listed if isinstance(one, str) and one and len(one) <= MAX_TEXT_CHARS)


def find_labels(claims: Mapping[str, Any], sources: Iterable[str]) -> frozenset[str]:
    """Return the scalars of the first present source as texts, each item of a list separately.

    All items count, since one beyond a bound could mark a machine; the length of the token bounds them.
    """
    value = find(claims, sources)
    listed = value if isinstance(value, list) else [value]
    return frozenset(label_of(one) for one in listed if isinstance(one, str | int))


def has_value(claims: Mapping[str, Any], source: str, accepted: tuple[str, ...]) -> bool:
    """Return whether a claim is present, with one of the accepted values if there are any.

    Args:
        claims: verified.
        source: name or JSON Pointer.
        accepted: values as text; one that begins with ``*`` accepts every value with the text after it at its end.
    """
    if not accepted:
        return find(claims, (source,)) is not None
    labels = find_labels(claims, (source,))
    if not labels.isdisjoint(accepted):
        return True
    suffixes = tuple(value[1:] for value in accepted if value.startswith("*"))
    return bool(suffixes) and any(label.endswith(suffixes) for label in labels)


def is_name(value: object) -> bool:
    """Return whether a value is a displayable text of 1 to `MAX_TEXT_CHARS` characters, or empty."""
    if not isinstance(value, str) or len(value) > MAX_TEXT_CHARS:
        return False
    return (value.isascii() and value.isprintable()) or _DISPLAYABLE.fullmatch(value) is not None


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MAX_TIME_S
