from __future__ import annotations

import subprocess
import sys

import pytest

# A worker without a store's provider, whatever is installed here.
_SCRIPT = """
import sys
from airflow_provider_runcomfy.transfers.{module} import {operator}
sys.modules["airflow.providers.{provider}"] = None
try:
    {operator}(task_id="copy", request_id="r-1", **{given}).open_store()
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "operator", "given", "provider", "extra"),
    [
        ("runcomfy_to_s3", "RunComfyToS3Operator", {"s3_bucket": "b"}, "amazon", "amazon"),
        ("runcomfy_to_gcs", "RunComfyToGCSOperator", {"bucket_name": "b"}, "google", "google"),
    ],
)
def test_a_missing_provider_is_named(
    module: str, operator: str, given: dict[str, str], provider: str, extra: str
) -> None:
    script = _SCRIPT.format(module=module, operator=operator, given=given, provider=provider)
    said = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    assert said.splitlines()[-1].startswith("StorageRefusedError ")
    assert f"airflow.providers.{provider}" in said
    assert f"'airflow-provider-runcomfy[{extra}]'" in said
    assert "can be copied as long as RunComfy keeps it" in said
