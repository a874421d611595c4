"""Settings of an operation that run time reads as they are declared."""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from authguard.core.cors import MAX_ACCESS_ITEMS
from authguard.core.declaration import HostName, Key, Name, Role, Token

#: maximum groups of one operation
MAX_GROUPS: Final = 16
#: maximum roles of one operation
MAX_ROLES: Final = 32
#: statuses of the app that mean no effect, unless the policy lists others (RFC 9110 15.5); a redirect that keeps the
#: method means that the action was not performed here (RFC 9110 15.4.8, 15.4.9)
NO_EFFECT: Final = frozenset({307, 308, *range(400, 500)})


class OperationSettings(Struct, frozen=True, kw_only=True):
    """Settings of an operation that are compiled as they are."""

    name: Annotated[Name, Key("Name in rules, scenarios and logs.", "neutral")]
    # compared by the requests that it matches, in `routes`
    hosts: Annotated[
        frozenset[HostName],
        Meta(max_length=MAX_ACCESS_ITEMS),
        Key("Hosts of this operation, such as `admin.example`; requests for other hosts do not match.", "neutral"),
    ] = frozenset()
    scopes: Annotated[frozenset[Token], Key("Required token scopes, all of them.", "narrower")] = frozenset()
    roles: Annotated[
        frozenset[Role],
        Meta(max_length=MAX_ROLES),
        Key("Staff roles of which one is required; see `staff`. An agent has none.", "wider_or_all"),
    ] = frozenset()
    # a person settles a result in doubt, but not a failed one
    failed_on: Annotated[
        frozenset[Annotated[int, Meta(ge=300, le=599)]],
        Meta(max_length=100),
        Key("Statuses of the app that mean that nothing was done; default 307, 308 and 400 to 499.", "wider"),
    ] = NO_EFFECT
    actor: Annotated[
        Literal["any", "required", "forbidden"],
        Key(
            "Allowed actor: `any` known one, `required`: agents and representatives, `forbidden`: the subject.",
            "actors",
        ),
    ] = "any"
    # a rule stands for the operations of its groups
    groups: Annotated[
        tuple[Name, ...],
        Meta(max_length=MAX_GROUPS),
        Key("Groups of operations, such as `money`: rules can name a group in place of its operations.", "neutral"),
    ] = ()
