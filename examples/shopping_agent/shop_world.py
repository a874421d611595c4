"""Processes and files of the demo: an identity provider, a shop process that can be killed, and an operator's commands.

Rules: every server listens on loopback; every wait is bounded; only processes that were started here are stopped.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx2

if TYPE_CHECKING:
    from authguard.testing import IdentityProvider

HERE: Final = Path(__file__).resolve().parent
#: timeout in seconds for the start of the shop, a command, and a request
BOUND: Final = 120.0
#: seconds after which a purchase without a result is in doubt
LOST: Final = 2
POLICY: Final = """\
# Written by the demo: the example's policy, with the address of the identity provider that the demo started, and with a
# timer short enough to wait for.
authguard: 1
name: shopping-agent-demo
extends: shop.yaml

issuers:
  - {{issuer: {issuer}, audience: shop, algorithms: [ES256], keys: discovery, leeway: 0s}}
budget: {{request: 60s}}
timers:
  - {{event: transaction.lost, after: {lost}s, since: entered, states: [running]}}
"""
_LISTENING: Final = re.compile(r"running on (http://127\.0\.0\.1:\d+)")


class World:
    """Processes and files of the demo."""

    def __init__(self, folder: Path, provider: IdentityProvider) -> None:
        """Write the policy without starting a process.

        Args:
            folder: for policy, store, log and charges.
            provider: the identity provider.
        """
        self.folder = folder
        self.provider = provider
        self._process: subprocess.Popen[bytes] | None = None
        self._address = ""
        (folder / "shop.yaml").write_text((HERE / "policy.yaml").read_text("utf-8"), "utf-8")
        (folder / "policy.yaml").write_text(POLICY.format(issuer=provider.issuer, lost=LOST), "utf-8")
        self.settings = os.environ | {
            "AUTHGUARD_POLICY": str(folder / "policy.yaml"),
            "AUTHGUARD_STORE": str(folder / "authguard.db"),
            "AUTHGUARD_AUDIT_LOG": str(folder / "audit.jsonl"),
            "SHOP_CHARGED": str(folder / "charged.txt"),
        }
        self._token = provider.sign_in(
            "mia",
            audience="shop",
            scope="purchases:write",
            acr="aal2",
            account_status="ok",
            act={"sub": "personal-shopper"},
        )

    def open(self) -> None:
        """Start the shop and wait until it listens.

        Raises:
            RuntimeError: it did not start; its output is in the message.
        """
        words = ["shop_app:app", "--app-dir", str(HERE), "--host", "127.0.0.1", "--port", "0", "--no-access-log"]
        output = self.folder / "shop.txt"
        with output.open("w") as file:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter and the example beside this file
                [sys.executable, "-m", "uvicorn", *words],
                env=self.settings,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + BOUND
        while time.monotonic() < deadline and self._process.poll() is None:
            if found := _LISTENING.search(output.read_text("utf-8")):
                self._address = found.group(1)
                return
            time.sleep(0.05)
        raise RuntimeError(f"the shop did not open:\n{output.read_text('utf-8')[-2_000:]}")

    def kill(self) -> None:
        """Kill the shop, as a power failure would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(BOUND)
            self._process = None

    def buy(self, article: str, total: float, key: str) -> tuple[int, dict[str, Any], bool]:
        """Buy an article as the agent; return the status, the reply, and whether it was repeated."""
        reply = httpx2.post(
            f"{self._address}/purchases",
            json={"article": article, "total": total, "currency": "EUR"},
            headers={**self._token.headers, "Idempotency-Key": key},
            timeout=BOUND,
            trust_env=False,
        )
        return reply.status_code, reply.json(), reply.headers.get("idempotency-replayed") == "true"

    def command(self, *words: str) -> str:
        """Run `authguard` as an operator in a second terminal; return its output."""
        done = subprocess.run(  # noqa: S603 - this interpreter's own console script
            [sys.executable, "-c", "from authguard.cli import main; main()", *words],
            env=self.settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=BOUND,
            check=False,
        )
        return done.stdout.strip()

    def charged(self) -> list[str]:
        """Return the charges so far."""
        path = self.folder / "charged.txt"
        return path.read_text("utf-8").splitlines() if path.exists() else []
