"""The README's Dag does what the README says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_runcomfy.sandbox.server import Sandbox
from dev.seaweedfs import ADMIN, WRITER, seaweedfs
from tests.airflow_db import states, xcom
from tests.dags.parts import RunDag
from tests.runcomfy import count

pytestmark = pytest.mark.slow

README = Path(__file__).parents[2] / "README.md"


def test_the_readmes_dag_lands_its_videos_in_the_bucket(
    sandbox: Sandbox, run_dag: RunDag, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [code] = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(code, str(README), "exec"), names)
    with seaweedfs(tmp_path) as s3:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", s3.connection(WRITER))
        run = run_dag(names["clips"].dag)
        keys = [item["Key"] for item in s3.client(ADMIN).list_objects_v2(Bucket=s3.bucket)["Contents"]]

    assert set(states(run).values()) == {"success"}
    assert count(sandbox)["submit"] == 2
    ids = [result["request_id"] for result in xcom(run, "generate")]
    assert sorted(keys) == sorted(f"{request_id}/0.mp4" for request_id in ids)
