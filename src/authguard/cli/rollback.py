"""`authguard rollback`: roll back to human service, release the agent, and show the state."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import anyio

from authguard.cli.json_document import json_time, print_object
from authguard.cli.line_wrap import print_line
from authguard.cli.operator_session import open_deployment, parse_names
from authguard.cli.options import JsonOption, LogOption, PersonsOption, PolicyOption, ReasonOption, StoreOption
from authguard.cli.terminal import format_time
from authguard.core.sections import Authority
from authguard.errors import AuthorityError
from authguard.runtime.rollback import Rollback

if TYPE_CHECKING:
    from authguard.core.policy import Policy
    from authguard.core.snapshot import ServiceRecord


def show(
    policy: PolicyOption = "", store: StoreOption = "", log: LogOption = None, as_json: JsonOption = False
) -> None:
    """Show the state of the service. Change and record nothing.

    Examples:

        authguard rollback status
    """

    async def load() -> tuple[ServiceRecord, Policy]:
        async with open_deployment(policy, store, log, records=False) as (repository, _):
            return await Rollback(repository).status(), repository.policy

    _print_service(*anyio.run(load), as_json=as_json)


def engage(
    by: PersonsOption,
    reason: ReasonOption,
    policy: PolicyOption = "",
    store: StoreOption = "",
    log: LogOption = None,
    as_json: JsonOption = False,
) -> None:
    """Stop the agent: from the next request on, every customer is handed to a person.

    Examples:

        authguard rollback engage --by Ines --reason "refunds look odd"
    """
    _print_service(*anyio.run(_act, "engage", by, reason, policy, store, log), as_json=as_json)


def release(
    by: PersonsOption,
    reason: ReasonOption,
    policy: PolicyOption = "",
    store: StoreOption = "",
    log: LogOption = None,
    as_json: JsonOption = False,
) -> None:
    """Release the agent; high-risk writes wait for an approval until the service has recovered.

    Examples:

        authguard rollback release --by Ines --by Omar --reason "the cause is mended"
    """
    _print_service(*anyio.run(_act, "release", by, reason, policy, store, log), as_json=as_json)


async def _act(
    act: Literal["engage", "release"], by: list[str], reason: str, policy: str, store: str, log: Path | None
) -> tuple[ServiceRecord, Policy]:
    names = parse_names(by)
    async with open_deployment(policy, store, log, records=True) as (repository, _):
        authority = repository.policy.rollback.authority.get(act, Authority(role=""))
        if len(names) < authority.count:
            raise AuthorityError(
                f"the policy requires {authority.count} persons of role `{authority.role}` to {act}:"
                " name each with --by, with their consent"
            )
        switch = Rollback(repository)
        move = switch.engage if act == "engage" else switch.release
        return await move(", ".join(names), reason), repository.policy


def _print_service(service: ServiceRecord, policy: Policy, *, as_json: bool) -> None:
    if as_json:
        print_object(
            {"state": service.state, "entered": json_time(service.entered), "faulted": json_time(service.faulted)}
        )
        return
    stopped = service.state == policy.rollback_state
    summary = "the agent is stopped, and customers are handed to people" if stopped else "the agent serves"
    since = f" since {format_time(service.entered)}" if service.entered else ""
    print_line(f"{service.state}{since}: {summary}")
    act: Literal["engage", "release"] = "release" if stopped else "engage"
    count = policy.rollback.authority.get(act, Authority(role="")).count
    verb = "release it" if stopped else "stop it"
    print_line(f"to {verb}: authguard rollback {act}{' --by NAME' * count} --reason WHY")
