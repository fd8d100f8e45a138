"""What the parts of the spec are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from components.core.errors import UsageError
from components.core.window import parse_duration


def readable(parse: Callable[[str], Any]) -> AfterValidator:
    """Take a text only if a function of ours can read it; pydantic adds the place in the spec."""

    def check(text: str) -> str:
        try:
            parse(text)
        except UsageError as error:  # pydantic reports ValueError
            raise ValueError(str(error)) from error
        return text

    return AfterValidator(check)


Duration = Annotated[str, readable(parse_duration)]
Share = Annotated[float, Field(ge=0, le=1)]


class Part(BaseModel):
    """A part of the spec: unknown keys are refused, nothing changes after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
