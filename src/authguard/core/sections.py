"""Sections of a policy that run time reads as they are declared: budget, transactions, audit, reports, settings.

Each field is declared here and nowhere else: its name, type, unit, bounds, default, description and comparison.
"""

from math import inf
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, field
from msgspec.structs import force_setattr

from authguard.core.declaration import Bytes, EventName, Format, Key, Role, RootPath, Seconds, Url
from authguard.core.outcomes import LocalizedText

Risk = Literal["public", "self", "routine", "sensitive", "high", "staff"]
Durability = Literal["async", "group", "sync"]

#: risk -> default for how a decision is stored before a request is admitted (DESIGN 5)
DEFAULT_DURABILITY: Final[dict[Risk, Durability]] = {
    "public": "async",
    "self": "group",
    "routine": "async",
    "sensitive": "group",
    "high": "sync",
    "staff": "sync",
}
#: sections by their keys in a policy; a draft and a compiled policy have fields of the same names
SECTIONS: Final = ("budget", "transactions", "audit", "reports", "settings", "rollback")


class Budget(Struct, frozen=True, kw_only=True):
    """Resources that the guard may use for one request."""

    request: Annotated[
        Seconds,
        Key("Time for all waits of the guard in one request, except for its body.", "unordered"),
    ] = 2.0
    body: Annotated[Bytes, Key("Maximum size of a body that the guard reads.", "larger")] = 1_048_576
    body_idle_timeout: Annotated[
        Seconds, Meta(ge=0.1, le=300.0), Key("Maximum time without a part of the body.", "larger")
    ] = 10.0
    # a slower client holds its place longer
    body_min_rate: Annotated[
        Bytes,
        Meta(ge=1),
        Key("Minimum average size per second, after the first `body_idle_timeout`.", "smaller"),
    ] = 1_024
    body_timeout: Annotated[Seconds, Meta(ge=0.1, le=3_600.0), Key("Maximum time for the whole body.", "larger")] = (
        120.0
    )
    nodes: Annotated[
        int,
        Meta(ge=100, le=10_000_000),
        Key("Maximum number of values of a JSON body, including containers.", "larger"),
    ] = 50_000
    in_flight: Annotated[
        int,
        Meta(ge=1, le=100_000),
        Key("Maximum number of concurrent requests of one account.", "larger"),
    ] = 64


class Settings(Struct, frozen=True, kw_only=True):
    """External addresses of the app."""

    public_url: Annotated[
        Url,
        Key(
            "External origin of the app, such as `https://support.example`; or set `AUTHGUARD_PUBLIC_URL`.",
            "unordered",
        ),
    ] = ""
    root_path: Annotated[
        RootPath,
        Key(
            "Prefix that the app removes before routing, such as `/api`; default: the server's `root_path`.",
            "unordered",
        ),
    ] = ""


class Authority(Struct, frozen=True, kw_only=True):
    """Role and number of persons for a rollback act."""

    role: Annotated[Role, Key("Required role.", "apart")]
    count: Annotated[int, Meta(ge=1, le=100), Key("Number of persons who must agree.", "apart")] = 1


class Rollback(Struct, frozen=True, kw_only=True):
    """Rollback from the agent to human service."""

    authority: Annotated[
        dict[Literal["engage", "release"], Authority], Key("Roles that may `engage` and `release` a rollback.", "apart")
    ] = field(default_factory=dict)
    message: Annotated[LocalizedText, Format("message"), Key("Text for customers during a rollback.", "neutral")] = (
        LocalizedText()
    )


class Reports(Struct, frozen=True, kw_only=True):
    """Account events that the app may report; only staff can reverse them."""

    app: Annotated[
        frozenset[EventName],
        Meta(max_length=100),
        Key("Account events that `guard.report` accepts, such as `account.restricted`; default: none.", "reports"),
    ] = frozenset()


class Transactions(Struct, frozen=True, kw_only=True):
    """Storage of transactions."""

    max_held: Annotated[
        int,
        Meta(ge=1, le=10_000),
        Key("Maximum number of transactions of one account that wait for approval.", "larger"),
    ] = 20
    # kept longer, more is repeated; forgotten sooner, a request may run again
    response_retention: Annotated[
        Seconds,
        Meta(ge=60.0, le=2_592_000.0),
        Key(
            "Time for which first responses are kept for repeats, `1m` to `30d`.",
            "larger_smaller_may_be",
        ),
    ] = 86_400.0


class Checkpoints(Struct, frozen=True, kw_only=True):
    """When a checkpoint is signed: after a number of lines or a time, whichever is first."""

    every: Annotated[int, Meta(ge=1, le=1_000_000), Key("Number of lines between checkpoints.", "larger")] = 1_000
    max_interval: Annotated[
        Seconds,
        Meta(ge=1.0, le=3_600.0),
        Key("Maximum time between checkpoints, `1s` to `1h`.", "larger"),
    ] = 10.0


class Rotate(Struct, frozen=True, kw_only=True):
    """When a log file is rotated: at a size or an age, whichever is first."""

    size: Annotated[
        Bytes,
        Meta(ge=65_536),
        Key("Size at which a log file is rotated, `64KiB` to `64MiB`.", "neutral"),
    ] = 67_108_864
    max_age: Annotated[Seconds, Meta(ge=60.0), Key("Age at which a log file is rotated, at least `1m`.", "neutral")] = (
        604_800.0
    )


class Audit(Struct, frozen=True, kw_only=True):
    """Storage of the audit log."""

    durability: Annotated[
        dict[Risk, Durability],
        Key("Risk to how a decision is stored before the request is admitted: `async`, `group` or `sync`.", "apart"),
    ] = field(default_factory=dict)
    subjects: Annotated[
        Literal["pseudonymous", "plain"],
        Key("Subjects in the log: `pseudonymous` (keyed hashes) or `plain`, with the issuer if several.", "plain"),
    ] = "pseudonymous"
    public: Annotated[
        Literal["each", "windows"],
        Key("Records of public admissions: `each`, or `windows` above a rate.", "windows"),
    ] = "each"
    # more of each caller is stored
    request: Annotated[
        frozenset[Literal["peer", "method", "path"]],
        Meta(max_length=3),
        Key(
            "Further properties in each record: `peer` (the client's address), `method`, `path` (the template).",
            "wider",
        ),
    ] = frozenset()
    peers: Annotated[
        Literal["pseudonymous", "plain"],
        Key("Addresses in the log: `pseudonymous` (keyed hashes) or `plain`; they are personal data.", "plain"),
    ] = "pseudonymous"
    checkpoint: Annotated[
        Checkpoints, Key("Signing of checkpoints, which reveal truncation and rewriting of the log.")
    ] = Checkpoints()
    rotate: Annotated[Rotate, Key("Rotation and compression of log files.")] = Rotate()
    retention: Annotated[
        Seconds,
        Meta(ge=3_600.0),
        Key("Time before a tombstone replaces lines, `1h` or more; default: never.", "smaller"),
    ] = inf

    def __post_init__(self) -> None:
        """Add the durability of the risks that the policy does not name."""
        force_setattr(self, "durability", DEFAULT_DURABILITY | self.durability)
