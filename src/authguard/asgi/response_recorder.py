"""Recorder of the part of an app's response that is stored with a transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from authguard.runtime.decision import AppResponse
from authguard.runtime.transactions import KEPT_HEADERS, MAX_RESPONSE_BYTES

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    Message = MutableMapping[str, Any]


class ResponseRecorder:
    """Records the messages of one response, bounded in size."""

    __slots__ = ("_body", "_content_type", "_headers", "_status", "_whole")

    def __init__(self) -> None:
        self._status = 0
        self._content_type = ""
        self._headers: tuple[tuple[bytes, bytes], ...] = ()
        self._body = b""
        self._whole = True

    def record(self, message: Message) -> bool:
        """Record a message; return whether the response is complete with it."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            sent = [(bytes(name).lower(), bytes(value)) for name, value in message.get("headers", ())]
            self._content_type = next((value.decode("latin-1") for name, value in sent if name == b"content-type"), "")
            self._headers = tuple(header for header in sent if header[0] in KEPT_HEADERS)
            return False
        if message["type"].startswith("websocket."):
            return False  # no WebSocket message shows whether the operation took effect
        if message["type"] != "http.response.body":
            # a response that cannot be stored (a file that the server sends) is complete, but not stored
            self._whole = False
            return bool(message["type"] == "http.response.pathsend")
        chunk: bytes = message.get("body", b"")
        if len(self._body) + len(chunk) <= MAX_RESPONSE_BYTES:
            self._body += chunk
        else:
            self._whole = False
        return not message.get("more_body", False)

    def answer(self) -> AppResponse:
        """Return the recorded response."""
        return AppResponse(self._status, self._content_type, self._body, self._whole, self._headers)
