"""The demo: an agent buys within its limits; over them a person decides; no purchase runs twice.

Run it from the repository's root: ``python examples/shopping_agent/shop_demo.py``. It starts an identity provider and
the shop, compares every line with the policy, verifies the log, and exits with 1 if a line differs.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import httpx2
from shop_world import BOUND, LOST, World

from authguard.testing import IdentityProvider

WAIT: Final = 0.05


class Stage:
    """Prints each line and counts the lines that differ from the policy."""

    def __init__(self) -> None:
        """Start without lines."""
        self.lines = 0
        self.wrong = 0

    def line(self, what: str, got: object, wanted: object) -> None:
        """Compare one line."""
        self.lines += 1
        if got == wanted:
            print(f"  ok {what}: {got}")
            return
        self.wrong += 1
        print(f"  NO {what}: {got!r}, and the policy says {wanted!r}")

    @staticmethod
    def scene(what: str) -> None:
        """Start a scene."""
        print(what)


def in_limit(stage: Stage, world: World) -> None:
    """A purchase within the limits runs immediately."""
    stage.scene("a purchase within the limits")
    status, answer, _ = world.buy("a kettle", 40, "mia-1")
    wanted = {"bought": "a kettle", "for": "mia", "by": "personal-shopper"}
    stage.line("the agent buys a kettle for 40 EUR", (status, answer), (200, wanted))


def repeated(stage: Stage, world: World) -> None:
    """A repeated purchase gets the first response."""
    stage.scene("the same purchase again")
    before = world.charged()
    status, answer, again = world.buy("a kettle", 40, "mia-1")
    stage.line("it gets the first answer", (status, answer["bought"], again), (200, "a kettle", True))
    stage.line("another amount under the same key", world.buy("a kettle", 41, "mia-1")[0], 422)
    stage.line("nothing more was charged", world.charged(), before)


def held(stage: Stage, world: World) -> None:
    """A purchase over the limits waits for a supervisor, who approves in a second terminal."""
    stage.scene("a purchase over the limits, which a supervisor approves in a second terminal")
    status, answer, _ = world.buy("a bicycle", 200, "mia-2")
    name = answer["next"]["transaction"]
    stage.line("the agent wants a bicycle for 200 EUR", (status, answer["outcome"]), (202, "hold"))
    listed = json.loads(world.command("transactions", "list", "--json"))
    waits = [(one["transaction"], one["operation"], one["state"]) for one in listed]
    stage.line("the supervisor sees it in the list", waits, [(name, "purchase", "held")])
    shown = world.command("transactions", "show", name)
    stage.line("and what was asked", [part in shown for part in ('"a bicycle"', "200", '"EUR"')], [True] * 3)
    stage.line("asked again, it still waits", world.buy("a bicycle", 200, "mia-2")[0], 202)
    output = world.command("transactions", "approve", name, "--by", "Sam", "--reason", "mia called", "--json")
    stage.line("Sam approves", json.loads(output)["state"], "approved")
    stage.line("the agent buys it", world.buy("a bicycle", 200, "mia-2")[0], 200)
    stage.line("and buys it once", world.buy("a bicycle", 200, "mia-2")[2], True)
    stage.line("the bank has charged", world.charged(), ["40 EUR a kettle", "200 EUR a bicycle"])


def altered(stage: Stage, world: World) -> None:
    """A purchase that was changed after its approval is refused."""
    stage.scene("a purchase that was changed after the approval")
    before = world.charged()
    name = world.buy("a tent", 160, "mia-3")[1]["next"]["transaction"]
    output = world.command("transactions", "approve", name, "--by", "Sam", "--reason", "fine", "--json")
    stage.line("a tent for 160 EUR is approved", json.loads(output)["state"], "approved")
    stage.line("the agent asks for 1600 EUR instead", world.buy("a tent", 1600, "mia-3")[0], 403)
    stage.line("the approval is void", world.buy("a tent", 160, "mia-3")[0], 403)
    stage.line("nothing more was charged", world.charged(), before)


def killed(stage: Stage, world: World) -> None:
    """A purchase whose process was killed is in doubt, and a person settles it."""
    stage.scene("the process is killed in the middle of a purchase, and a person settles it")

    def buy() -> None:
        with suppress(httpx2.HTTPError):
            world.buy("a piano", 120, "mia-4")

    before = len(world.charged())
    agent = threading.Thread(target=buy)
    agent.start()
    deadline = time.monotonic() + BOUND
    while len(world.charged()) == before and time.monotonic() < deadline:
        time.sleep(WAIT)
    world.kill()
    agent.join(BOUND)
    stage.line("the money had left", world.charged()[-1], "120 EUR a piano")
    world.open()
    time.sleep(LOST + 1)
    status, answer, _ = world.buy("a piano", 120, "mia-4")
    stage.line("the agent asks again, and gets a person", (status, answer["outcome"]), (403, "handoff"))
    (listed,) = json.loads(world.command("transactions", "list", "--state", "in_doubt", "--json"))
    name = listed["transaction"]
    stage.line("it is unknown whether it ran", listed["state"], "in_doubt")
    output = world.command(
        "transactions", "settle", name, "done", "--by", "Kim", "--reason", "the bank has it", "--json"
    )
    stage.line("Kim asks the bank, and settles it", json.loads(output)["state"], "done")
    stage.line("the agent asks again, and it is done", world.buy("a piano", 120, "mia-4")[::2], (200, True))
    stage.line("the bank has charged it once", world.charged().count("120 EUR a piano"), 1)


def log(stage: Stage, world: World) -> None:
    """The log names the approvers, and verifies."""
    stage.scene("the log")
    # each process writes a separate chain
    written = "".join(chain.read_text("utf-8") for chain in sorted(world.folder.glob("audit*.jsonl")))
    found = ["mia called" in written, "the bank has it" in written, '"by":"Sam"' in written.replace(" ", "")]
    stage.line("it names who decided, and the reason", found, [True] * 3)
    output = world.command("audit", "verify", "--log", str(world.folder / "audit.jsonl"))
    stage.line("it verifies", ": ok" in output, True)


def main() -> int:
    """Run every scene; return 1 if a line differs from the policy."""
    base = Path("var")
    base.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="shop-", dir=base)).resolve()
    stage = Stage()
    with IdentityProvider() as provider:
        world = World(folder, provider)
        try:
            world.open()
            for scene in (in_limit, repeated, held, altered, killed, log):
                scene(stage, world)
        finally:
            world.kill()
    print(f"{stage.lines} lines, {stage.wrong} not as the policy says")
    return 1 if stage.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
