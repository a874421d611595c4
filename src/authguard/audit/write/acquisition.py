"""Acquisition of a chain for a writer: its lock, its signer, and the takeover from its last writer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from authguard.audit import chain_file
from authguard.errors import AuditError
from authguard.file_access import Access, explain_failure

if TYPE_CHECKING:
    from authguard.audit.write.checkpoint_signer import CheckpointSigner
    from authguard.audit.write.events import LogAct

#: receives a file, its descriptor and a function for the hash of the last line; creates the signer
SignerFactory = Callable[[Path, int, Callable[[], str]], "CheckpointSigner"]


class AcquiredChain(Struct, frozen=True):
    """A chain that this process holds.

    Attributes:
        file: the locked file.
        signer: signs the chain; ``None`` for an unsigned log.
        acts: acts to record first.
    """

    file: chain_file.LockedFile
    signer: CheckpointSigner | None
    acts: tuple[LogAct, ...]


def acquire_chain(
    path: Path, make_signer: SignerFactory | None, head: Callable[[], str], *, take_over: bool
) -> AcquiredChain:
    """Lock a chain, and take it over from its last writer.

    Args:
        path: path of the log; if another process holds it, the next chain is locked.
        make_signer: creates the signer; ``None`` for an unsigned log.
        head: returns the hash of this writer's last line.
        take_over: whether another writer may have written the chain.

    Raises:
        SettingsError: the signing key cannot be read or created.
        AuditError: no chain is available, or it cannot be taken over.
    """
    acts: list[LogAct] = []
    for _ in range(chain_file.MAX_LOCK_ATTEMPTS):
        file = chain_file.acquire(path)
        try:
            signer = make_signer(file.path, file.fd, head) if make_signer is not None else None
            if signer is None or not take_over:
                return AcquiredChain(file, signer, tuple(acts))
            takeover = signer.takeover.run()
        except OSError as error:
            chain_file.release(file)
            where = Path(error.filename) if isinstance(error.filename, str) else file.path
            place = f"`{where}`: " if where != file.path else ""
            why = explain_failure(where, Access.READ, error)
            raise AuditError(f"the audit log `{file.path}` cannot be taken over: {place}{why}") from error
        except BaseException:
            chain_file.release(file)
            raise
        acts += takeover.acts
        if not takeover.must_reacquire:
            return AcquiredChain(file, signer, tuple(acts))
        chain_file.release(file)
    raise AuditError(f"the audit log `{path}` is replaced repeatedly: find out which program does it")
