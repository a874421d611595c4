"""Middleware of others outside the guard: what it sees in Litestar, and what it traces and counts by route."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from fastapi import FastAPI
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_fastapi_instrumentator import Instrumentator
from starlette_exporter import PrometheusMiddleware

from authguard import AuthGuard
from authguard.testing import FakeClock, Mint
from tests.differential.outer.comparison import HTTP, LIVE, differences
from tests.differential.outer.policy import POLICY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ROUTE = "/items/{item_id}"


class Desk:
    """A FastAPI app behind the guard, and what its middleware outside has measured."""

    def __init__(self, folder: Path) -> None:
        clock = FakeClock()
        mint = Mint.create(clock)
        (folder / "keys.json").write_text(json.dumps(mint.jwks("ES256")), "utf-8")
        (folder / "policy.yaml").write_text(POLICY, "utf-8")
        self.token = mint.mint(acr="aal2")
        self.log = folder / "audit.jsonl"
        self.spans = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.spans))
        self.metrics = InMemoryMetricReader()
        self.meters = MeterProvider([self.metrics])
        self.app = FastAPI()

        @self.app.get(ROUTE)
        async def item(item_id: int) -> int:
            return item_id

        self.app.add_middleware(
            AuthGuard, policy=folder / "policy.yaml", store="memory", audit_log=self.log, clock=clock, environ={}
        )

    async def ask(self, app: Any, headers: Mapping[str, str] | None = None) -> None:
        """Ask thrice, so that the last decisions are those of the cache."""
        given = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://agent.test") as client:
            for number in (7, 8, 9):
                answer = await client.get(f"/items/{number}", headers=given)
                assert (answer.status_code, answer.json()) == (200, number)

    def measured(self, name: str) -> list[Mapping[str, Any]]:
        """Return the attributes under which a metric was counted."""
        data: Any = self.metrics.get_metrics_data()
        metrics = [
            one
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for one in scope.metrics
            if one.name == name
        ]
        return [point.attributes for one in metrics for point in one.data.data_points]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


async def test_a_middleware_outside_litestar_sees_what_it_would_see_without_the_guard(tmp_path: Path) -> None:
    found = await differences("litestar", (*HTTP, *LIVE[:3]), tmp_path)
    assert not found, "\n".join(found)


async def test_opentelemetry_of_fastapi_counts_by_route(desk: Desk) -> None:
    FastAPIInstrumentor.instrument_app(desk.app, tracer_provider=desk.tracers, meter_provider=desk.meters)
    await desk.ask(desk.app)
    assert {point["http.target"] for point in desk.measured("http.server.duration")} == {ROUTE}
    assert {span.attributes["http.route"] for span in desk.spans.get_finished_spans() if not span.parent} == {ROUTE}


async def test_opentelemetry_of_asgi_counts_by_route(desk: Desk) -> None:
    app = OpenTelemetryMiddleware(desk.app, tracer_provider=desk.tracers, meter_provider=desk.meters)
    await desk.ask(app)
    assert {point["http.target"] for point in desk.measured("http.server.duration")} == {ROUTE}


async def test_the_records_name_the_traces_of_opentelemetry(desk: Desk) -> None:
    app = OpenTelemetryMiddleware(desk.app, tracer_provider=desk.tracers, meter_provider=desk.meters)
    await desk.ask(app)
    await desk.ask(app, {"traceparent": f"00-{'4b' * 16}-00f067aa0ba902b7-01"})
    traced = [span.context.trace_id for span in desk.spans.get_finished_spans() if span.kind is SpanKind.SERVER]
    records = [json.loads(line) for line in desk.log.read_text("utf-8").splitlines()]
    recorded = [record["trace_id"] for record in records if record["kind"] == "decision"]
    assert recorded == [f"{one:032x}" for one in traced]
    assert len(set(recorded)) == 4, "each of the first three has its own, the others that of their header"


async def test_prometheus_of_fastapi_counts_by_route(desk: Desk) -> None:
    registry = CollectorRegistry()
    Instrumentator(registry=registry).instrument(desk.app)
    await desk.ask(desk.app)
    counted = {"handler": ROUTE, "method": "GET", "status": "2xx"}
    assert registry.get_sample_value("http_requests_total", counted) == 3


async def test_prometheus_of_starlette_counts_by_route(desk: Desk) -> None:
    desk.app.add_middleware(PrometheusMiddleware, app_name="desk")
    await desk.ask(desk.app)
    counted = {"app_name": "desk", "method": "GET", "path": ROUTE, "status_code": "200"}
    assert REGISTRY.get_sample_value("starlette_requests_total", counted) == 3
