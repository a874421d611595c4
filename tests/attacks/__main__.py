"""Runs every attack against a checkout: `python -m tests.attacks --src PATH`; exit 1 when one gets through.

Each runs in a process of its own, in which `authguard` is the one of `PATH/src`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Final

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parents[1]
ATTACK_TIMEOUT_S: Final = 600
THROUGH: Final = 1


def load() -> None:
    """Import every module of attacks, which registers them."""
    for module in iter_modules([str(HERE)]):
        if not module.name.startswith(("__", "test_", "harness")):
            import_module(f"tests.attacks.{module.name}")


def run_one(name: str, folder: Path) -> int:
    """Run one attack here.

    Returns:
        0 when it was stopped, 1 when it got through.
    """
    from tests.attacks.harness import ATTACKS, Site  # noqa: PLC0415 - only with the checkout's `authguard` on the path

    module, _, _ = name.partition(":")
    import_module(f"tests.attacks.{module}")
    try:
        ATTACKS[name].run(Site(folder))
    except AssertionError as error:
        print(str(error).splitlines()[0] if str(error) else "assertion failed")
        return THROUGH
    return 0


def start(name: str, checkout: Path) -> tuple[str, int, str]:
    """Run one attack in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="authguard-attack-") as folder:
        environ = dict(os.environ) | {"PYTHONPATH": f"{checkout / 'src'}{os.pathsep}{ROOT}"}
        done = subprocess.run(
            [sys.executable, "-m", "tests.attacks", "--one", name, "--folder", folder],
            cwd=ROOT,
            env=environ,
            capture_output=True,
            text=True,
            timeout=ATTACK_TIMEOUT_S,
            check=False,
        )
    last = (done.stdout.strip() or done.stderr.strip() or "").splitlines()
    return name, done.returncode, last[-1] if last else ""


def main() -> int:
    """Parse the command line and run what it names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--src", type=Path, default=ROOT, help="the checkout to attack; this one unless given")
    parser.add_argument("--issue", type=int, default=0, help="only the rows of one issue")
    parser.add_argument("--only", default="", help="only rows whose name holds this")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--one", default="", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        return run_one(given.one, given.folder)
    sys.path.insert(0, str(given.src.resolve() / "src"))
    load()
    from tests.attacks.harness import ATTACKS  # noqa: PLC0415 - only with the checkout's `authguard` on the path

    chosen = [a.name for a in ATTACKS.values() if given.only in a.name and given.issue in {0, a.issue}]
    through = 0
    with ThreadPoolExecutor(given.jobs) as pool:
        for name, code, words in pool.map(lambda one: start(one, given.src.resolve()), chosen):
            through += bool(code)
            mark = "stopped" if not code else "THROUGH" if code == THROUGH else "BROKE"
            print(
                f"{mark:8} {ATTACKS[name].issue:3} {name:58} {ATTACKS[name].words if not code else words}", flush=True
            )
    print(f"{len(chosen) - through} of {len(chosen)} attacks are stopped")
    return 1 if through or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
