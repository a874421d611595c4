"""What the policy's model declares about a field besides its type: pure data, in the annotation of the field.

A field has one declaration, from which all else is derived: the reader of documents, the JSON Schema for editors, the
reference, and the comparison of two policies.
"""

from typing import Annotated

from msgspec import Struct


class Key(Struct, frozen=True):
    """What a field of the model means.

    Attributes:
        description: one sentence, as editors show it.
        looser: name of the comparison that says which of two values admits more
            (`authguard.policy.diff.permissiveness.COMPARISONS`); empty for a field whose parts are compared.
    """

    description: str
    looser: str = ""


class Format(Struct, frozen=True):
    """How the value of a field is written in a policy.

    Attributes:
        name: of the format (`authguard.policy.schema.types.FORMATS`).
    """

    name: str


#: seconds, more than 0
Seconds = Annotated[float, Format("duration")]
#: bytes, 1 or more
Bytes = Annotated[int, Format("size")]
#: base URL, without a trailing slash, a query or a fragment
Url = Annotated[str, Format("address")]
#: path before those of the operations
RootPath = Annotated[str, Format("root_path")]
#: role as identity providers write it
Role = Annotated[str, Format("role")]
#: ``machine.event``
EventName = Annotated[str, Format("event")]
