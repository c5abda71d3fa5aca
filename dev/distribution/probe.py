"""
Runs by itself in an environment that has Airflow and the wheel, and writes as JSON what it sees there.

``seen`` is what has to be there whatever the extra, ``works`` what could be done, and ``says`` what could not be, by
name, with the error's words. Nothing leaves the machine: stores are opened, and not asked for anything.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_MODEL = "kling/kling-3.0/standard/text-to-video"
_PATIENCE_SECONDS = 60.0
_AWS = {"conn_type": "aws", "login": "nobody", "password": "nothing", "extra": {"region_name": "us-east-1"}}
_GOOGLE = {"conn_type": "google_cloud_platform", "extra": {"is_anonymous": True, "project": "none"}}
_AZURE_ACCOUNT = "BlobEndpoint=http://127.0.0.1:9/nobody;AccountName=nobody;AccountKey=bm90aGluZw=="
_AZURE = {"conn_type": "adls", "extra": {"connection_string": _AZURE_ACCOUNT}}
_CONNECTIONS = {"AWS_DEFAULT": _AWS, "GOOGLE_CLOUD_DEFAULT": _GOOGLE, "AZURE": _AZURE}


def folder() -> str:
    """Return where the package is."""
    import airflow_provider_runcomfy

    return str(Path(airflow_provider_runcomfy.__file__).parent)


def provider() -> str:
    """Return the version that Airflow knows the provider by."""
    from airflow.providers_manager import ProvidersManager

    return ProvidersManager().providers["airflow-provider-runcomfy"].version


def connection_type() -> str:
    """Return the class that Airflow has for connections of type ``runcomfy``."""
    from airflow.providers_manager import ProvidersManager

    hook = ProvidersManager().hooks["runcomfy"]
    assert hook is not None
    return hook.hook_class_name


def decorator() -> str:
    """Return what ``@task.runcomfy`` makes of a function."""
    from airflow.sdk import DAG, task

    with DAG("decorated", schedule=None) as dag:

        @task.runcomfy(model_id=_MODEL)
        def clip() -> dict[str, Any]:
            return {"prompt": "A paper boat on a rainy street"}

        clip()
    return dag.get_task("clip").operator_name


def plugin() -> list[str]:
    """Return the places of the UI at which the plugin has a tab."""
    from airflow.plugins_manager import get_plugin_info

    (found,) = [plugin for plugin in get_plugin_info() if plugin["name"] == "runcomfy"]
    return sorted(tab["destination"] for tab in found["react_apps"])


def tab_file() -> int:
    """Return the status with which the plugin's app answers for the file that draws the tab."""
    from starlette.testclient import TestClient

    from airflow_provider_runcomfy.ui.app import app

    return TestClient(app).get("/static/tab.js").status_code


def example_dags() -> list[str]:
    """Return the files of example Dags that Airflow finds by itself; one that cannot be imported is an error."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag

    bundle = DagBundlesManager().get_bundle("airflow-provider-runcomfy-example-dags")
    bag = DagBag(dag_folder=str(bundle.path), bundle_path=bundle.path)
    if bag.import_errors:
        raise ImportError(str(bag.import_errors))
    return sorted({Path(dag.fileloc).stem for dag in bag.dags.values()})


def copies_to_s3() -> None:
    """Open a bucket."""
    from airflow_provider_runcomfy.transfers.runcomfy_to_s3 import RunComfyToS3Operator

    RunComfyToS3Operator(task_id="copy", request_id="none", s3_bucket="videos").open_store()


def copies_to_gcs() -> None:
    """Open a bucket."""
    from airflow_provider_runcomfy.transfers.runcomfy_to_gcs import RunComfyToGCSOperator

    RunComfyToGCSOperator(task_id="copy", request_id="none", bucket_name="videos").open_store()


def copies_to_azure() -> None:
    """Open a container."""
    from airflow_provider_runcomfy.transfers.destination import open_destination

    open_destination("abfs://videos/{request_id}/{index}.{ext}", "azure")


def clips_from_s3() -> None:
    """Sign the URL by which a browser plays a clip in a bucket."""
    from airflow_provider_runcomfy.ui.own_host import OwnHosts
    from airflow_provider_runcomfy.ui.presign import presigned
    from airflow_provider_runcomfy.ui.trust import StoredAt

    presigned(StoredAt("s3", "videos", "clip.mp4", "aws_default"), OwnHosts(frozenset()))


def lineage() -> None:
    """Answer OpenLineage after a task."""
    from airflow_provider_runcomfy.operators.runcomfy import RunComfyGenerateOperator

    operator = RunComfyGenerateOperator(task_id="generate", model_id=_MODEL, inputs={})
    operator.get_openlineage_facets_on_complete(None)


def sandbox() -> None:
    """Have the sandbox make a clip, and look at it."""
    import requests

    from airflow_provider_runcomfy.hooks.runcomfy import RunComfyHook
    from airflow_provider_runcomfy.sandbox.server import running_sandbox

    with running_sandbox() as running:
        connection = {"conn_type": "runcomfy", "host": running.url, "password": "anything"}
        os.environ["AIRFLOW_CONN_RUNCOMFY_DEFAULT"] = json.dumps(connection)
        hook = RunComfyHook()
        request_id = hook.submit(_MODEL, {"prompt": "A fox in tall grass", "duration": 3})
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while (result := hook.get_result(request_id)).state != "succeeded":
            assert time.monotonic() < deadline, result
            time.sleep(0.1)
        (medium,) = result.media
        # That of every MP4 file, behind the length of its first box.
        assert requests.get(medium.url, timeout=_PATIENCE_SECONDS).content[4:8] == b"ftyp"


SEEN: list[Callable[[], object]] = [folder, provider, connection_type, decorator, plugin, tab_file, example_dags]
TRIED: list[Callable[[], None]] = [copies_to_s3, clips_from_s3, copies_to_gcs, copies_to_azure, lineage, sandbox]


def main() -> None:
    """Look at everything, and write what was seen to the file that is named."""
    for name, connection in _CONNECTIONS.items():
        os.environ[f"AIRFLOW_CONN_{name}"] = json.dumps(connection)
    seen, works, says = {}, [], {}
    for look in SEEN:
        try:
            seen[look.__name__] = look()
        except Exception as error:
            seen[look.__name__] = f"{type(error).__name__}: {error}"
    for attempt in TRIED:
        try:
            attempt()
            works.append(attempt.__name__)
        except Exception as error:
            says[attempt.__name__] = f"{type(error).__name__}: {error}"
    Path(sys.argv[1]).write_text(json.dumps({"seen": seen, "works": works, "says": says}))


if __name__ == "__main__":
    main()
