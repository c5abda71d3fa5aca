"""The connection form, as Airflow's API server gives it to the browser."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import airflow
import pytest

pytestmark = pytest.mark.slow

IS_3_1 = airflow.__version__.startswith("3.1.")


# In a process of its own: Airflow 3.1 asks a hook only once, and not where something else has asked it before.
ASK = """
from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService
[form] = [meta for meta in HookMetaService.hook_meta_data() if meta.connection_type == "runcomfy"]
print(form.model_dump_json())
"""


@pytest.fixture(scope="module")
def form() -> Any:
    done = subprocess.run([sys.executable, "-c", ASK], check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def test_its_type_has_a_name(form: Any) -> None:
    assert form["hook_name"] == "RunComfy"


@pytest.mark.parametrize(
    ("field", "title", "placeholder"),
    [
        ("password", "API token", "create one in your RunComfy profile, and paste it here"),
        ("host", "Base URL", "empty for RunComfy; http://127.0.0.1:8765 for a sandbox"),
        ("port", "Port", "443 for RunComfy; Airflow 3.3.2 cannot test without one"),
    ],
)
def test_each_field_says_what_it_is_and_what_to_write(form: Any, field: str, title: str, placeholder: str) -> None:
    assert form["standard_fields"][field] == {"hidden": False, "title": title, "placeholder": placeholder}


@pytest.mark.parametrize("field", ["login", "url_schema"])
def test_what_means_nothing_here_is_hidden(form: Any, field: str) -> None:
    assert form["standard_fields"][field]["hidden"] is True


@pytest.mark.skipif(IS_3_1, reason="Airflow 3.1 shows these as JSON, in the field Extra")
@pytest.mark.parametrize(
    ("field", "title", "help_begins", "examples"),
    [
        (
            "download_hosts",
            "Download hosts",
            "Domains, separated by commas, that results may be downloaded from",
            ["runcomfy.net, runcomfy.com"],
        ),
        ("max_download_bytes", "Largest download", "The largest file, in bytes, that is copied.", None),
    ],
)
def test_each_extra_has_a_field_with_a_label_and_help(
    form: Any, field: str, title: str, help_begins: str, examples: Any
) -> None:
    shown = form["extra_fields"][field]
    assert shown["schema"]["title"] == title
    assert shown["description"].startswith(help_begins)
    assert "Empty: " in shown["description"]
    assert shown["schema"].get("examples") == examples
    # Nothing is filled in: a default that a connection has kept would outlive a change of it.
    assert shown["value"] is None
