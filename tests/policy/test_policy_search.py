"""The search for policies below a folder ends, follows no link out of it, and says what it did not search."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest

from authguard.policy.checks import policy_search
from authguard.policy.checks.policy_search import MAX_DEPTH, MAX_ENTRIES, find_policies

ROOT = Path(__file__).parents[2]


def make(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((ROOT / "policies/support-desk/policy.yaml").read_bytes())


def test_a_link_is_followed_only_to_a_policy_below_the_folder(tmp_path: Path) -> None:
    folder, outside = tmp_path / "mine", tmp_path / "other/policy.yaml"
    make(folder / "a/policy.yaml", folder / "b/real.yaml", outside)
    (folder / "b/policy.yaml").symlink_to("real.yaml")
    (folder / "out").mkdir()
    (folder / "out/policy.yaml").symlink_to(outside)
    (folder / "loop").symlink_to(folder)
    (folder / "away").symlink_to(outside.parent)
    (folder / "c").mkdir()
    (folder / "c/policy.yaml").symlink_to("policy.yaml")
    search = find_policies(folder)
    assert search.found == tuple(folder / name / "policy.yaml" for name in "abc")
    assert search.skipped == (
        f"`{folder / 'away'}`: it links to a place outside `{folder}`",
        f"`{folder / 'out/policy.yaml'}`: it links to a place outside `{folder}`",
    )
    assert not search.limit


def test_what_is_too_deep_is_named(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d"] * (MAX_DEPTH + 1))
    make(deep / "policy.yaml")
    search = find_policies(tmp_path)
    assert (search.found, search.limit) == ((), "")
    assert len(search.skipped) == 1
    assert f"more than {MAX_DEPTH} levels" in search.skipped[0]


def test_the_search_ends_at_its_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(*(tmp_path / str(number) / "policy.yaml" for number in range(5)))
    assert f"{MAX_ENTRIES:,}" in "200,000"
    ticks = count(0, 6)
    assert "seconds" in find_policies(tmp_path, timer=lambda: float(next(ticks))).limit
    monkeypatch.setattr(policy_search, "MAX_POLICIES", 3)
    assert find_policies(tmp_path).limit == "more than 3 policies"
    monkeypatch.setattr(policy_search, "MAX_ENTRIES", 4)
    monkeypatch.setattr(policy_search, "MAX_POLICIES", 9)
    assert find_policies(tmp_path).limit == "more than 4 files and folders"


def _run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - this interpreter and this package
        [sys.executable, "-m", "tests.support.without_privilege", "tests.support.command_line", "policy", *words],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_a_folder_with_everything_that_a_folder_can_hold_is_checked(tmp_path: Path) -> None:
    make(tmp_path / "good/policy.yaml")
    for name in ("pipe", "socket", "huge", "loop", "shut", "folder"):
        (tmp_path / name).mkdir()
    os.mkfifo(tmp_path / "pipe/policy.yaml")
    (tmp_path / "folder/policy.yaml").mkdir()
    (tmp_path / "loop/policy.yaml").symlink_to("policy.yaml")
    with (tmp_path / "huge/policy.yaml").open("wb") as file:
        file.truncate(1 << 30)
    with socket.socket(socket.AF_UNIX) as listener:
        place = os.open(tmp_path / "socket", os.O_RDONLY)
        listener.bind(f"/proc/self/fd/{place}/policy.yaml")
        os.close(place)
        (tmp_path / "shut").chmod(0)
        done = _run(tmp_path, "check", ".")
        (tmp_path / "shut").chmod(0o700)
    assert done.returncode == 3, done.stderr
    assert done.stderr == "not searched: `shut`: Permission denied\n"
    for line in (
        "folder/policy.yaml: error[file-missing]: `folder/policy.yaml` is no file",
        "pipe/policy.yaml: error[file-missing]: `pipe/policy.yaml` is no file",
        "socket/policy.yaml: error[file-missing]: `socket/policy.yaml` is no file",
        "huge/policy.yaml:1:1: error[file-too-large]",
        "loop/policy.yaml: error[file-missing]",
        "good/policy.yaml: each of",
    ):
        assert line in done.stdout


@pytest.mark.parametrize(
    "words", [("check", "/"), ("test", "/"), ("check", "~"), ("test", "~"), ("check", "/dev/zero")]
)
def test_the_whole_disk_is_answered(words: tuple[str, ...], tmp_path: Path) -> None:
    done = _run(tmp_path, *words)
    assert done.returncode in {0, 3}
    assert "Traceback" not in done.stderr
    if words == "check /":
        assert "not searched: `/proc`" in done.stderr
