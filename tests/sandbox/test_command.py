"""The sandbox as people start it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.sandbox.client import PRO

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-m", "airflow_provider_runcomfy.sandbox"]
HEADERS = {"Authorization": "Bearer x"}


@contextmanager
def started(temporary: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start the command and wait for its ready line; the process is killed if the test has not ended it."""
    environment = {**os.environ, "TMPDIR": str(temporary)}
    with subprocess.Popen(
        [*COMMAND, "--port", "0", *arguments], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline()
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_it_says_how_to_connect_serves_and_ends_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    with started(tmp_path, "--queue-seconds", "0", "--run-seconds", "0", "--balance", "1") as (process, ready):
        connection = json.loads(ready[ready.index("{") : ready.rindex("}") + 1])
        url = connection["host"]
        assert ready.startswith(f"RunComfy sandbox ready on {url}, AIRFLOW_CONN_RUNCOMFY_DEFAULT='{{")
        assert ready.endswith("}'\n")
        assert connection == {"conn_type": "runcomfy", "host": url, "password": "anything"}
        inputs = {"prompt": "A \x1b[2J cat", "duration": 3}
        submitted = requests.post(f"{url}/v1/models/{PRO}", json=inputs, headers=HEADERS, timeout=10).json()
        result = requests.get(submitted["result_url"], headers=HEADERS, timeout=10).json()
        assert requests.get(result["output"]["video"], timeout=30).status_code == 200
        assert [path.suffix for path in tmp_path.rglob("*") if path.is_file()] == [".mp4"]
        process.send_signal(number)
        rest, _ = process.communicate(timeout=15)
    assert process.returncode == 0
    assert list(tmp_path.iterdir()) == [], "the videos are removed"
    assert rest == (
        f"submit {submitted['request_id']} {PRO}, 3 s, 16:9, sound: 0.504 USD, balance 0.496 USD; 'A \\x1b[2J cat'\n"
    )


def test_it_ends_while_calls_are_under_way(tmp_path: Path) -> None:
    with started(tmp_path) as (process, ready):
        url = re.findall(r"http://[0-9.:]+", ready)[0]
        requests.post(f"{url}/_sandbox/faults", json={"effect": "delay", "seconds": 1000}, timeout=10)
        with pytest.raises(requests.ReadTimeout):
            requests.get(f"{url}/v1/models", headers=HEADERS, timeout=0.2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--concurrency", "0"], "argument --concurrency: must be a number from 1 to 1000000000"),
        (["--concurrency", f"1{'0' * 400}"], "argument --concurrency: must be a number from 1 to 1000000000"),
        (["--queue-seconds", "-1"], "argument --queue-seconds: must be a number from 0 to 1000000000"),
        (["--run-seconds", "inf"], "argument --run-seconds: must be a number from 0 to 1000000000"),
        (["--run-seconds", "nan"], "argument --run-seconds: must be a number from 0 to 1000000000"),
        (["--balance", "1e305"], "argument --balance: must be a number from 0 to 1000000000"),
        (["--port", "http"], "argument --port: invalid number value: 'http'"),
        (["--port", "70000"], "argument --port: must be a number from 0 to 65535"),
        (["--port", "-1"], "argument --port: must be a number from 0 to 65535"),
    ],
    ids=lambda value: " ".join(value)[:30] if isinstance(value, list) else "",
)
def test_a_wrong_option_is_named(arguments: list[str], message: str) -> None:
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert message in done.stderr


def test_it_works_without_airflow() -> None:
    program = (
        "import sys; sys.modules['airflow'] = None\n"
        "from airflow_provider_runcomfy.sandbox.server import running_sandbox\n"
        "with running_sandbox() as sandbox: print(sandbox.url)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("http://127.0.0.1:")
