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
#: seconds, 0 or more
Tolerance = Annotated[float, Format("tolerance")]
Text = Annotated[str, Format("text")]
#: one word without blanks and quotes
Token = Annotated[str, Format("token")]
#: name of a state, fallback, operation, method, verifier or question
Name = Annotated[str, Format("name")]
#: name of an environment variable
Variable = Annotated[str, Format("variable")]
#: ``package.module:function``
CallablePath = Annotated[str, Format("call")]
#: JSON Pointer (RFC 6901)
Pointer = Annotated[str, Format("pointer")]
#: what a verifier is sent: ``subject``, ``answers.FIELD`` ...
Source = Annotated[str, Format("source")]
#: ``iss`` of an issuer, or its template
IssuerName = Annotated[str, Format("issuer")]
#: origin as browsers send it, or ``*``
Origin = Annotated[str, Format("origin")]
#: HTTP method, or ``*``
AnyMethod = Annotated[str, Format("any_method")]
#: name of a header, or ``*``
AnyHeader = Annotated[str, Format("any_header")]
#: host without a port, ``*.DOMAIN`` for any subdomain
HostName = Annotated[str, Format("host")]
#: ID of a tenant
Tenant = Annotated[str, Format("tenant")]
#: name of a claim, or a JSON Pointer into the claims
ClaimName = Annotated[str, Format("claim")]
#: alternatives, of which the first one present counts
ClaimNames = Annotated[tuple[str, ...], Format("claims")]
#: claim -> accepted values as text; no values if any is accepted
ClaimValues = Annotated[dict[str, tuple[str, ...]], Format("claim_values")]
#: path before those of the operations
RootPath = Annotated[str, Format("root_path")]
#: role as identity providers write it
Role = Annotated[str, Format("role")]
#: ``machine.event``
EventName = Annotated[str, Format("event")]
