"""The HTTP client of every outgoing request: bounded in size and time, without redirects, cookies or stray proxies.

Rules:
- A request that carries a bearer token or a question about a customer goes only where the policy sends it: no redirect
  is followed. Proxies of the environment are ignored unless `AUTHGUARD_PROXIES` is `environment`: then requests over
  TLS may use `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, through a tunnel that the proxy cannot read. Requests without
  TLS stay on this machine and never use a proxy.
- Each request uses a new connection and sends no cookie of an earlier response, so a late second response to one
  request cannot be read as the response to the next one, which is about another person.
- The body is read only from a response that can be used, uncompressed and up to a limit.
- The caller sets one deadline for the whole, with `authguard.outbound.retry` or a cancel scope. `MAX_DURATION_S` holds
  in any case.
"""

from __future__ import annotations

import os
import re
import ssl
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Self

import anyio
from anyio import CapacityLimiter, to_thread
from msgspec import Struct

from authguard.outbound import retry
from authguard.outbound.background_task import current_loop
from authguard.outbound.error import ServiceError
from authguard.outbound.proxy import uses_environment_proxies
from authguard.outbound.single_flight import CallCancelledError, SingleFlight

if TYPE_CHECKING:
    from collections.abc import Mapping
    from ssl import SSLContext
    from types import TracebackType

    import httpx2

#: seconds after which any request ends
MAX_DURATION_S: Final = 60.0
#: statuses after which a repeat may help (RFC 9110 15.5.9 and 15.6, RFC 6585 4, RFC 8470 5.2)
RETRYABLE_STATUSES: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
#: maximum length of text of an error of the operating system in a message
MAX_SHOWN_CHARS: Final = 200
_HEADERS: Final = {
    "Accept-Encoding": "identity",  # a compressed body could grow beyond the limit in one step
    "Connection": "close",
}
_SECONDS: Final = re.compile(r"[0-9]{1,6}")


class HttpResponse(Struct, frozen=True):
    """A response.

    Attributes:
        status: status code.
        headers: header fields; names in any case.
        body: content; empty unless the status is 200 and the media type the expected one.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def media_type(self) -> str:
        """Return the media type in lower case, without parameters."""
        return _media_type(self.headers)

    @property
    def is_success(self) -> bool:
        """Whether the status is one of 2xx (RFC 9110 15.3)."""
        return self.status // 100 == 2  # noqa: PLR2004 - 2xx

    @property
    def is_redirect(self) -> bool:
        """Whether the status and ``Location`` name another address (RFC 9110 15.4)."""
        return self.status in _REDIRECTS and "location" in self.headers

    @property
    def is_retryable(self) -> bool:
        """Whether a repeat of the request may help."""
        return self.status in RETRYABLE_STATUSES

    @property
    def retry_after(self) -> float:
        """Return the seconds of ``Retry-After`` (RFC 9110 10.2.3); negative if the response has none."""
        value = self.headers.get("retry-after", "").strip()
        if _SECONDS.fullmatch(value):
            return float(value)
        try:  # both times are of the server's clock, so our clock does not matter
            ends, began = (parsedate_to_datetime(text) for text in (value, self.headers.get("date", "")))
            return max(0.0, (ends - began).total_seconds())
        except (ValueError, TypeError, OverflowError):
            return -1.0


class HttpClient:
    """A client for outgoing requests; usable on several event loops, one after the other.

    Args:
        client: HTTP client to use instead of an own one, closed by its owner; may have a proxy or a private
            certificate authority.
        verify: trusted certificates; ``True`` for the default ones, ``False`` if no request uses TLS.
        max_connections: maximum number of connections; 0 for no limit.
    """

    __slots__ = ("_injected", "_loading", "_loop", "_max_connections", "_own", "_verify")

    def __init__(
        self, client: httpx2.AsyncClient | None = None, *, verify: SSLContext | bool = True, max_connections: int = 0
    ) -> None:
        self._injected = client
        self._verify = verify
        self._max_connections = max_connections
        self._loading: SingleFlight[str, SSLContext] = SingleFlight(1)
        self._own: httpx2.AsyncClient | None = None
        self._loop: object = None
        if client is not None:  # its package is imported already
            retry.prepare()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def prepare(self) -> None:
        """Load the HTTP client and the trusted certificates; without it, the first request does.

        Raises:
            ServiceError: the certificates cannot be read.
        """
        if self._injected is not None:
            return
        if self._verify is not True:
            _import()
            return
        try:
            self._verify = await self._loading.start("certificates", _load).wait()
        except (OSError, CallCancelledError) as error:
            detail = f"the trusted certificates cannot be read: {type(error).__name__}"
            raise ServiceError("error", detail=detail) from None

    async def close(self) -> None:
        """Close the own client; the next request creates a new one."""
        own, self._own = self._own, None
        if own is not None and self._loop is current_loop():  # connections of a loop that ended are closed already
            await own.aclose()

    async def send(
        self,
        method: str,
        address: str,
        *,
        headers: Mapping[str, str],
        content: bytes = b"",
        max_bytes: int = 0,
        media_type: str = "",
    ) -> HttpResponse:
        """Send one request and return the response, whatever its status.

        Args:
            method: of HTTP.
            address: URL; the caller has checked that it may be used.
            headers: header fields besides those that this client sets.
            content: body of the request.
            max_bytes: maximum length of the body of the response; 0 reads none.
            media_type: media type without which the body is not read; empty for any.

        Raises:
            ServiceError: there is no response, or one that is too large or compressed.
        """
        await self.prepare()
        import httpx2  # noqa: PLC0415 - slow, and policies without HTTP requests do not need it

        try:
            with anyio.fail_after(MAX_DURATION_S):
                async with self._client().stream(
                    method, address, content=content or None, headers={**headers, **_HEADERS}, follow_redirects=False
                ) as response:
                    is_read = response.status_code == HTTPStatus.OK and max_bytes > 0
                    if is_read and media_type and _media_type(response.headers) != media_type:
                        is_read = False
                    body = await _read(response, max_bytes) if is_read else b""
                    return HttpResponse(response.status_code, response.headers, body)
        except TimeoutError:
            raise ServiceError("timeout", detail=f"no response within {MAX_DURATION_S:g} s") from None
        except (httpx2.HTTPError, OSError) as error:
            raise ServiceError("error", detail=_describe(error), retryable=_may_pass(error)) from None
        except httpx2.InvalidURL:
            raise ServiceError("error", detail="not a URL") from None

    def _client(self) -> httpx2.AsyncClient:
        if self._injected is not None:
            return self._injected
        loop = current_loop()
        if self._own is None or self._loop is not loop:
            self._own, self._loop = self._create(), loop
        return self._own

    def _create(self) -> httpx2.AsyncClient:
        from http.cookiejar import CookieJar, DefaultCookiePolicy  # noqa: PLC0415 - as below

        import httpx2  # noqa: PLC0415

        limits = httpx2.Limits(max_connections=self._max_connections or None)
        cookies = CookieJar(DefaultCookiePolicy(allowed_domains=()))
        return httpx2.AsyncClient(verify=self._verify, timeout=None, limits=limits, cookies=cookies, **_options())


def _import() -> None:
    """Import what a request needs; the first time is slow."""
    import httpx2  # noqa: F401, PLC0415 - as below

    retry.prepare()


async def _load() -> SSLContext:
    """Import and load in a thread: too slow for the event loop."""

    def load() -> SSLContext:
        _import()
        return load_trusted_certificates()

    return await to_thread.run_sync(load, abandon_on_cancel=True, limiter=CapacityLimiter(1))


async def _read(response: httpx2.Response, max_bytes: int) -> bytes:
    """Read the body of a response.

    Raises:
        ServiceError: it is compressed or longer than the limit.
    """
    if "content-encoding" in response.headers:
        raise ServiceError("nonsense", detail="compressed, which was not requested")
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > max_bytes:
            raise ServiceError("too-large", detail=f"longer than {max_bytes} bytes")
    return bytes(body)


def _media_type(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _root_cause(error: BaseException) -> BaseException:
    while error.__cause__ is not None or error.__context__ is not None:
        error = error.__cause__ or error.__context__ or error
    return error


def _may_pass(error: Exception) -> bool:
    """Return whether an error may pass by itself; an untrusted certificate or a request that is none does not."""
    import httpx2  # noqa: PLC0415 - as above

    if isinstance(error, httpx2.LocalProtocolError | httpx2.UnsupportedProtocol):
        return False
    return not isinstance(_root_cause(error), ssl.SSLCertVerificationError)


def _describe(error: Exception) -> str:
    """Return the kind of an error, and that of the operating system or of TLS behind it, without addresses."""
    cause = _root_cause(error)
    detail = str(getattr(cause, "verify_message", "") or getattr(cause, "strerror", "") or "")
    if isinstance(cause, ConnectionError) and cause.errno:
        detail = os.strerror(cause.errno)  # the event loop's own text has the address
    return f"{type(error).__name__}{f' ({shown(detail)})' if detail else ''}"


def shown(text: str) -> str:
    """Return foreign text for a message: bounded, on one line."""
    return "".join(each if each.isprintable() and each != "`" else "?" for each in text[:MAX_SHOWN_CHARS])


def create_blocking_client(**options: Any) -> httpx2.Client:  # noqa: ANN401 - of httpx2
    """Create a blocking client with the same rules, for the test support.

    Args:
        options: further options of `httpx2.Client`.
    """
    import httpx2  # noqa: PLC0415 - as above

    return httpx2.Client(**_options(), **options)


def load_trusted_certificates() -> SSLContext:
    """Load the trusted certificates; this is too slow for a request."""
    import httpx2  # noqa: PLC0415 - as above

    return httpx2.create_ssl_context()


def _options() -> dict[str, Any]:
    """Return the options that control proxies and disable redirects."""
    return {"trust_env": uses_environment_proxies(), "mounts": {"http://": None}, "follow_redirects": False}
