"""The configurations on the deploying page have the syntax of their programs, and name what exists."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from authguard.policy.compiler import load
from authguard.policy.loading import locator

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "deploying.md").read_text("utf-8")
BLOCKS = dict(re.findall(r"^```\w+\n# ([\w.]+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
INSTRUCTIONS = {
    *("FROM", "RUN", "WORKDIR", "COPY", "ENV", "VOLUME", "USER", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "CMD"),
    *("ENTRYPOINT", "ARG", "LABEL", "ADD", "SHELL"),
}


def test_the_page_has_each_configuration() -> None:
    assert set(BLOCKS) == {"nginx.conf", "Caddyfile", "envoy.yaml", "Dockerfile", "shop.service"}


@pytest.mark.parametrize("name", ["nginx.conf", "Caddyfile"])
def test_braces_are_balanced_and_statements_end(name: str) -> None:
    depth = 0
    for line in BLOCKS[name].splitlines():
        code = re.sub(r"\s#.*", "", line).strip()
        depth += code.count("{") - code.count("}")
        assert depth >= 0
        if name == "nginx.conf" and code:
            assert code.endswith(("{", "}", ";")), line
    assert depth == 0


def test_envoy_is_yaml_with_a_listener_and_a_cluster_that_its_route_names() -> None:
    found = YAML(typ="safe").load(BLOCKS["envoy.yaml"])["static_resources"]
    manager = found["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    route = manager["route_config"]["virtual_hosts"][0]["routes"][0]["route"]
    assert route["cluster"] == found["clusters"][0]["name"]
    assert manager["max_request_headers_kb"] >= 32


def test_the_image_runs_without_root_and_writes_in_its_volume_only() -> None:
    text = BLOCKS["Dockerfile"].replace("\\\n", " ")
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    assert {word for word, _ in lines} <= INSTRUCTIONS
    values = {word: rest for word, rest in lines if word in {"VOLUME", "USER", "ENV"}}
    assert values["USER"] not in {"0", "root"}
    places = re.findall(r"AUTHGUARD_(?:STORE|AUDIT_LOG)=(\S+)", values["ENV"])
    assert len(places) == 2
    assert all(place.startswith(f"{values['VOLUME']}/") for place in places)


def test_the_unit_keeps_its_files_in_its_state_folder() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # names of systemd have capitals
    unit.read_string(BLOCKS["shop.service"])
    assert set(unit.sections()) == {"Unit", "Service", "Install"}
    assert BLOCKS["shop.service"].count("=/var/lib/shop/") == 2
    grace = re.search(r"--timeout-graceful-shutdown (\d+)", unit["Service"]["ExecStart"])
    assert grace is not None
    assert int(unit["Service"]["TimeoutStopSec"]) > int(grace[1])


def test_the_rotation_of_the_page_is_accepted(tmp_path: Path) -> None:
    audit = re.search(r"`(audit: \{.*?\}, retention: \w+\})`", PAGE)
    assert audit is not None
    source = (locator.shipped_policies()["support-desk"]).parent / "policy.yaml"
    text = re.sub(r"^audit:.*?(?=^\S|\Z)", "", source.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    (tmp_path / "policy.yaml").write_text(f"{text}\n{audit[1]}\n", "utf-8")
    assert load(tmp_path / "policy.yaml").audit.retention == 90 * 86_400


@pytest.mark.parametrize("rate", [1, 10, 100])
def test_the_sizes_follow_from_the_measured_record(rate: int) -> None:
    row = re.search(rf"^\| {rate} \| ([\d.]+) (MB|GB) \|", PAGE, re.MULTILINE)
    assert row is not None
    shown = float(row[1]) * {"MB": 1e6, "GB": 1e9}[row[2]]
    assert abs(shown - rate * 670 * 86_400) < 0.02 * shown
