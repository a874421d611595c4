"""Attacks by the host that a request names, by which an app may route (RFC 9110 7.2)."""

from __future__ import annotations

import authguard
from tests.attacks.harness import Site, attack, http_request, send_raw
from tests.attacks.harness_ways import POLICY, plain_app, records

SERVED = """\
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Route

from authguard import AuthGuard


async def health(request):
    return PlainTextResponse("up")


async def secrets(request):
    return PlainTextResponse("everything")


inside = Starlette(routes=[Route("/healthz", secrets)])
app = AuthGuard(
    Starlette(routes=[Host("admin.test", inside), Route("/healthz", health)]),
    "policy.yaml",
    store="memory",
    audit_log="audit.jsonl",
)
"""


@attack(13)
def a_route_of_another_host_is_judged_as_a_public_one(site: Site) -> None:
    """Name a host that the app routes by itself, where the path of a public operation is another handler's."""
    site.policy(POLICY)
    with site.served(SERVED) as port:
        plain = send_raw(port, http_request("GET", "/healthz"))
        inside = send_raw(port, http_request("GET", "/healthz", host="Admin.test:80"))
    assert (plain.status, plain.body) == (200, b"up"), f"the public route answers {plain.status}"
    assert inside.body != b"everything", "the handler of another host ran, judged as public"
    assert inside.status == 421, f"the answer is {inside.status}"
    assert records(site, "host-misdirected") == 1, "the refusal is not recorded"


@attack(13)
def a_host_that_is_not_ours_is_served(site: Site) -> None:
    """Name a host that the policy does not list (before `hosts` was a key, no policy could list one)."""
    try:
        site.policy(POLICY.replace("operations:", "hosts: [agent.test]\noperations:", 1))
        site.guard(plain_app([]))
    except authguard.PolicyError:
        site.policy(POLICY)
    with site.served(SERVED) as port:
        ours = send_raw(port, http_request("GET", "/healthz"))
        others = [
            send_raw(port, http_request("GET", "/healthz", host=host)) for host in ("evil.test", "agent.test.evil")
        ]
    assert ours.status == 200, f"our own host gets {ours.status}"
    assert [one.status for one in others] == [421, 421], f"the answers are {[one.status for one in others]}"
