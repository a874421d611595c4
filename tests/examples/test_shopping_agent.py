"""`examples/shopping_agent`: its demo shows every purchase as the policy says, and its app asks for nothing itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SHOP = Path(__file__).parents[2] / "examples" / "shopping_agent"
SCENES = (
    "a purchase within the limits",
    "the same purchase again",
    "a purchase over the limits, which a supervisor approves in a second terminal",
    "a purchase that was changed after the approval",
    "the process is killed in the middle of a purchase, and a person settles it",
    "the log",
)


def test_the_demo_shows_every_purchase_as_the_policy_says(tmp_path: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AUTHGUARD_")}
    done = subprocess.run(  # noqa: S603 - the example's own demo
        [sys.executable, str(SHOP / "shop_demo.py")],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert [line for line in lines if not line.startswith("  ")][:-1] == list(SCENES)
    assert lines[-1] == f"{sum(line.startswith('  ok ') for line in lines)} lines, 0 not as the policy says"
