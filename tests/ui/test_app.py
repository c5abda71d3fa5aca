"""The app as Airflow serves it: who may see what, what it tells, where it sends a browser."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from airflow.sdk import DAG, task
from fastapi.testclient import TestClient

from tests.airflow_db import has_task_state_store, needs_task_state_store
from tests.ui.parts import CLIP, PRO, line, progress, result

pytestmark = pytest.mark.slow

DAG_ID = "clips.of-a_run"


def record(*submissions: dict[str, Any]) -> dict[str, Any]:
    """Return a record as it is stored."""
    empty = {
        "intent_at": "2026-11-26T10:00:00+00:00", "try_number": 1, "model_id": PRO, "conn_id": "runcomfy_default",
        "inputs": CLIP, "inputs_hash": "hash", "request_id": None, "submitted_at": None, "deadline": None,
        "outcome": None, "detail": None, "cost_usd": None,
    }  # fmt: skip
    return {"version": 1, "max_tries": 0, "submissions": [empty | submission for submission in submissions]}


@pytest.fixture(scope="module")
def dag() -> DAG:
    with DAG(DAG_ID, schedule=None) as dag:

        @task(retries=0)
        def generate(number: int, **context: Any) -> dict[str, Any]:
            if has_task_state_store:
                said = record({"request_id": f"r-{number}", "submitted_at": 1795687200.0 + number})
                context["task_state_store"].set("runcomfy", said)
            context["ti"].xcom_push(key="progress", value=progress(f"r-{number}"))
            return result(f"r-{number}", url=f"https://files.runcomfy.net/{number}.mp4")

        @task
        def lost(**context: Any) -> str:
            if has_task_state_store:
                context["task_state_store"].set("runcomfy", record({"request_id": "r-lost", "outcome": "succeeded"}))
            return "request_id of nobody"

        @task
        def copy() -> list[dict[str, Any]]:
            return [line("r-0", uri="s3://videos/r-0.mp4", url="https://files.runcomfy.net/0.mp4")]

        @task
        def other() -> dict[str, Any]:
            return {"request_id": "of something else", "media": "none"}

        generate.expand(number=[0, 1])
        lost()
        copy()
        other()
    return dag


@pytest.fixture(scope="module")
def run_id(airflow_home: Any, dag: DAG) -> str:
    import os

    from airflow.dag_processing.bundles.manager import DagBundlesManager

    try:
        from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
    except ImportError:  # Airflow 3.1
        from airflow.models.dagbag import DagBag, sync_bag_to_db  # type: ignore[no-redef]

    DagBundlesManager().sync_bundles_to_db()  # type: ignore[no-untyped-call]
    bag = DagBag(os.devnull)
    bag.bag_dag(dag)
    sync_bag_to_db(bag, "dags-folder", None)
    return str(dag.test().run_id)


@pytest.fixture(scope="module")
def served(airflow_home: Any) -> TestClient:
    from airflow.api_fastapi.app import create_app

    return TestClient(create_app("core"), base_url="http://127.0.0.1:8080", follow_redirects=False)


def signed_in(served: TestClient, role: str | None) -> dict[str, str]:
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="somebody", role=role))
    return {"Cookie": f"_token={token}"}


@pytest.fixture
def viewer(served: TestClient) -> Callable[..., Any]:
    def get(*parts: str, query: str = "") -> Any:
        path = "/".join(quote(part, safe="") for part in parts)
        return served.get(f"/runcomfy/{path}{query}", headers=signed_in(served, "VIEWER"))

    return get


def test_a_run_has_a_gallery_of_all_its_clips(viewer: Any, run_id: str) -> None:
    answer = viewer("data", DAG_ID, run_id)

    shown = answer.json()
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    clips = {clip["request_id"]: clip for clip in shown["clips"]}
    assert set(clips) == {"r-0", "r-1", *(["r-lost"] if has_task_state_store else [])}
    assert (shown["live"], shown["cost_usd"]) == (False, 0.672)
    assert clips["r-1"]["state"] == "succeeded"
    assert clips["r-1"]["tasks"] == [{"task_id": "generate", "map_index": 1, "state": "success"}]
    assert clips["r-1"]["files"] == [{"kind": "video", "source": "runcomfy", "places": []}]
    assert clips["r-0"]["files"] == [
        {
            "kind": "video",
            "source": "runcomfy",
            "places": [{"uri": "s3://videos/r-0.mp4", "size": 4711, "opens": False}],
        }
    ]


@needs_task_state_store
def test_it_tells_of_inputs_and_of_what_was_not_handed_over(viewer: Any, run_id: str) -> None:
    clips = {clip["request_id"]: clip for clip in viewer("data", DAG_ID, run_id).json()["clips"]}

    assert clips["r-1"]["inputs"] == CLIP
    assert clips["r-1"]["attention"] is None
    assert clips["r-lost"]["attention"].startswith("Paid for, and not handed over")


@pytest.mark.parametrize(
    ("task_id", "index", "requests"),
    [("generate", "0", ["r-0"]), ("copy", "-1", ["r-0"]), ("other", "-1", []), ("nobody", "-1", [])],
)
def test_a_task_instance_has_its_own_clips(
    viewer: Any, run_id: str, task_id: str, index: str, requests: list[str]
) -> None:
    shown = viewer("data", DAG_ID, run_id, task_id, index).json()
    assert [clip["request_id"] for clip in shown["clips"]] == requests


def test_no_url_of_a_file_is_told(viewer: Any, run_id: str) -> None:
    assert "files.runcomfy.net" not in viewer("data", DAG_ID, run_id).text


def test_a_file_is_where_runcomfy_has_it(viewer: Any, run_id: str) -> None:
    answer = viewer("media", DAG_ID, run_id, "r-1", "0")

    assert (answer.status_code, answer.headers["location"]) == (302, "https://files.runcomfy.net/1.mp4")
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"


def test_a_bucket_of_the_configuration_comes_first(viewer: Any, run_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    conn = {"conn_type": "aws", "login": "key", "password": "secret", "extra": {"region_name": "us-east-1"}}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(conn))
    monkeypatch.setenv("AIRFLOW__RUNCOMFY__UI_BUCKETS", "s3://clips, s3://videos")

    answers = [
        viewer("media", DAG_ID, run_id, "r-0", "0"),
        viewer("media", DAG_ID, run_id, "r-0", "0", query="?place=0"),
    ]
    link = viewer("stored", DAG_ID, run_id, "copy", "-1")

    for answer in (*answers, link):
        assert answer.status_code == 302
        assert answer.headers["location"].startswith("https://videos.s3.amazonaws.com/r-0.mp4?")
    [clip] = viewer("data", DAG_ID, run_id, "copy", "-1").json()["clips"]
    assert clip["files"][0]["source"] == "s3"


def test_the_link_to_what_is_stored_leads_to_its_page_where_it_cannot_be_opened(viewer: Any, run_id: str) -> None:
    for task_id in ("copy", "other"):
        location = viewer("stored", DAG_ID, run_id, task_id, "-1").headers["location"]
        assert location == "../../../../page/" + "/".join(
            quote(part, safe="") for part in (DAG_ID, run_id, task_id, "-1")
        )


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        (("r-1", "1"), 404),
        (("r-1", "-1"), 404),
        (("r-1", "x"), 422),
        (("r-2", "0"), 404),
        (("r-", "0"), 404),
        (("%", "0"), 404),
    ],
)
def test_a_file_that_is_none_is_not_found(viewer: Any, run_id: str, parts: tuple[str, str], status: int) -> None:
    assert viewer("media", DAG_ID, run_id, *parts).status_code == status


@pytest.mark.parametrize("place", ["0", "1", "-1"])
def test_a_copy_that_nothing_vouches_for_is_not_opened(viewer: Any, run_id: str, place: str) -> None:
    answer = viewer("media", DAG_ID, run_id, "r-0", "0", query=f"?place={place}")
    assert answer.status_code == (409 if place == "0" else 404)


@pytest.mark.parametrize(
    "parts",
    [
        ("data", "{dag}", "{run}"),
        ("data", "{dag}", "{run}", "generate", "0"),
        ("media", "{dag}", "{run}", "r-1", "0"),
        ("stored", "{dag}", "{run}", "copy", "-1"),
    ],
    ids=lambda parts: "/".join(parts),
)
@pytest.mark.parametrize(
    ("who", "dag_id", "status"),
    [
        ("nobody", DAG_ID, 401),
        ("a forger", DAG_ID, 403),
        ("without a role", DAG_ID, 403),
        ("VIEWER", "~", 404),
        ("VIEWER", "another", 404),
    ],
)
def test_airflows_own_rights_count_at_every_route(
    served: TestClient, run_id: str, parts: tuple[str, ...], who: str, dag_id: str, status: int
) -> None:
    named = {"{dag}": dag_id, "{run}": run_id}
    path = "/".join(quote(named.get(part, part), safe="") for part in parts)
    headers = {"nobody": {}, "a forger": {"Cookie": "_token=forged"}, "without a role": signed_in(served, None)}
    answer = served.get(
        f"/runcomfy/{path}", headers=headers.get(who) or (signed_in(served, who) if who == "VIEWER" else {})
    )

    assert answer.status_code == status
    assert "runcomfy.net" not in answer.text


@pytest.mark.parametrize(
    ("path", "up"),
    [("page/d/r", "../../"), ("page/d/r/t/-1", "../../../../"), ("page/d/r/t/{MAP_INDEX}", "../../../../")],
)
def test_the_page_needs_no_right_and_holds_nothing(served: TestClient, path: str, up: str) -> None:
    answer = served.get(f"/runcomfy/{path}")

    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert answer.status_code == 200
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'self'"
    assert f'src="{up}static/page.js"' in answer.text
    assert "<script>" not in answer.text
    assert "style=" not in answer.text


@pytest.mark.parametrize(
    ("name", "content_type"),
    [("tab.js", "text/javascript"), ("clips.css", "text/css"), ("icon.svg", "image/svg+xml")],
)
def test_what_the_page_is_made_of_is_served_by_airflow_itself(served: TestClient, name: str, content_type: str) -> None:
    answer = served.get(f"/runcomfy/static/{name}")

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(content_type)
    assert answer.headers["cache-control"] == "no-cache"


def test_airflow_knows_both_tabs(served: TestClient) -> None:
    plugins = served.get("/api/v2/plugins", headers=signed_in(served, "ADMIN")).json()["plugins"]

    [plugin] = [plugin for plugin in plugins if plugin["name"] == "runcomfy"]
    assert [(tab["destination"], tab["name"]) for tab in plugin["react_apps"]] == [
        ("task_instance", "RunComfy"),
        ("dag_run", "RunComfy"),
    ]
    for tab in plugin["react_apps"]:
        for key in ("bundle_url", "icon", "icon_dark_mode"):
            assert served.get(tab[key]).status_code == 200


def test_the_page_never_asks_for_the_connection_to_runcomfy(
    viewer: Any, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_RUNCOMFY_DEFAULT", "runcomfy://:a-token-to-be-found@")
    asked: list[str] = []
    monkeypatch.setattr("airflow.sdk.BaseHook.get_connection", lambda conn_id: asked.append(conn_id))

    pages = [viewer("data", DAG_ID, run_id), viewer("media", DAG_ID, run_id, "r-1", "0")]

    assert asked == []
    assert all("a-token-to-be-found" not in page.text + str(page.headers) for page in pages)
