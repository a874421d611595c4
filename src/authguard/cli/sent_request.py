"""Reader of a request that a person describes to `policy explain`: request line, headers, token file and body file.

Rules of this file:
- The parts become an ASGI scope that the readers of the shell read, so that everything counts as at run time.
- Files are bounded. No message has content of the token or of the body.
- A token comes from a file only: a shell's history keeps what is typed.
"""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_to_bytes

import anyio
import typer
from msgspec import Struct
from msgspec.structs import replace

from authguard.asgi.credential_place import CredentialReader
from authguard.asgi.endpoints import PREFIX, own_operations
from authguard.asgi.evidence import (
    EvidenceReader,
    bound_headers,
    content_type,
    representation_headers,
    request_target,
)
from authguard.cli.line_wrap import print_lines
from authguard.cli.sent_request_text import format_json, format_text
from authguard.cli.terminal import escape
from authguard.core.outcomes import Reason
from authguard.core.request import NotProven, Operation
from authguard.credentials import bearer
from authguard.credentials.jws import parse_compact
from authguard.credentials.single_check import check_token
from authguard.credentials.unverified_check import check_claims, check_unverified_token
from authguard.errors import SettingsError
from authguard.evaluation.operation_index import WEBSOCKET, make_channel_finder
from authguard.evaluation.request import AccessRequest, Body
from authguard.evaluation.resolver import Resolver
from authguard.formats.strict_json import exceeds_node_limit, parse_object
from authguard.policy.explain.near_match import NearMatch, find_near
from authguard.policy.explain.sent_request import SentRequest, explain_sent
from authguard.runtime.channel import ChannelFinder
from authguard.runtime.condition_reader import ConditionReader

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from authguard.core.policy import Policy
    from authguard.core.request import Credential, Evidence

#: most headers, and most characters of one
MAX_HEADERS: Final = 64
MAX_HEADER_CHARS: Final = 8_192
MAX_TARGET_CHARS: Final = 8_192
_LINE: Final = re.compile(rf"([A-Za-z][A-Za-z-]{{0,31}}) (/[\x21-\x7e]{{0,{MAX_TARGET_CHARS}}})")
_HEADER: Final = re.compile(r"([A-Za-z0-9!#$%&'*+.^_|~-]{1,64}):[ \t]*([\x20-\x7e\t]*)")
_LINE_ADVICE: Final = "write a method and a path, such as `PUT /payout-account`, or `websocket /live`"
#: stands for the secret of a gateway, which a person who explains a policy does not have
_SUPPOSED: Final = b"supposed"
#: default type of a body, if the operation reads a form
_FORM: Final = b"application/x-www-form-urlencoded"
_SCHEMES: Final = frozenset({b"bearer", b"dpop"})


class Parts(Struct, frozen=True, kw_only=True):
    """The parts of a request as typed.

    Attributes:
        line: method and path with query.
        headers: each as ``Name: value``.
        token: file with a token or with JSON claims; ``None`` for a request without a credential.
        body: file with the body; ``None`` for an empty one.
        conditions: condition of the policy's own -> its value.
        flags: names of the flags that are set.
    """

    line: str
    headers: tuple[str, ...] = ()
    token: Path | None = None
    body: Path | None = None
    conditions: Mapping[str, str] = {}
    flags: frozenset[str] = frozenset()


class Question(Struct, frozen=True, kw_only=True):
    """A request that was read, or the reason why the guard refuses it before its decision.

    Attributes:
        line: the request line as typed, without its query.
        method: of the request.
        path: as the app's router sees it.
        operation: the matched operation; ``None`` if none matches.
        near: operations that it nearly matched.
        sent: the request; ``None`` for a refusal.
        refused: why the guard refuses it; `DECIDED` if it decides.
        unchecked: what could not be checked of the credential, in words; empty for nothing.
    """

    line: str
    method: str
    path: str
    operation: Operation | None
    near: tuple[NearMatch, ...]
    sent: SentRequest | None
    refused: Reason
    unchecked: str = ""


def print_answer(
    policy: Policy,
    source: str,
    parts: Parts,
    given: Mapping[str, str],
    at: float,
    *,
    as_json: bool,
    everything: bool,
) -> None:
    """Read a request, explain it and print the explanation; arguments and exceptions as of `read_question`."""
    question = read_question(policy, Path(source).parent, parts, given, at)
    found = explain_sent(policy, question.sent) if question.sent else None
    if as_json:
        typer.echo(format_json(policy, question, found, at))
        return
    command = ""
    if parts.token and found and found.credential not in {"missing", "unproven"}:
        command = f"authguard token check {shlex.quote(source)} < {shlex.quote(str(parts.token))}"
    print_lines(format_text(policy, question, found, command=command, everything=everything))


def read_question(policy: Policy, folder: Path, parts: Parts, given: Mapping[str, str], at: float) -> Question:
    """Read a request.

    Args:
        policy: checked.
        folder: of the policy, against which key files are resolved.
        parts: as typed.
        given: machine -> state that is supposed.
        at: time of the request, epoch seconds UTC.

    Raises:
        typer.BadParameter: the request line or a header cannot be read.
        SettingsError: a file cannot be used.
    """
    scope = _build_scope(policy, parts.line, parts.headers)
    method = scope["method"]
    resolver = Resolver(
        policy.operations,
        policy.otherwise,
        own_operations(PREFIX),
        admits=policy.admits_unnamed,
        hosts=policy.hosts,
        root=policy.settings.root_path,
    )
    path = resolver.path(scope)
    is_socket = method == WEBSOCKET
    found = resolver.find_socket(path, scope) if is_socket else resolver.find(method, path, scope)
    operation = found if isinstance(found, Operation) else None
    near = find_near(policy.operations, method, path, operation.name if operation else "")
    question = Question(
        line=parts.line.strip().partition("?")[0],
        method=method,
        path=path,
        operation=operation,
        near=near,
        sent=None,
        refused=found if isinstance(found, Reason) else Reason.DECIDED,
    )
    if operation is None:
        return question
    evidence = _read_evidence(policy, scope, operation)
    if isinstance(evidence, Reason):
        return replace(question, refused=evidence)
    content = _read_body(policy, parts.body)
    if isinstance(content, Reason):
        return replace(question, refused=content)
    if content and not content_type(scope):
        scope["headers"].append((b"content-type", _FORM if operation.reads_form else b"application/json"))
    read = Body(
        content,
        request_target(scope),
        content_type(scope),
        representation_headers(scope),
        bound_headers(scope, operation.binds),
    )
    credential, unchecked = _read_credential(policy, folder, parts.token, at)
    finder = make_channel_finder(policy.channels.paths)
    access = AccessRequest(
        operation=operation, evidence=evidence, method=method, channel=finder(path) if finder else ""
    )
    channel = ChannelFinder(policy, (_SUPPOSED,)).find(access, credential)
    secrets = {one.name: (_SUPPOSED,) for one in policy.own_conditions if one.header}
    brought = {**ConditionReader(policy, {}, secrets).read_headers(access), **parts.conditions}
    sent = SentRequest(
        access=access,
        credential=credential,
        body=read,
        channel=channel,
        given=given,
        at=at,
        brought=brought,
        flags=parts.flags,
    )
    return replace(question, sent=sent, unchecked=unchecked)


def _build_scope(policy: Policy, line: str, headers: Sequence[str]) -> dict[str, Any]:
    """Return the ASGI scope that a server would build of the request."""
    found = _LINE.fullmatch(line.strip())
    if found is None:
        raise typer.BadParameter(f"`{escape(line[:80])}` is not a request; {_LINE_ADVICE}", param_hint="--request")
    method = WEBSOCKET if found[1].lower() == WEBSOCKET else found[1]
    raw, _, query = found[2].partition("?")
    try:
        path = unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        raise typer.BadParameter("the path is not UTF-8", param_hint="--request") from None
    sent = [_read_header(one) for one in headers]
    if len(sent) > MAX_HEADERS:
        raise typer.BadParameter(f"there are more than {MAX_HEADERS} headers", param_hint="--header")
    names = {name for name, _ in sent}
    if b"host" not in names:
        sent.append((b"host", min(policy.hosts, default="app.example").replace("*", "www").encode()))
    for one in policy.by_gateway:  # a person who explains a policy does not have the secrets of gateways
        secret = one.secret_header.encode("latin-1")
        if one.header.encode("latin-1") in names:
            sent = [header for header in sent if header[0] != secret] + [(secret, _SUPPOSED)]
    return {
        "type": "websocket" if method == WEBSOCKET else "http",
        "method": method,
        "path": path,
        "raw_path": raw.encode("ascii"),
        "query_string": query.encode("ascii"),
        "headers": sent,
        "root_path": "",
        "subprotocols": [],
    }


def _read_header(typed: str) -> tuple[bytes, bytes]:
    found = _HEADER.fullmatch(typed) if len(typed) <= MAX_HEADER_CHARS else None
    if found is None:
        raise typer.BadParameter("write a header as `Name: value`, such as `X-Channel: chat`", param_hint="--header")
    name = found[1].lower()
    if name in {"authorization", "cookie", "proxy-authorization", "dpop", "sec-websocket-protocol"}:
        message = f"`{found[1]}` carries a credential, which a shell's history would keep; give the token with --token"
        raise typer.BadParameter(message, param_hint="--header")
    if name == "authguard-transaction":
        message = (
            f"no transaction is stored here; leave out `{found[1]}`, and suppose one with --state transaction=held"
        )
        raise typer.BadParameter(message, param_hint="--header")
    return name.encode("ascii"), found[2].strip().encode("ascii")


def _read_evidence(policy: Policy, scope: dict[str, Any], operation: Operation) -> Evidence | Reason:
    """Return the evidence of the request without its credential, or why it is refused."""
    places = CredentialReader(policy.credentials, policy.settings.public_url)
    names = (name for one in policy.by_gateway for name in (one.header, one.secret_header))
    wanted = frozenset(name.encode("latin-1") for name in names)
    evidence = EvidenceReader(wanted, places.known).read(scope)
    return evidence if isinstance(evidence, Reason) else places.read(evidence, scope, operation)


def _read_body(policy: Policy, path: Path | None) -> bytes | Reason:
    """Return the content of the body, or why the guard does not read it."""
    if path is None:
        return b""
    content = _read_file(path, policy.budget.body, "--body")
    if len(content) > policy.budget.body:
        return Reason.BODY_TOO_LARGE
    return Reason.BODY_TOO_COMPLEX if exceeds_node_limit(content, policy.budget.nodes) else content


def _read_file(path: Path, most: int, option: str) -> bytes:
    """Return the content of a file, cut one byte after its bound."""
    try:
        with path.open("rb") as file:
            return file.read(most + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise SettingsError(f"{option}: `{path}` cannot be read: {reason}; name a file") from None


def _read_credential(policy: Policy, folder: Path, path: Path | None, at: float) -> tuple[Credential, str]:
    """Return the credential of a token file, and what could not be checked, in words."""
    if path is None:
        return bearer.MISSING, ""
    if not policy.issuers:
        raise SettingsError(f"the policy {policy.name} has no `issuers`, so it reads no token; leave out --token")
    content = _read_file(path, bearer.MAX_HEADER_BYTES, "--token").strip()
    if len(content) > bearer.MAX_HEADER_BYTES:
        return bearer.TOO_LARGE, ""
    if content.startswith(b"{"):
        try:
            claims = parse_object(content)
        except ValueError:
            message = f'--token: `{path}` is no JSON object of claims; write `{{"iss": ..., "sub": ...}}`, or a JWT'
            raise SettingsError(message) from None
        return check_claims(claims, policy.issuers, at), "the file has claims and no token: no signature was checked"
    scheme, _, rest = content.partition(b" ")
    token = rest.strip() if scheme.lower() in _SCHEMES else content
    if not token or not token.isascii() or any(blank in token for blank in b" \t\r\n"):
        raise SettingsError(f"--token: `{path}` holds neither one token nor a JSON object of claims")
    return _check_token(policy, folder, token, at)


def _check_token(policy: Policy, folder: Path, token: bytes, at: float) -> tuple[Credential, str]:
    parsed = parse_compact(token)
    if isinstance(parsed, NotProven):
        return parsed, ""
    issuer = policy.issuers.get(parsed.issuer)
    notes = []
    if issuer is not None and issuer.sender_constraint == "dpop":
        notes.append("the proof of possession was not checked")
    if issuer is not None and issuer.introspection is not None:
        notes.append("the issuer was not asked whether the token is active")
    if issuer is not None and issuer.key_file and not notes:
        found = anyio.run(check_token, {issuer.issuer: issuer}, folder, token, at, dict(os.environ))
        return found, ""
    unchecked = "the signature was not checked: the policy has no key file for this issuer"
    return check_unverified_token(token, policy.issuers, at), "; ".join((unchecked, *notes))
