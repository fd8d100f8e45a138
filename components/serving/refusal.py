"""The error for a request that is at fault."""

from __future__ import annotations

from components.core.errors import ServingError


class RequestError(ServingError):
    """The request is at fault; `status` is its 4xx code."""

    def __init__(self, message: str, status: int = 422) -> None:
        super().__init__(message)
        self.status = status
