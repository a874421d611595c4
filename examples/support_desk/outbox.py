"""Delivery of one-time codes: `policy.yaml` names `outbox:send`; the guard generates, stores and checks the codes.

This example writes codes to a file, which represents the customers' telephones. A deployment passes them to its
messaging provider and stores none.
"""

from __future__ import annotations

import json
import os
from pathlib import Path


def send(issuer: str, subject: str, channel: str, code: str) -> bool:
    """Deliver a code; ``False`` means that it could not be sent, and then no attempt is counted."""
    del issuer, channel
    path = Path(os.environ.get("DESK_OUTBOX", "var/outbox.jsonl"))
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"to": subject, "code": code}) + "\n")
    return True
