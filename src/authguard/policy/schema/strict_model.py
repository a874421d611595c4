"""Base class of the policy's pydantic models."""

from pydantic import BaseModel, ConfigDict


class StrictModel(BaseModel):
    """Base class of all models: no unknown keys, no coercion, immutable.

    Defaults that are models are constructed when needed: an instance in a class body builds its validator at import.
    """

    model_config = ConfigDict(defer_build=True, extra="forbid", strict=True, frozen=True, protected_namespaces=())
