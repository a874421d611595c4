"""Which operation a request is judged as: by its name, by one slash more or less, or as none at all."""

from __future__ import annotations

import pytest

from authguard.asgi.resolver import Resolver
from authguard.core.facts import Match, Operation
from authguard.core.outcomes import Reason
from tests.kit import POLICY, policy_of

DENY = POLICY.replace("otherwise: {risk: sensitive, effect: write}", "otherwise: deny").replace(
    "operations:\n",
    """\
operations:
  - {name: shop, match: {path: /shop/, method: GET}, risk: public, effect: read}
  - {name: list, match: {path: /items, method: GET}, risk: routine, effect: read}
  - {name: list_all, match: {path: /items/, method: GET}, risk: routine, effect: read}
  - {name: add, match: {path: /items, method: POST}, risk: routine, effect: write}
  - {name: files, match: {path: '/files/{rest:path}', method: GET}, risk: routine, effect: read}
  - {name: live_slash, match: {websocket: /talk/}, risk: routine, effect: read}
""",
)
ADMITS = DENY.replace("otherwise: deny", "otherwise: {risk: sensitive, effect: write}")


def resolver(text: str, own: tuple[Operation, ...] = ()) -> Resolver:
    """Return what resolves requests under a policy."""
    policy = policy_of(text)
    return Resolver(policy.operations, policy.otherwise, own, admits=policy.admits_unnamed)


def name(found: Operation | Reason) -> str:
    """Return the name of what was found, or the code of the reason."""
    return found.code if isinstance(found, Reason) else found.name


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("POST", "/chat", "chat"),
        ("POST", "/chat/", "chat"),
        ("GET", "/shop", "shop"),
        ("HEAD", "/shop", "shop"),
        ("POST", "/orders/7/refund/", "refund"),
        ("GET", "/items", "list"),
        ("GET", "/items/", "list_all"),
        ("GET", "/files", "files"),
        ("GET", "/files/a/", "files"),
        # two spellings are named: neither is the other
        ("POST", "/items", "add"),
        ("POST", "/items/", "operation-unnamed"),
        # one slash, and no more than that
        ("POST", "/chat//", "operation-unnamed"),
        ("POST", "//chat", "operation-unnamed"),
        ("POST", "/CHAT", "operation-unnamed"),
        ("POST", "/orders//refund", "operation-unnamed"),
        ("GET", "/chat", "operation-unnamed"),
        ("GET", "/chat/", "operation-unnamed"),
        ("GET", "/", "operation-unnamed"),
        ("GET", "", "operation-unnamed"),
        ("OPTIONS", "/chat", "operation-unnamed"),
        ("GET", "/live", "operation-unnamed"),
        ("post", "/chat", "request-malformed"),
        ("POST", "/chat\n", "request-malformed"),
        ("websocket", "/live", "request-malformed"),
    ],
)
def test_what_is_not_named_is_refused(method: str, path: str, expected: str) -> None:
    assert name(resolver(DENY).find(method, path)) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/live", "live"),
        ("/live/", "live"),
        ("/talk", "live_slash"),
        ("/chat", "operation-unnamed"),
        ("/live//", "operation-unnamed"),
        ("/live\r", "request-malformed"),
    ],
)
def test_a_handshake_is_resolved_alike(path: str, expected: str) -> None:
    assert name(resolver(DENY).find_socket(path)) == expected


def test_a_policy_may_still_admit_what_nobody_named() -> None:
    found = resolver(ADMITS)
    assert name(found.find("GET", "/export")) == "otherwise"
    assert name(found.find("PUT", "/chat")) == "otherwise"
    assert name(found.find_socket("/export")) == "otherwise"
    assert name(found.find("POST", "/chat/")) == "chat"


def test_the_guards_own_operations_come_first_and_are_met_by_their_very_paths() -> None:
    own = Operation(name="authguard.x", match=Match(path="/chat", method="POST"))
    found = resolver(DENY, (own,))
    assert name(found.find("POST", "/chat")) == "authguard.x"
    assert name(found.find("POST", "/chat/")) == "operation-unnamed"
