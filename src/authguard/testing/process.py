"""The identity provider process on loopback, as a test controls it.

Calls block for a few milliseconds each. The provider is another process, so it answers also while an event loop here
waits.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from threading import Thread
from typing import IO, TYPE_CHECKING, Any, Literal

import httpx2

from authguard.outbound.http_client import create_blocking_client
from authguard.testing.sign_in import IdentityProviderError, RefreshRefusedError, SignIn, signed_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from authguard.testing.dpop import DpopClient
    from authguard.testing.keys import Published
    from authguard.testing.provider import Mode, Place

_STOP_WITHIN_S = 5.0
_ANSWER_WITHIN_S = 10.0


class IdentityProvider:
    """Starts, controls and stops an identity provider process.

    Use it as a context manager, or call `start` and `stop`. The process also ends when this one does.

    Args:
        port: loopback port; 0 for a free one.
        ready_within: seconds until it has to listen.
    """

    def __init__(self, *, port: int = 0, ready_within: float = 20.0) -> None:
        self._port = port
        self._ready_within = ready_within
        self._process: subprocess.Popen[bytes] | None = None
        self._client: httpx2.Client | None = None
        self._issuer = ""
        #: module paths of this process, made absolute now because the working directory may change
        self._modules = [str(Path(entry).absolute()) for entry in sys.path]

    def start(self) -> Self:
        """Start the process and wait until it listens.

        Raises:
            IdentityProviderError: it ended, or did not listen in time; it is stopped.
        """
        if self._process is not None:
            raise IdentityProviderError("the identity provider already runs")
        with tempfile.TemporaryFile() as errors:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter and this package
                _command(self._port, self._modules), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
            )
            try:
                self._issuer = _announced(self._process, self._ready_within)
            except BaseException as problem:  # an interrupted wait must leave no process behind either
                self.stop()
                if not isinstance(problem, ValueError):
                    raise
                errors.seek(0)
                output = errors.read().decode(errors="replace").strip()[-2000:] or "no output"
                raise IdentityProviderError(
                    f"no identity provider within {self._ready_within} s: {output}"
                ) from problem
        # Proxies and .netrc of the environment do not apply to loopback.
        self._client = create_blocking_client(base_url=self._issuer, timeout=_ANSWER_WITHIN_S)
        return self

    def stop(self) -> int | None:
        """Stop the process, by force after 5 seconds; a second call does nothing.

        Returns:
            Its exit code, 0 for a clean end; None if it did not run.
        """
        process, self._process = self._process, None
        client, self._client = self._client, None
        self._issuer = ""
        if client is not None:
            client.close()
        if process is None:
            return None
        with process:  # closes the pipes
            if process.stdin is not None:
                process.stdin.close()
            for signal_process in (process.terminate, process.kill):
                try:
                    return process.wait(_STOP_WITHIN_S)
                except subprocess.TimeoutExpired:
                    signal_process()
        return process.returncode

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def issuer(self) -> str:
        """Its `iss` and the base URL of its endpoints, without a trailing slash.

        Raises:
            IdentityProviderError: it does not run.
        """
        if not self._issuer:
            raise IdentityProviderError("the identity provider does not run: call `start`, or use `with`")
        return self._issuer

    @property
    def pid(self) -> int | None:
        """The process id; None if it does not run."""
        return None if self._process is None else self._process.pid

    def sign_in(
        self,
        subject: str = "customer-1",
        *,
        client_id: str = "app-1",
        audience: str | Sequence[str] = "https://agent.test",
        scope: str = "",
        acr: str | None = "aal1",
        amr: Sequence[str] = ("pwd",),
        lifetime: int = 300,
        alg: Published = "ES256",
        account_status: str | None = None,
        act: Mapping[str, Any] | None = None,
        sid: str | bool = True,
        auth_time: int | None = None,
        auth_time_offset: int = 0,
        typ: str | None = "at+jwt",
        opaque: bool = False,
        claims: Mapping[str, Any] | None = None,
        dpop: DpopClient | None = None,
    ) -> SignIn:
        """Sign a subject in, as their browser would.

        Args:
            subject: the `sub`.
            client_id: client that receives the tokens.
            audience: the `aud`, one or several.
            scope: space-separated (RFC 6749 section 3.3).
            acr: assurance level of the authentication; None leaves it out.
            amr: authentication methods (RFC 8176); an empty sequence leaves it out.
            lifetime: seconds that each access token lives; negative for an expired one.
            alg: algorithm of the key that signs.
            account_status: sets the subject's status as `set_account_status` does; None does not change it.
            act: the actor (RFC 8693 section 4.1).
            sid: True for a new session id, False for none, or the id.
            auth_time: time of the authentication, seconds since the epoch; None for the provider's time.
            auth_time_offset: seconds added to it; -3600 for a sign-in an hour ago.
            typ: the `typ` header; None leaves it out.
            opaque: whether the access token is a random string, for introspection (RFC 7662).
            claims: further claims, such as `cnf`, for every token of this sign-in.
            dpop: client that every token of this sign-in is bound to (RFC 9449 section 5).

        Raises:
            IdentityProviderError: an argument was refused; the message names it.
        """
        order = {
            "subject": subject,
            "client_id": client_id,
            "audience": audience if isinstance(audience, str) else list(audience),
            "scope": scope,
            "acr": acr,
            "amr": list(amr),
            "lifetime": lifetime,
            "alg": alg,
            "account_status": account_status,
            "act": act,
            "sid": sid,
            "auth_time": auth_time,
            "auth_time_offset": auth_time_offset,
            "typ": typ,
            "opaque": opaque,
            "claims": dict(claims or {}) | ({} if dpop is None else {"cnf": dpop.confirmation}),
        }
        return signed_in(self._control("sign-in", order), subject, client_id)

    def refresh(self, sign_in: SignIn, *, scope: str | None = None) -> SignIn:
        """Exchange the refresh token for new tokens (RFC 6749 section 6), with fewer scopes if `scope` is given.

        Raises:
            RefreshRefusedError: the token was used before or revoked, or the scope exceeds the granted one.
        """
        form = {
            "grant_type": "refresh_token",
            "refresh_token": sign_in.refresh_token,
            "client_id": sign_in.client_id,
        } | ({} if scope is None else {"scope": scope})
        answer = self._http().post("/token", data=form)
        if answer.status_code == httpx2.codes.BAD_REQUEST:
            raise RefreshRefusedError(answer.json()["error"])
        return signed_in(_checked(answer).json(), sign_in.subject, sign_in.client_id)

    def step_up(
        self,
        sign_in: SignIn,
        *,
        acr: str | None = "aal2",
        amr: Sequence[str] = ("pwd", "otp"),
        auth_time: int | None = None,
    ) -> SignIn:
        """Authenticate the same subject again in the same session (RFC 9470 section 4).

        Args:
            sign_in: the current sign-in; its refresh token is used up.
            acr: assurance level of the new authentication; a provider may return a weaker one than requested.
            amr: authentication methods.
            auth_time: seconds since the epoch; None for the provider's time. An old one simulates single sign-on.

        Raises:
            RefreshRefusedError: the sign-in has ended, or its refresh token was used before.
        """
        order = {"refresh_token": sign_in.refresh_token, "acr": acr, "amr": list(amr), "auth_time": auth_time}
        answer = self._http().post("/control/step-up", json=order)
        if answer.status_code == httpx2.codes.BAD_REQUEST and "error" in answer.text:
            raise RefreshRefusedError(answer.json()["error"])
        return signed_in(_checked(answer).json(), sign_in.subject, sign_in.client_id)

    def answer_introspection(
        self,
        body: str | None = None,
        *,
        claims: Mapping[str, Any] | None = None,
        status: int = 200,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
        times: int | None = 1,
    ) -> None:
        """Set the next responses of the introspection endpoint (RFC 7662).

        Args:
            body: literal body; None for the regular response, changed by `claims`.
            claims: members to add or replace in the regular response; None removes a member.
            status: status of the response.
            content_type: content type of the response.
            headers: further headers.
            times: number of responses; None for all until the next call, 0 for regular responses again.
        """
        script = {
            "body": body,
            "claims": dict(claims or {}),
            "status": status,
            "content_type": content_type,
            "headers": dict(headers or {}),
            "times": times,
        }
        self._control("introspection", script)

    def revoke(self, sign_in: SignIn, *, token: Literal["refresh_token", "access_token"] = "refresh_token") -> None:  # noqa: S107 - which, not what
        """Revoke the whole sign-in by its refresh token, or one access token (RFC 7009 section 2.1)."""
        chosen = sign_in.refresh_token if token == "refresh_token" else sign_in.access_token  # noqa: S105 - which, not what
        _checked(self._http().post("/revoke", data={"token": chosen, "client_id": sign_in.client_id}))

    def set_account_status(self, subject: str, status: str | None) -> None:
        """Set the `account_status` of every later token of the subject, refreshed ones included; None removes it."""
        self._control("account", {"subject": subject, "status": status})

    def rotate_keys(self, *algs: Published, overlap: bool = True) -> dict[str, str]:
        """Sign with fresh keys from now on, for the given algorithms or all; return the signing `kid` by algorithm.

        Args:
            algs: `ES256`, `RS256`, `EdDSA`.
            overlap: whether the old keys stay published (three generations of them); False removes them immediately.
        """
        names: dict[str, str] = self._control("rotate", {"algs": algs, "overlap": overlap})
        return names

    def outage(self, mode: Mode, *, seconds: float = 30.0, at: Sequence[Place] = ("discovery", "jwks")) -> None:
        """Make endpoints fail until `restore`.

        Args:
            mode: `down` returns 503; `hang` returns the regular response after `seconds`; `garbage` returns 200 with
                bytes that are not JSON; `redirect` returns 302.
            seconds: delay of `hang`, at most 60.
            at: the failing endpoints.
        """
        self._control("outage", {"mode": mode, "seconds": seconds, "at": list(at)})

    def restore(self) -> None:
        """End the outage; a caller that already waits for `hang` waits until its end."""
        self._control("outage", {"mode": None})

    def set_clock(self, *, offset: float = 0.0, at: float | None = None) -> float:
        """Set the provider's clock: `offset` seconds off the wall clock, or fixed `at` a time; neither resets it.

        Returns:
            The provider's time in seconds since the epoch.
        """
        now: float = self._control("clock", {"offset": offset, "at": at})["now"]
        return now

    def requests(self) -> dict[str, int]:
        """Return the number of requests by path since the start or the last `reset`, without control requests."""
        counts: dict[str, int] = _checked(self._http().get("/control/requests")).json()
        return counts

    def reset(self) -> None:
        """Reset sign-ins, statuses, the outage, the clock and the counts; the keys stay."""
        self._control("reset", {})

    def _control(self, name: str, order: Mapping[str, Any]) -> Any:  # noqa: ANN401 - the response depends on the order
        answer = _checked(self._http().post(f"/control/{name}", json=order))
        return answer.json() if answer.content else None

    def _http(self) -> httpx2.Client:
        if self._client is None:
            raise IdentityProviderError("the identity provider does not run: call `start`, or use `with`")
        return self._client


def _command(port: int, modules: Sequence[str]) -> list[str]:
    """Return the command that starts the provider with the module paths of this process."""
    source = f"import sys; sys.path[:] = {modules!r}; from authguard.testing.idp import main; main()"
    return [sys.executable, "-P", "-c", source, "--port", str(port), "--until-stdin-closes"]


def _announced(process: subprocess.Popen[bytes], within: float) -> str:
    """Read the issuer from the first line of the process; raise `ValueError` if there is no such line in time."""
    lines: list[bytes] = []
    stream: IO[bytes] | None = process.stdout
    if stream is not None:
        # Not every system can read a pipe with a deadline; waiting for a thread has one.
        reader = Thread(target=lambda: lines.append(stream.readline()), daemon=True)
        reader.start()
        reader.join(within)
    announcement: dict[str, str] = json.loads(b"".join(lines))
    return announcement["issuer"]


def _checked(answer: httpx2.Response) -> httpx2.Response:
    if answer.is_success:
        return answer
    raise IdentityProviderError(f"the identity provider answered {answer.status_code}: {answer.text[:500]}")
