"""The proof file of a policy: this checker proved this policy, so a start need not prove it again.

Rules:
- It counts only for the merged policy, its division into files, and the code of the checker: it has their digest.
- Who can write it must be able to write the policy: it has the policy's owner, and only the owner may write it.
- Only `authguard policy check --write-proof` writes it, after a proof. Anything else in its place means proving again.
"""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from authguard.file_access import open_regular

if TYPE_CHECKING:
    from authguard.policy.draft import Draft

#: suffix of the proof file after the name of the policy file
SUFFIX: Final = ".proof"
#: longest proof file that is read
MAX_BYTES: Final = 1_024
#: folders of the package whose code decides what is proved
_CODE: Final = ("core", "evaluation", "formats", "policy")
_PACKAGE: Final = Path(__file__).parents[2]


class _Proof(msgspec.Struct, forbid_unknown_fields=True):
    """Content of a proof file."""

    proved: str


def proof_path(policy: Path) -> Path:
    """Return the path of the proof file of a policy file."""
    return policy.with_name(policy.name + SUFFIX)


def is_proved(draft: Draft, policy: Path) -> bool:
    """Return whether the file beside a policy says that it is proved; False for any file that does not count.

    Args:
        draft: the merged policy.
        policy: path of its file.
    """
    try:
        with open_regular(proof_path(policy)) as file:
            found, of_policy = os.fstat(file.fileno()), policy.stat()
            if found.st_uid != of_policy.st_uid or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                return False
            proof = msgspec.json.decode(file.read(MAX_BYTES), type=_Proof)
        return proof.proved == _digest(draft)
    except (OSError, msgspec.DecodeError):
        return False


def write_proof(draft: Draft, policy: Path) -> Path:
    """Write the proof file of a policy whose checks found no error; replace an older one.

    Args:
        draft: the merged policy.
        policy: path of its file.

    Returns:
        The path of the proof file.

    Raises:
        OSError: it cannot be written, or the policy belongs to another user.
    """
    path = proof_path(policy)
    if policy.stat().st_uid != os.geteuid():
        raise PermissionError("the policy belongs to another user, so its proof would not count")
    content = msgspec.json.encode(_Proof(_digest(draft))) + b"\n"
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            Path(file.name).replace(path)
        except OSError:
            Path(file.name).unlink(missing_ok=True)
            raise
    return path


def _digest(draft: Draft) -> str:
    """Return the digest of all that a proof depends on."""
    files: dict[str, int] = {}
    # whether a line without effect is an error depends on the file that it is in
    division = [(path, files.setdefault(place.file, len(files))) for path, place in sorted(draft.places.items())]
    own = files.get(draft.place().file, -1)
    return sha256(msgspec.json.encode((draft.digest, division, own, _digest_code()))).hexdigest()


@cache
def _digest_code() -> str:
    """Return the digest of the checker's code.

    Raises:
        OSError: the code cannot be read, as in a zip file.
    """
    digest = sha256(sys.version.encode())
    for folder in _CODE:
        for path in sorted((_PACKAGE / folder).rglob("*.py")):
            digest.update(str(path.relative_to(_PACKAGE)).encode())
            digest.update(sha256(path.read_bytes()).digest())
    return digest.hexdigest()
