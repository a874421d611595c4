"""One admitted request for an endpoint of the guard's own, as every such endpoint takes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from authguard.core.outcomes import Reason
from authguard.runtime.access import BodyFailure

if TYPE_CHECKING:
    from authguard.asgi.reply import ReplyBuilder
    from authguard.runtime.access import AccessRequest, Verdict
    from authguard.runtime.enforcer import Enforcer


@dataclass(frozen=True, slots=True)
class EndpointRequest:
    """One admitted request for an endpoint of the guard's own.

    Attributes:
        enforcer: decided it.
        replies: write what is no endpoint's own answer.
        access_request: the request as the enforcer decided it.
        verdict: that admitted it.
        path: asked for.
        root: the path under which the app is mounted.
    """

    enforcer: Enforcer
    replies: ReplyBuilder
    access_request: AccessRequest
    verdict: Verdict
    path: str
    root: str

    async def parse_body(self, shape: type[Any]) -> Any | Reason:  # noqa: ANN401 - an instance of `shape`
        """Read the body as JSON of a shape; the reason why it cannot be, where it cannot."""
        body = await self.access_request.read_body()
        if isinstance(body, BodyFailure):
            return body.reason
        try:
            return msgspec.json.decode(body.content or b"{}", type=shape)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return Reason.BODY_MALFORMED
