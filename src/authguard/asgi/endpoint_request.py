"""An admitted request for one of the guard's endpoints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from authguard.core.outcomes import Reason
from authguard.evaluation.request import BodyFailure
from authguard.formats.strict_json import parse_object

if TYPE_CHECKING:
    from authguard.evaluation.decision import Verdict
    from authguard.evaluation.request import AccessRequest


@dataclass(frozen=True, slots=True)
class EndpointRequest:
    """An admitted request for one of the guard's endpoints.

    Attributes:
        access_request: the request as it was decided.
        verdict: the verdict that admitted it.
        path: of the request.
        root: root path under which the app is mounted.
    """

    access_request: AccessRequest
    verdict: Verdict
    path: str
    root: str

    async def parse_body(self, shape: type[Any]) -> Any | Reason:  # noqa: ANN401 - an instance of `shape`
        """Parse the JSON body into `shape`; return the reason if that fails.

        A name that occurs twice fails: another reader of the same body, such as a proxy, may take the other value.
        """
        body = await self.access_request.read_body()
        if isinstance(body, BodyFailure):
            return body.reason
        try:
            found = msgspec.json.decode(body.content or b"{}", type=shape)
            parse_object(body.content or b"{}")
        except (ValueError, RecursionError):  # of both parsers
            return Reason.BODY_MALFORMED
        return found
