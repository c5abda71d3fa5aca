from __future__ import annotations

import pytest

from airflow_provider_runcomfy.api.moderation import is_moderation


@pytest.mark.parametrize(
    "error",
    [
        "Rejected by content moderation",
        "type: content_policy_violation, message: No.",
        "errorCode: 7, error: NSFW content detected",
        "The prompt was flagged by the safety system",
        "Prompt contains sensitive words",
        "Failure to pass the risk control system",
    ],
)
def test_a_refusal_by_moderation(error: str) -> None:
    assert is_moderation(error)


@pytest.mark.parametrize("error", [None, "", "RunComfy gave no reason", "CUDA out of memory", "Worker timed out"])
def test_any_other_failure(error: str | None) -> None:
    assert not is_moderation(error)
