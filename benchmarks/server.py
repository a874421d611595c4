"""One app under uvicorn, for `benchmarks.served`: ``python -m benchmarks.server KIND FOLDER SOCKET LOOP HTTP``.

KIND is ``bare``, ``guarded`` (with the default store, SQLite), ``memory`` or ``middleware``; FOLDER holds the policy
and the keys; SOCKET is the descriptor of a socket that already listens, so that no port is guessed.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import jwt
import uvicorn

from authguard import AuthGuard
from benchmarks.peers import PyJwtBackend, authenticated
from benchmarks.world import bare

if TYPE_CHECKING:
    from benchmarks.world import App

KINDS: Final = ("bare", "guarded", "memory", "middleware")


def app_of(kind: str, folder: Path) -> App:
    """Build one of the apps from a world's files."""
    match kind:
        case "guarded" | "memory":
            return AuthGuard(
                bare(),
                policy=folder / "policy.yaml",
                store=folder / "served.db" if kind == "guarded" else kind,
                audit_log=folder / f"served-{kind}.jsonl",
                pseudonym_key=b"benchmark" * 4,
                environ={},
            )
        case "middleware":
            keys = json.loads((folder / "keys.json").read_text("utf-8"))
            return authenticated(PyJwtBackend(jwt.PyJWK(keys["keys"][0]).key))
        case _:
            return bare()


def main(kind: str, folder: str, descriptor: str, loop: Any, http: Any) -> None:  # noqa: ANN401 - uvicorn's own words
    """Serve until a signal arrives, on the first core if there are two."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[:1])
    config = uvicorn.Config(
        app_of(kind, Path(folder)), loop=loop, http=http, access_log=False, log_level="warning", lifespan="on"
    )
    uvicorn.Server(config).run([socket.socket(fileno=int(descriptor))])


if __name__ == "__main__":
    main(*sys.argv[1:])
