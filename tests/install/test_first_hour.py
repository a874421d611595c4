"""`scripts/first_hour.sh` goes from the wheel to a guarded chat, within its limit, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

from tests.install.conftest import LIMIT, ROOT

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = ROOT / "scripts" / "first_hour.sh"


def test_from_the_wheel_to_a_guarded_chat(wheel: Path, tmp_path: Path) -> None:
    done = subprocess.run(  # noqa: S603 - the project's own script
        [str(SCRIPT), str(wheel)],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "TMPDIR": str(tmp_path),
            "PIP_CONSTRAINT": str(ROOT / "constraints.txt"),
            **{name: value for name, value in os.environ.items() if name.startswith("PIP_INDEX")},
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    for line in (
        "accepted: a person",
        "refused: audience-wrong",
        "access-token: 200",
        "id-token: 401",
        "no credential: 401",
    ):
        assert line in done.stdout
    assert re.search(r"verified: \d+ lines in 1 chain", done.stdout)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("tmp.")] == []
