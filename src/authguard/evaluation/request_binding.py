"""The exact request that a transaction is bound to, and its encoding for storage (DESIGN 6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec

from authguard.evaluation.canonical import MAX_TEXT_CHARS, CanonicalBody, Header, render_request

NO_BODY: Final = CanonicalBody(b"", is_json=False)

_pack: Final = msgspec.msgpack.Encoder().encode
_unpack: Final = msgspec.msgpack.Decoder(tuple[str, bytes, bytes, bytes, bool]).decode
_unpack_bound: Final = msgspec.msgpack.Decoder(tuple[str, bytes, bytes, bytes, bool, tuple[Header, ...]]).decode


@dataclass(frozen=True, slots=True)
class RequestBinding:
    """The binding of a request to a transaction.

    Attributes:
        transaction: id; empty if the request has none.
        named: whether the caller sent the id, so that the transaction must exist and be theirs.
        digest: of the exact request, its session and the policy; empty if the body was not read.
        asked: digest of the exact request alone.
        policy: digest of the policy that decides.
        method: of the request.
        target: raw path and query, as sent.
        form: the headers that define how the body is decoded, as sent, without a multipart boundary.
        body: in its canonical form.
        headers: headers that the operation binds, in their display form.
    """

    transaction: str = ""
    named: bool = False
    digest: str = ""
    asked: str = ""
    policy: str = ""
    method: str = ""
    target: bytes = b""
    form: bytes = b""
    body: CanonicalBody = NO_BODY
    headers: tuple[Header, ...] = ()

    def is_readable(self) -> bool:
        """Return whether the exact request is short enough for an approver to read."""
        return bool(self.pack()) and bool(render_request(self.method, self.target, self.form, self.body, self.headers))

    def pack(self) -> bytes:
        """Return the exact request, encoded for storage; empty if it is too long for an approver to read."""
        size = sum([len(value) for _, values in self.headers for value in values])
        if size + len(self.target) + len(self.form) + len(self.body.content) > MAX_TEXT_CHARS:
            return b""
        whole = (self.method, self.target, self.form, self.body.content, self.body.is_json)
        return _pack((*whole, self.headers) if self.headers else whole)

    @classmethod
    def unpack(cls, packed: bytes) -> RequestBinding:
        """Return the exact request that `pack` encoded, without its transaction and digests.

        Raises:
            msgspec.DecodeError: `pack` did not encode it.
        """
        headers: tuple[Header, ...] = ()
        try:
            method, target, form, content, is_json = _unpack(packed)
        except msgspec.ValidationError:
            method, target, form, content, is_json, headers = _unpack_bound(packed)
        return cls(method=method, target=target, form=form, body=CanonicalBody(content, is_json), headers=headers)


UNBOUND: Final = RequestBinding()
