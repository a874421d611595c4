"""The operation of a request: by its path, with one trailing slash more or less, or none."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.routing import Host

from authguard.core.outcomes import Reason
from authguard.core.request import Match, Operation
from authguard.evaluation.resolver import Resolver
from tests.support.harness import POLICY, policy_of

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


class Resolved:
    """A resolver for a policy, called with only a path."""

    def __init__(self, text: str, own: tuple[Operation, ...] = (), root: str = "", app_root: str = "") -> None:
        policy = policy_of(text)
        self._resolver = Resolver(
            policy.operations,
            policy.otherwise,
            own,
            admits=policy.admits_unnamed,
            hosts=policy.hosts,
            root=root,
            app_root=app_root,
        )

    def route_host(self, host: str) -> None:
        """Set a host that the app routes."""
        self._resolver.set_app_hosts([Host(host, app=Starlette()).host_regex])

    def of_host(self, host: str, path: str, method: str = "GET") -> str:
        """Resolve a request with a host."""
        scope = {"path": path, "root_path": "", "headers": [(b"host", host.encode())] if host else []}
        return name(self._resolver.find(method, path, scope))

    def find(self, method: str, path: str, root_path: str = "") -> Operation | Reason:
        """Resolve a request."""
        scope = {"method": method, "path": path, "root_path": root_path}
        found = self._resolver.find(method, self._resolver.path(scope), scope)
        assert self._resolver.find_exact(scope) in {None, found}
        return found

    def find_socket(self, path: str, root_path: str = "") -> Operation | Reason:
        """Resolve a handshake."""
        scope = {"path": path, "root_path": root_path}
        found = self._resolver.find_socket(self._resolver.path(scope), scope)
        assert self._resolver.find_exact_socket(scope) in {None, found}
        return found

    def find_exact_socket(self, path: str, root_path: str = "") -> Operation | None:
        """Resolve a handshake in one lookup."""
        return self._resolver.find_exact_socket({"path": path, "root_path": root_path})


resolver = Resolved


def name(found: Operation | Reason) -> str:
    """Return the name of the operation, or the code of the reason."""
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
        # both spellings are named, so neither stands for the other
        ("POST", "/items", "add"),
        ("POST", "/items/", "operation-unnamed"),
        # a single slash, and not more
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


@pytest.mark.parametrize(
    "path",
    [
        *("//chat", "/chat//", "/CHAT", "/Chat/", "/./chat", "/x/../chat", "/../chat", "/chat/.", "/chat/x/.."),
        *("/%63hat", "/%2563hat", "/%252563hat", "/chat;x=1", "/chat;", ";/chat", "/chat%3bx", "\\chat", "/\\chat"),
        *("/chat%20", "/ chat", "/\uff43hat", "/cha\u1d57", "/v1/chat", "/api/v1/chat", "http://x/chat", "/chat.json"),
        *(
            "/orders/7/refund.json",
            "/v1/orders/7/refund",
            "/orders/7//refund",
            "/orders/7/REFUND",
            "/orders%2f7%2frefund",
        ),
        *("/.authguard//session", "/v1/files/a", "/a" * 33, "/" + "x" * 1_025),
    ],
)
def test_what_reads_as_a_named_path_is_refused_where_the_unnamed_is_admitted(path: str) -> None:
    own = (Operation(name="authguard.session", match=Match(path="/.authguard/session", method="GET")),)
    found = resolver(ADMITS, own)
    for method in ("POST", "GET", "DELETE"):
        assert name(found.find(method, path)) == "path-lookalike"


@pytest.mark.parametrize("path", ["//live", "/LIVE", "/v1/live", "/live;a", "/%6cive"])
def test_a_handshake_that_reads_as_a_named_one_is_refused_too(path: str) -> None:
    assert name(resolver(ADMITS).find_socket(path)) == "path-lookalike"


@pytest.mark.parametrize(
    "path", ["/export", "/export/x", "/chats", "/chat/more", "/orders//x", "/a.b/c", "/", "", "//"]
)
def test_what_reads_as_nothing_that_is_named_is_admitted_as_the_policy_says(path: str) -> None:
    assert name(resolver(ADMITS).find("POST", path)) == "otherwise"


def test_a_root_path_of_the_apps_own_is_refused_until_the_policy_names_it() -> None:
    unsaid, said = resolver(ADMITS, app_root="/api"), resolver(ADMITS, root="/api", app_root="/api")
    assert name(unsaid.find("POST", "/api/chat")) == "path-lookalike"
    assert name(unsaid.find("POST", "/api/export")) == "path-lookalike"
    assert name(unsaid.find("POST", "/chat")) == "chat"
    # the app strips its root path instead of the server's, so its router sees another path than the server reports
    assert name(unsaid.find("POST", "/x/chat", root_path="/x")) == "path-lookalike"
    assert name(said.find("POST", "/api/chat")) == "chat"
    assert name(said.find("POST", "/chat")) == "chat"
    assert name(said.find("POST", "/api/export")) == "otherwise"
    assert name(said.find("POST", "/x/chat", root_path="/x")) == "path-lookalike"


def test_a_policy_may_still_admit_what_nobody_named() -> None:
    found = resolver(ADMITS)
    assert name(found.find("GET", "/export")) == "otherwise"
    assert name(found.find("PUT", "/chat")) == "operation-unnamed", "a view may ignore the method"
    assert name(found.find_socket("/export")) == "otherwise"
    assert name(found.find("POST", "/chat/")) == "chat"


def test_the_guards_own_operations_come_first_and_are_met_by_their_very_paths() -> None:
    own = Operation(name="authguard.x", match=Match(path="/chat", method="POST"))
    found = resolver(DENY, (own,))
    assert name(found.find("POST", "/chat")) == "authguard.x"
    assert name(found.find("POST", "/chat/")) == "operation-unnamed"


HOSTS = DENY.replace(
    "operations:\n",
    """\
hosts: [shop.test, '*.shop.test', '[::1]']
operations:
  - {name: admin_users, match: {path: /users, method: GET}, hosts: [admin.shop.test], risk: high, effect: read}
  - {name: any_users, match: {path: /users, method: GET}, hosts: ['*.shop.test'], risk: routine, effect: read}
  - {name: only_admin, match: {path: /only, method: GET}, hosts: [admin.shop.test], risk: high, effect: read}
""",
    1,
)


@pytest.mark.parametrize(
    ("host", "path", "expected"),
    [
        ("shop.test", "/healthz", "health"),
        ("SHOP.test:8443", "/healthz", "health"),
        ("[::1]:80", "/healthz", "health"),
        ("a.b.shop.test", "/healthz", "health"),
        *(
            (host, "/healthz", "host-misdirected")
            for host in ("", "evil.test", "evilshop.test", "shop.test.evil", "a b")
        ),
        ("shop.test@evil.test", "/healthz", "host-misdirected"),
        ("admin.shop.test", "/users", "admin_users"),
        ("www.shop.test", "/users", "any_users"),
        ("shop.test", "/users", "host-misdirected"),
        ("admin.shop.test", "/only/", "only_admin"),
        ("www.shop.test", "/only", "host-misdirected"),
        ("www.shop.test", "/nothing", "operation-unnamed"),
    ],
)
def test_an_operation_is_met_by_the_hosts_that_it_names(host: str, path: str, expected: str) -> None:
    assert resolver(HOSTS).of_host(host, path) == expected


@pytest.mark.parametrize("host", ["admin.shop.test.", "Admin.shop.test", "ADMIN.SHOP.TEST:80", "admin.shop.test.:80"])
def test_a_host_that_routers_compare_differently_is_met_by_no_operation(host: str) -> None:
    anywhere = HOSTS.replace("hosts: [shop.test, '*.shop.test', '[::1]']\n", "")
    lax = anywhere.replace("hosts: ['*.shop.test'], ", "")
    assert resolver(lax).of_host(host, "/users") == "host-misdirected"
    assert resolver(lax).of_host("Other.test.", "/users") == "any_users"


def test_a_host_that_the_app_routes_by_itself_meets_only_operations_that_name_it() -> None:
    found = resolver(DENY)
    found.route_host("{sub}.shop.test")
    assert found.of_host("shop.test", "/healthz") == "health"
    assert found.of_host("admin.shop.test", "/healthz") == "host-misdirected"
    assert found.of_host("ADMIN.shop.test:80", "/healthz") == "host-misdirected"
    assert found.of_host("admin.shop.test.", "/healthz") == "host-misdirected"
    named = resolver(HOSTS)
    named.route_host("admin.shop.test")
    assert named.of_host("admin.shop.test", "/users") == "admin_users"
    assert named.of_host("admin.shop.test", "/healthz") == "host-misdirected"
    one = resolver(DENY.replace("operations:", "hosts: [admin.shop.test]\noperations:", 1))
    one.route_host("admin.shop.test")
    assert one.of_host("admin.shop.test", "/healthz") == "health"


def test_a_handshake_to_a_literal_path_takes_one_lookup_unless_more_than_its_path_counts() -> None:
    named = resolver(DENY)
    assert named.find_exact_socket("/talk/") == named.find_socket("/talk/")
    assert named.find_exact_socket("/talk/", root_path="/talk") is None
    for path in ("/talk", "/items", "/elsewhere"):
        assert named.find_exact_socket(path) is None
    assert resolver(DENY, root="/agent").find_exact_socket("/talk/") is None
    assert resolver(DENY, app_root="/v1").find_exact_socket("/talk/") is None
    named.route_host("shop.test")
    assert named.find_exact_socket("/talk/") is None
