"""The demo: customers run through every outcome of a sign-in over real HTTP and WebSockets.

Run it from the repository's root: ``python examples/support_desk/demo.py``. It starts an identity provider, a back
office and the desk, compares every line with the policy, verifies the log, and exits with 1 if a line differs.
"""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import operations
import proofs
import refunds
import sign_ins
from moved import follow
from rich.console import Console
from stage import Stage
from world import MOVED, world

if TYPE_CHECKING:
    from types import FrameType

#: the first scene needs a guard without any fetched key; the last two inspect the results of the others
SCENES: Final = (
    sign_ins.keys_out_of_reach,
    sign_ins.no_sign_in,
    sign_ins.signed_in,
    sign_ins.run_out,
    sign_ins.idle,
    sign_ins.forged,
    sign_ins.signed_out,
    proofs.passes,
    proofs.doubt,
    proofs.failure,
    proofs.service_down,
    proofs.accounts,
    refunds.step_up,
    refunds.simultaneous,
    refunds.limits,
    refunds.degraded,
    operations.streams,
    operations.unnamed,
    operations.for_somebody_else,
    operations.nonsense,
    operations.rolled_back,
    operations.people,
)
#: width of the table without a terminal
WIDTH: Final = 150


def main() -> int:
    """Run every scene and return the exit code."""
    signal.signal(signal.SIGTERM, _stop)
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    began = time.monotonic()
    var = Path("var")
    var.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="demo-", dir=var))
    console.print(
        f"An identity provider, a back office and a guarded agent start; what they keep is in {folder}", highlight=False
    )
    follow(folder / MOVED)
    with world(folder) as made:
        stage = Stage(made, console)
        for scene in SCENES:
            scene(stage)
        stage.scene("the log")
        code, verified = made.command("audit", "verify")
        stage.act("`authguard audit verify`", also={f"exit code 0, not {code}": code == 0})
        text = made.log.text()
        stage.act(
            f"none of the {len(stage.tokens)} credentials that were sent is in the log",
            also={"none is": not any(token in text for token in stage.tokens)},
        )
    console.print(stage.table())
    console.print(verified, highlight=False, soft_wrap=True)
    wrong = sum(bool(line.wrong) for line in stage.lines)
    seconds = time.monotonic() - began
    console.print(
        f"{len(stage.lines)} lines, {wrong} not as the policy says; {seconds:.0f} s", style="red" if wrong else "green"
    )
    console.print(_further(folder), highlight=False, soft_wrap=True)
    return 1 if wrong else 0


def _further(folder: Path) -> str:
    """Return the list of files and commands to try next."""
    command = Path(sys.executable).with_name("authguard")
    inside = command.is_relative_to(Path.cwd())
    authguard = command.relative_to(Path.cwd()) if inside else command
    where = f"--policy {folder}/policy.yaml --store {folder}/authguard.db"
    return f"""
Look further:
  {authguard} audit tail --log {folder}/audit.jsonl
  {authguard} audit verify --log {folder}/audit.jsonl
  {authguard} rollback status {where}
  {authguard} handoff list {where}
  {authguard} policy check {folder}/policy.yaml
  {authguard} policy test support-desk
and examples/support_desk/README.md talks to the desk by hand."""


def _stop(number: int, _: FrameType | None) -> None:
    """Exit normally on a signal, so that child processes are stopped."""
    raise SystemExit(128 + number)


if __name__ == "__main__":
    raise SystemExit(main())
