"""A small client for the model server, on the standard library alone."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from components.core.errors import ServingError


class ServingClient:
    """Talks to one server over one kept-alive connection; not for several threads at once.

    A request is sent a second time only when the server had closed the idle connection before.
    """

    def __init__(self, host: str, port: int, timeout: float = 60.0) -> None:
        self._address = f"{host}:{port}"
        self._connection = http.client.HTTPConnection(host, port, timeout=timeout)

    def predict(
        self, rows: Sequence[Mapping[str, Any]], request_id: str | None = None
    ) -> dict[str, Any]:
        """Ask for predictions.

        Args:
            rows: objects by column name; the id and time columns are optional, times may be
                datetimes, and None is a missing value.
            request_id: sent along; the server makes one up by default.

        Returns:
            The answer: `model`, `release`, `request_id`, and `predictions` in the order of `rows`.

        Raises:
            ServingError: when the server refuses the rows or cannot be reached.
        """
        return self._post("/predict", {"rows": rows}, request_id)

    def infer(
        self, model: str, inputs: Sequence[Mapping[str, Any]], request_id: str | None = None
    ) -> dict[str, Any]:
        """Ask through the Open Inference Protocol v2, with one tensor a column.

        Raises:
            ServingError: when the server refuses the tensors or cannot be reached.
        """
        return self._post(f"/v2/models/{model}/infer", {"inputs": inputs}, request_id)

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, dict[str, str], bytes]:
        """Send anything; returns status, headers by lower-case name, and body.

        Raises:
            ServingError: when the server cannot be reached or does not answer.
        """
        reused = self._connection.sock is not None
        try:
            try:
                return self._send(method, path, body, headers or {})
            except (ConnectionError, http.client.BadStatusLine):
                self._connection.close()
                if not reused:
                    raise
                return self._send(method, path, body, headers or {})
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise ServingError(
                f"the model server at {self._address} does not answer: "
                f"{error or type(error).__name__}; is it running?"
            ) from error

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        self._connection.close()

    def __enter__(self) -> ServingClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        self._connection.request(method, path, body, dict(headers))
        response = self._connection.getresponse()
        content = response.read()
        named = {name.lower(): value for name, value in response.getheaders()}
        return response.status, named, content

    def _post(self, path: str, document: dict[str, Any], request_id: str | None) -> dict[str, Any]:
        try:
            body = json.dumps(document, default=_encode, allow_nan=False).encode()
        except (TypeError, ValueError) as error:
            raise ServingError(
                f"these rows are no JSON: {error}; send None for NaN and infinity"
            ) from error
        headers = {"content-type": "application/json"}
        if request_id is not None:
            headers["x-request-id"] = request_id
        status, _, content = self.request("POST", path, body, headers)
        try:
            answer = json.loads(content)
        except ValueError:
            answer = {}
        if status != 200 or not isinstance(answer, dict):
            reason = answer.get("error") if isinstance(answer, dict) else None
            raise ServingError(
                f"the model server at {self._address} answered {status}: "
                f"{reason or content[:200].decode(errors='replace')}"
            )
        return answer


def _encode(value: Any) -> Any:
    if isinstance(value, date | datetime):
        return value.isoformat()
    raise TypeError(f"a value of type {type(value).__name__} cannot be sent")
