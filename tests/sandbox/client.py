"""A plain caller of the sandbox: what a client of RunComfy would send, and nothing of this package."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import requests

from airflow_provider_runcomfy.sandbox.server import Sandbox

PRO = "kling/kling-3.0/pro/text-to-video"
STANDARD = "kling/kling-3.0/standard/text-to-video"
SHORT = {"prompt": "A cat", "duration": 3, "sound": False}
#: What SHORT costs with PRO: 3 s at 0.112 USD.
SHORT_COST = 0.336


class Caller:
    """Calls one sandbox with one token; ``None`` sends no Authorization header."""

    def __init__(self, sandbox: Sandbox, token: str | None = "anything") -> None:
        self.sandbox = sandbox
        self.headers = {} if token is None else {"Authorization": f"Bearer {token}"}

    def get(self, path: str) -> requests.Response:
        return requests.get(self.sandbox.url + path, headers=self.headers, timeout=30)

    def post(self, path: str, body: object = None) -> requests.Response:
        return requests.post(self.sandbox.url + path, json=body, headers=self.headers, timeout=30)

    def submit(self, inputs: Mapping[str, Any] = SHORT, model_id: str = PRO) -> requests.Response:
        return self.post(f"/v1/models/{model_id}", dict(inputs))

    def submitted(self, inputs: Mapping[str, Any] = SHORT, model_id: str = PRO) -> str:
        """Submit, and return the request id."""
        response = self.submit(inputs, model_id)
        assert response.status_code == 200, response.text
        request_id: str = response.json()["request_id"]
        return request_id

    def status(self, request_id: str) -> Any:
        return self.get(f"/v1/requests/{request_id}/status").json()

    def result(self, request_id: str) -> Any:
        return self.get(f"/v1/requests/{request_id}/result?include_cost=true").json()

    def cancel(self, request_id: str) -> requests.Response:
        return self.post(f"/v1/requests/{request_id}/cancel")

    def balance(self) -> float:
        balance: float = self.get("/prod/v2/balance").json()["balance_usd"]
        return balance

    def ended(self, request_id: str) -> Any:
        """Poll as a client would, and return the final result."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if self.status(request_id)["status"] in ("completed", "cancelled"):
                return self.result(request_id)
            time.sleep(0.02)
        raise AssertionError(f"{request_id} did not end")

    def video_url(self, inputs: Mapping[str, Any] = SHORT, model_id: str = PRO) -> str:
        """Submit, wait, and return the URL of the video."""
        url: str = self.ended(self.submitted(inputs, model_id))["output"]["video"]
        return url
