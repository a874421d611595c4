"""Base class of the policy's pydantic models."""

from pydantic import BaseModel, ConfigDict


class StrictModel(BaseModel):
    """Base class of all models: no unknown keys, no coercion, immutable."""

    model_config = ConfigDict(defer_build=True, extra="forbid", strict=True, frozen=True)
