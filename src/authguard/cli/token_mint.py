"""`authguard token mint`: a token in the shape of a provider, for local trials with a key of this machine.

Rule: the key is for trials only. The command creates it with mode 0600, and writes its public part as the key set of
the policy, so that no real issuer is involved.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from authguard.cli.completion import complete
from authguard.cli.options import JsonOption, OutputOption
from authguard.cli.output import USAGE, open_private, print_error, write_output
from authguard.clock import SystemClock
from authguard.errors import SettingsError
from authguard.testing.keys import SigningKey, jwks
from authguard.testing.mint import Mint
from authguard.testing.shape import list_shapes, load_shape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.testing.keys import Algorithm

#: algorithms of the trial keys, in the order of the file
TRIAL: Final[tuple[Algorithm, ...]] = ("RS256", "ES256")
_END: Final = b"-----END PRIVATE KEY-----\n"


def mint(
    *,
    provider: Annotated[
        str,
        typer.Option(
            "--provider", autocompletion=complete(list_shapes), help="Provider whose token is imitated, such as `okta`."
        ),
    ],
    issuer: Annotated[str, typer.Option("--issuer", help="`iss` of the token; default: the provider's example.")] = "",
    audience: Annotated[str, typer.Option("--audience", help="Recipient; default: the provider's example.")] = "",
    kind: Annotated[str, typer.Option("--kind", help="`access`, `id`, `machine`, or a variant.")] = "access",
    subject: Annotated[str, typer.Option("--subject", help="The customer.")] = "customer-1",
    client: Annotated[str, typer.Option("--client", help="The OAuth client.")] = "app-1",
    scope: Annotated[str, typer.Option("--scope", help="Scopes, separated by blanks.")] = "chat",
    strong: Annotated[bool, typer.Option("--strong", help="As after the provider's step-up.")] = False,
    keys: Annotated[
        Path,
        typer.Option("--keys", help="JWK Set of the trial keys; created if missing, with the private keys beside it."),
    ] = Path("trial-keys.json"),
    as_json: JsonOption = False,
    output: OutputOption = None,
) -> None:
    """Print a token in the shape that a provider documents, signed with a trial key.

    The first call creates `trial-keys.json`, for `policy init --keys`, and the private keys in `trial-keys.pem`. Such
    tokens are for trials on this machine: whoever has the private keys can sign in as anybody.

    Examples:

        authguard token mint --provider okta --scope "chat pay"

        authguard token mint --provider keycloak --kind machine -o token
    """
    try:
        shape = load_shape(provider)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--provider") from None
    try:
        algorithm: Algorithm = shape.kind(kind).header["alg"]
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--kind") from None
    trial = _load_or_create(keys)
    signing = trial[algorithm] if algorithm in trial else SigningKey.generate(algorithm)  # a secret of this call
    named, recipient = issuer or shape.issuer, audience or shape.audience
    made = Mint(SystemClock(), named, recipient, {algorithm: signing})
    try:
        token = made.mint_as(provider, kind, subject=subject, client=client, scope=scope, strong=strong)
    except ValueError as error:
        print_error(str(error))
        raise typer.Exit(USAGE) from None
    if not as_json:
        write_output(f"{token}\n", output)
        return
    written = {
        "token": token,
        "provider": provider,
        "kind": kind,
        "issuer": named,
        "audience": recipient,
        "subject": subject,
        "client": client,
        "scope": scope,
        "algorithm": algorithm,
        "keys": str(keys),
    }
    write_output(json.dumps(written, indent=2) + "\n", output)


def _load_or_create(path: Path) -> Mapping[Algorithm, SigningKey]:
    """Return the trial keys, one for each algorithm; create both files if the private keys are missing.

    Raises:
        SettingsError: a file cannot be read or written, or is not one that this command wrote.
    """
    private = path.with_suffix(".pem")
    try:
        if private.exists():
            blocks = private.read_bytes().split(_END)[:-1]
            return {alg: SigningKey.from_pem(block + _END, alg) for alg, block in zip(TRIAL, blocks, strict=True)}
        pem = {alg: SigningKey.generate(alg).to_pem() for alg in TRIAL}
        created = {alg: SigningKey.from_pem(block, alg) for alg, block in pem.items()}
        with open_private(private, os.O_EXCL) as file:
            file.write(b"".join(pem.values()).decode())
        with open_private(path, os.O_TRUNC) as file:
            file.write(json.dumps(jwks(*created.values()), indent=2) + "\n")
    except (OSError, ValueError) as error:
        detail = error.strerror if isinstance(error, OSError) else "it is not a file of trial keys"
        raise SettingsError(
            f"the trial keys `{path}` cannot be used: {detail}; name another file with --keys"
        ) from None
    return created
