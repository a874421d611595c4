"""The benchmark of the stores runs once with tiny counts; what its times are worth is not checked here."""

from __future__ import annotations

from benchmarks.stores import by_sessions, commits_together


async def test_reads_and_commits_are_timed_at_every_size() -> None:
    lines = await by_sessions((3, 6), sample=2)

    assert sorted(lines) == [
        f"{store}: {operation}" for store in ("SQLite", "memory") for operation in ("change", "new customer", "read")
    ]
    assert all([number for number, _ in line] == [3, 6] for line in lines.values())
    assert all(cost > 0 for line in lines.values() for _, cost in line)


async def test_commits_that_wait_together_are_timed() -> None:
    line = await commits_together((1, 3), rounds=1)

    assert [number for number, _ in line] == [1, 3]
    assert all(cost > 0 for _, cost in line)
