"""What all tests share: an Airflow home that is not the user's own, patience, and no way out of the machine."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from tests import offline
from tests.tls import Authority

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun
    from airflow.sdk import DAG

# Two shared cores: how long one example takes says nothing.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

# Airflow reads these when it is imported, which test modules do. Each pytest-xdist worker has a home of its own.
_HOME = tempfile.TemporaryDirectory(prefix="airflow-home-")
os.environ |= {
    "AIRFLOW_HOME": _HOME.name,
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__DAGS_FOLDER": f"{_HOME.name}/dags",
    # Airflow 3.1 would let a Dag run as it was under the same name some seconds ago, in an earlier test.
    "AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "0",
    # Read when Google's client is imported, too: it would ask a link-local address whether it runs in Google's cloud.
    "NO_GCE_CHECK": "true",
}
Path(_HOME.name, "dags").mkdir()


def pytest_unconfigure() -> None:
    _HOME.cleanup()


@pytest.fixture(scope="session", autouse=True)
def _no_way_out() -> Iterator[None]:
    with offline.guarded():
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, object, object]:
    result = yield
    tried = sorted(set(offline.attempts))
    offline.attempts.clear()
    if tried:
        pytest.fail(f"a test must not leave the machine: it tried to connect to {', '.join(tried)}")
    return result


@pytest.fixture(scope="session")
def airflow_home() -> Path:
    """Return the folder of an Airflow with a migrated metadata database: all that ``dag.test()`` needs."""
    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True, capture_output=True)
    return Path(_HOME.name)


@pytest.fixture
def run_dag(airflow_home: Path) -> Callable[..., DagRun]:
    """Return a function that runs a Dag to its end in this process, as ``dag.test()`` does, and returns its run."""

    def run(dag: DAG, **kwargs: Any) -> DagRun:
        from airflow.dag_processing.bundles.manager import DagBundlesManager

        try:
            from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
        except ImportError:  # Airflow 3.1
            from airflow.models.dagbag import DagBag, sync_bag_to_db  # type: ignore[no-redef]

        DagBundlesManager().sync_bundles_to_db()  # type: ignore[no-untyped-call]
        bag = DagBag(os.devnull)
        bag.bag_dag(dag)
        sync_bag_to_db(bag, "dags-folder", None)
        finished: DagRun = dag.test(**kwargs)
        return finished

    return run


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))
