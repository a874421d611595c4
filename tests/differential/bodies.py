"""Bodies that two parsers may read differently: what one takes for a little, another takes for much."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from random import Random

LITTLE: Final = b'{"amount": 5, "currency": "EUR"}'
MUCH: Final = b'{"amount": 900, "currency": "EUR"}'
#: JSON with a little, and a form with much
BOTH: Final = b'{"amount": 5, "currency": "EUR", "x": "&amount=900&currency=EUR&y="}'
#: a form with much, and JSON with a little
PAIRS: Final = b"amount=900&currency=EUR"
#: JSON with a little, and a multipart form with much
PARTS: Final = (
    b'{"amount": 5, "currency": "EUR", "x": "\n--b\r\nContent-Disposition: form-data; name=\\"amount\\"\r\n\r\n900\r\n'
    b'--b\r\nContent-Disposition: form-data; name=amount\r\n\r\n900\r\n--b--\r\n"}'
)
MULTIPART: Final = b"".join(
    b'--b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % part
    for part in ((b"amount", b"5"), (b"currency", b"EUR"), (b"amount", b"900"))
)
#: ASCII that is much once UTF-7 is decoded, and a little before
SEVEN: Final = (
    b'{"amount": 5, "currency": "EUR", "+ACIAOgAwACwAIgBhAG0AbwB1AG4AdAAi-: 900, "x": "", "+AGEAbQBvAHUAbgB0-": 900}'
)
DIGITS: Final = b'{"amount": %b, "currency": "EUR"}'

JSON: Final = b"application/json"
FORM: Final = b"application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Sent:
    """A body and what the request says of it.

    Attributes:
        words: what is odd.
        body: bytes.
        types: values of `Content-Type`, one header each.
        more: further headers.
    """

    words: str
    body: bytes
    types: tuple[bytes, ...] = (JSON,)
    more: tuple[tuple[bytes, bytes], ...] = ()


CONTENTS: Final = {
    "a little": LITTLE,
    "much": MUCH,
    "a little as JSON, much as a form": BOTH,
    "a little as JSON, much as a multipart form": PARTS,
    "a little as UTF-8, much as UTF-7": SEVEN,
    "a form with much": PAIRS,
    "a form with a little and much": b"amount=5&currency=EUR&amount=900",
    "a multipart form": MULTIPART + b"--b--\r\n",
    "a multipart form that does not end": MULTIPART,
    "an amount twice": b'{"amount": 900, "amount": 5, "currency": "EUR"}',
    "an amount twice, much last": b'{"amount": 5, "amount": 900, "currency": "EUR"}',
    "an amount twice, once escaped": b'{"amount": 5, "\\u0061mount": 900, "currency": "EUR"}',
    "an amount as text": b'{"amount": "900", "currency": "EUR"}',
    "an amount as text in full width": '{"amount": "\uff19\uff10\uff10", "currency": "EUR"}'.encode(),
    "an amount in a list": b'{"amount": [900], "currency": "EUR"}',
    "an amount in a list of documents": b'[{"amount": 900, "currency": "EUR"}]',
    "no number": DIGITS % b"NaN",
    "infinity": DIGITS % b"Infinity",
    "less than nothing": DIGITS % b"-900",
    "a huge exponent": DIGITS % b"1e400",
    "a tiny exponent": DIGITS % b"1e-400",
    "a hidden exponent": DIGITS % b"0.00009e7",
    "a cent above": DIGITS % b"100.01",
    "less than a cent above": DIGITS % b"100.00000000000000000001",
    "many digits": DIGITS % (b"9" * 400),
    "many noughts": DIGITS % (b"5." + b"0" * 400),
    "true": DIGITS % b"true",
    "a leading nought": DIGITS % b"0900",
    "a hexadecimal number": DIGITS % b"0x384",
    "an underscore": DIGITS % b"9_00",
    "another currency": b'{"amount": 5, "currency": "JPY"}',
    "two currencies": b'{"amount": 5, "currency": "EUR", "currency": "JPY"}',
    "a comment": b'{"amount": 5, /* "amount": 900, */ "currency": "EUR"}',
    "two documents": LITTLE + b"\n" + MUCH,
    "a document and a NUL": LITTLE + b"\x00",
    "blanks around": b" \t\r\n" + LITTLE + b"\n ",
    "a blank that JSON has not": b"\x0b" + LITTLE,
    "a byte order mark": b"\xef\xbb\xbf" + LITTLE,
    "a byte order mark and much": b"\xef\xbb\xbf" + MUCH,
    "a lone surrogate": b'{"amount": 5, "currency": "EUR", "x": "\\ud800"}',
    "no UTF-8": LITTLE[:-1] + b', "x": "\xff"}',
    "UTF-16": MUCH.decode().encode("utf-16"),
    "UTF-16 without a mark": MUCH.decode().encode("utf-16-le"),
    "UTF-32": MUCH.decode().encode("utf-32-be"),
    "depth": b'{"amount": 5, "currency": "EUR", "x": ' + b"[" * 3_000 + b"]" * 3_000 + b"}",
    "nothing": b"",
    "null": b"null",
    "gzip": gzip.compress(MUCH, mtime=0),
    "a little, gzipped": gzip.compress(LITTLE, mtime=0),
    "deflate": zlib.compress(MUCH),
    "a pointer's other names": b'{"/amount": 5, "amount": 900, "Amount": 5, "currency": "EUR"}',
    "an amount with a blank": b'{"amount ": 900, "amount": 5, "currency": "EUR"}',
}
#: a little in one reading, and much in another
POLYGLOTS: Final = tuple(name for name in CONTENTS if name.startswith("a little"))
TYPES: Final = (
    *[(JSON,)] * 3,
    (b"application/json; charset=utf-8",),
    (b"Application/JSON",),
    (b"application/json; charset=utf-16",),
    (b"application/json; charset=utf-7",),
    (b'application/json; charset="utf-16-le"',),
    (b"application/json; charset=utf-8; charset=utf-7",),
    (b"application/problem+json",),
    (b"application/vnd.api+json; charset=utf-7",),
    (b"text/plain",),
    (b"text/json",),
    (b"application/json, text/plain",),
    (b"application/json," + FORM,),
    *[(FORM,)] * 3,
    (FORM + b"; charset=utf-7",),
    (FORM + b"; charset=utf-16",),
    *[(b"multipart/form-data; boundary=b",)] * 2,
    (b"multipart/form-data",),
    (b"multipart/mixed; boundary=b",),
    (b"application/x-ndjson",),
    (b"application/cbor",),
    (b"application/json;",),
    (b";application/json",),
    (b" application/json ",),
    (b"",),
    (),
    (JSON, FORM),
    (FORM, JSON),
    (JSON, b"multipart/form-data; boundary=b"),
    (b"application/json; x=\xff",),
    (b"application/json\tx",),
)
CODINGS: Final = (
    (b"Content-Encoding", b"gzip"),
    (b"Content-Encoding", b"identity"),
    (b"Content-Encoding", b"deflate"),
    (b"Content-Encoding", b"GZIP"),
    (b"content-encoding", b"identity, gzip"),
    (b"Content_Encoding", b"gzip"),
    (b"Content_Type", FORM),
    (b"Content-Transfer-Encoding", b"base64"),
    (b"Content-Location", b"/healthz"),
    (b"Content-Range", b"bytes 0-5/900"),
)


def _parts(*parts: bytes, end: bytes = b"--\r\n") -> bytes:
    return b"".join(b"--b7c1\r\n%b\r\n" % part for part in parts) + b"--b7c1" + end


def _part(name: bytes, value: bytes, more: bytes = b"") -> bytes:
    return b'Content-Disposition: form-data; name="%b"%b\r\n\r\n%b' % (name, more, value)


_FIVE: Final = _part(b"amount", b"5")
_EUROS: Final = _part(b"currency", b"EUR")
#: forms with a little, and with what some parser reads as much
FORM_BODIES: Final = (
    b"amount=900&currency=EUR",
    b"amount=5&currency=EUR&amount=900",
    b"amount=900&amount=5&currency=EUR",
    b"amount=5&currency=EUR&Amount=900",
    b"amount=5&currency=EUR&%61mount=900",
    b"%61mount=900&currency=EUR",
    b"amount=5&currency=EUR;amount=900",
    b"amount=5;amount=900&currency=EUR",
    b"amount=5&currency=EUR&amount%00=900",
    b"amount=5&currency=EUR&amount%5B%5D=900",
    b"amount=5&currency=EUR&+amount=900",
    b"amount=5&currency=EUR&\xef\xbb\xbfamount=900",
    b"\xef\xbb\xbfamount=900&currency=EUR",
    b"amount=5&currency=EUR\r\namount=900",
    b"amount=5&currency=EUR&&amount=900",
    b"amount=5&currency=EUR&x=%26amount=900",
    b"amount=5&currency=EUR&=&amount=900",
    b"amount=5&currency=EUR&currency=JPY",
    b"amount=5&currency=eur&CURRENCY=JPY",
    *(b"amount=%b&currency=EUR" % text for text in (b"9e2", b"+900", b"%2B900", b"9_00", b"900,0", b"0900", b"90%30")),
    *(b"amount=%b&currency=EUR" % text for text in (b"%EF%BC%99%EF%BC%90%EF%BC%90", b"NaN", b"inf", b"-900", b" 900")),
    b"amount=5&currency=%45UR",
    b"amount=5&currency=EUR&_charset_=utf-16",
    "amount=900&currency=EUR".encode("utf-16"),
    b"{",
)
PART_BODIES: Final = (
    _parts(_part(b"amount", b"900"), _EUROS),
    _parts(_FIVE, _EUROS, _part(b"amount", b"900")),
    _parts(_part(b"amount", b"900"), _FIVE, _EUROS),
    _parts(_FIVE, _EUROS, _part(b"Amount", b"900")),
    _parts(_FIVE, _EUROS, _part(b"amount", b"900", b'; filename="a"')),
    _parts(_part(b"x", b"5", b'; name="amount"'), _FIVE, _EUROS),
    _parts(_part(b"amount", b"OTAw", b"\r\nContent-Transfer-Encoding: base64"), _EUROS),
    _parts(_part(b"amount", b"=39=30=30", b"\r\nContent-Transfer-Encoding: quoted-printable"), _EUROS),
    _parts(_part(b"amount", "900".encode("utf-16-le"), b"\r\nContent-Type: text/plain; charset=utf-16-le"), _EUROS),
    _parts(_FIVE, _EUROS, _part(b"x", b"\n--b7c1\n" + _part(b"amount", b"900"))),
    _parts(_FIVE, _EUROS, end=b"--\r\n" + _parts(_part(b"amount", b"900"))),
    _parts(_FIVE, _EUROS, end=b"\r\n" + _part(b"amount", b"900")),
    _part(b"amount", b"900") + b"\r\n" + _parts(_FIVE, _EUROS),
    _parts(_FIVE, _EUROS).replace(b"\r\n", b"\n"),
    _parts(_part(b"amount*", b"900"), _FIVE, _EUROS),
    _parts(_part(b"am\\ount", b"900"), _FIVE, _EUROS),
)
PARTS_TYPE: Final = b"multipart/form-data; boundary=b7c1"
FORM_TYPES: Final = (
    *[(FORM,)] * 4,
    (FORM + b"; charset=utf-8",),
    (FORM + b"; charset=utf-16",),
    (FORM + b"; charset=utf-7",),
    (JSON, FORM),
    (FORM, JSON),
)
PARTS_TYPES: Final = (
    *[(PARTS_TYPE,)] * 4,
    (b'Multipart/Form-Data; Boundary="b7c1"',),
    (PARTS_TYPE + b"; charset=utf-16",),
    (PARTS_TYPE + b"; boundary=other",),
    (b"multipart/form-data; boundary=B7C1",),
    (PARTS_TYPE, FORM),
)


def draw_form(rng: Random) -> Sent:
    """Draw a form: plain, or one that two parsers may read differently.

    Args:
        rng: from which all follows.
    """
    whole = rng.random() < 0.5
    plain = b"amount=5&currency=EUR&note=f%C3%BCr+dich" if whole else _parts(_FIVE, _EUROS, _part(b"note", b"x"))
    if rng.random() < 0.4:
        return Sent("a form with a little", plain, (FORM if whole else PARTS_TYPE,))
    types = rng.choice(FORM_TYPES if whole else PARTS_TYPES)
    body = rng.choice(FORM_BODIES if whole else PART_BODIES)
    more = (rng.choice(CODINGS),) if rng.random() < 0.15 else ()
    return Sent(f"the form {body[:80]!r} as {b' and '.join(types).decode('latin-1')}", body, types, more)


def draw(rng: Random, *, odd: bool = False) -> Sent:
    """Draw a body: plain, or odd in itself, in its type or in its coding.

    Args:
        rng: from which all follows.
        odd: whether it is to be what parsers disagree about most.
    """
    kind = rng.random()
    if kind < 0.4:
        return Sent("a little", LITTLE) if kind < 0.3 else Sent("much", MUCH)
    name = rng.choice(POLYGLOTS if odd and kind < 0.6 else list(CONTENTS))
    types = rng.choice(TYPES) if kind < 0.75 else (JSON,)
    more = (rng.choice(CODINGS),) if 0.6 < kind < 0.85 else ()
    if more and more[0][1].lower().endswith(b"gzip") and rng.random() < 0.6:
        name = rng.choice(("gzip", "a little, gzipped"))
    words = f"{name} as {b' and '.join(types).decode('latin-1')} {' '.join(value.decode() for _, value in more)}"
    return Sent(words, CONTENTS[name], types, more)
