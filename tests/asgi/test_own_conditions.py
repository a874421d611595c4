"""A header of a condition over HTTP counts once, and only with the secret of its gateway."""

from __future__ import annotations

import httpx2
import pytest

from tests.asgi.shop import Shop
from tests.support.harness import POLICY

SECRET = "s3cret-of-the-gateway-0123456789abcdef"
SEGMENT = """
conditions:
  segment:
    from: {header: X-Segment, secret_header: X-Segment-Secret, secret_env: SEGMENT_SECRET}
    values: [vip]
    default: plain
decisions:
  - {phase: service, when: {service: live, risk: public, segment: plain}, do: refuse}
"""
PROVEN = ("X-Segment-Secret", SECRET)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([("X-Segment", "vip"), PROVEN], 200),
        ([("x-segment", "vip"), ("x-segment-secret", SECRET)], 200),
        ([], 403),
        ([("X-Segment", "vip")], 403),
        ([PROVEN], 403),
        ([("X-Segment", "vip"), ("X-Segment-Secret", SECRET[:-1])], 403),
        ([("X-Segment", "vip"), PROVEN, PROVEN], 403),
        ([("X-Segment", "vip"), ("X-Segment", "vip"), PROVEN], 403),
        ([("X-Segment", "vip"), ("X-Segment", "plain"), PROVEN], 403),
        ([("X-Segment", "vip" + " " * 600), PROVEN], 403),
        ([("X-Segment", "vip" * 5_000), PROVEN], 403),
        ([("X-Segment", "VIP"), PROVEN], 403),
        ([("X_Segment", "vip"), PROVEN], 403),
    ],
)
async def test_a_header_counts_once_and_with_the_secret_of_its_gateway(
    headers: list[tuple[str, str]], status: int
) -> None:
    shop = Shop(POLICY + SEGMENT, condition_secrets={"segment": (SECRET.encode(),)})
    transport = httpx2.ASGITransport(shop.app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://shop.test") as client:
        for _ in range(2):  # the second answer may be a cached one
            answer = await client.get("/healthz", headers=headers)
            assert answer.status_code == status
