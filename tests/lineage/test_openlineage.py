"""What OpenLineage is told: datasets by name, and their facets."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_runcomfy.lineage.facts import Facts, Request
from airflow_provider_runcomfy.request_ids import given_requests
from airflow_provider_runcomfy.transfers.facts import after_copies, before_copies
from tests.lineage.parts import NAMESPACE, REQUEST, copy

pytest.importorskip("airflow.providers.openlineage", reason="the extra openlineage")

REQUEST_FACET = {
    "request_id": "r-1",
    "model_id": "kling/kling-3.0/pro/text-to-video",
    "state": "succeeded",
    "cost_usd": 0.336,
}
RUN_FACET = {
    "requests": [{**REQUEST_FACET, "files": 2}],
    "cost_usd": 0.336,
}


def of_generation(facts: Facts | None, *, has_succeeded: bool = True) -> Any:
    from airflow_provider_runcomfy.lineage.openlineage import of_generation

    return as_sent(of_generation(facts, has_succeeded=has_succeeded))


def of_copies(facts: Facts | None) -> Any:
    from airflow_provider_runcomfy.lineage.openlineage import of_copies

    return as_sent(of_copies(facts))


def as_sent(lineage: Any) -> Any:
    """Return lineage as a backend gets it, without what every facet has, and without what is empty."""
    from openlineage.client.serde import Serde

    def bare(value: Any) -> Any:
        if isinstance(value, dict):
            told = {name: item for name, item in value.items() if name not in ("_producer", "_schemaURL")}
            return {name: bare(item) for name, item in told.items() if item not in ({}, [])}
        return [bare(item) for item in value] if isinstance(value, list) else value

    return None if lineage is None else bare(json.loads(Serde.to_json(lineage)))


def test_of_a_model_a_generation_makes_a_request() -> None:
    assert of_generation(Facts((REQUEST,), namespace=NAMESPACE)) == {
        "inputs": [{"namespace": NAMESPACE, "name": "models/kling/kling-3.0/pro/text-to-video"}],
        "outputs": [{"namespace": NAMESPACE, "name": "requests/r-1", "facets": {"runcomfy_request": REQUEST_FACET}}],
        "run_facets": {"runcomfy_requests": RUN_FACET},
    }


def test_of_a_request_a_transfer_makes_objects() -> None:
    made = of_copies(Facts((REQUEST,), (copy(0), copy(1)), NAMESPACE))
    assert made["inputs"] == [
        {"namespace": NAMESPACE, "name": "requests/r-1", "facets": {"runcomfy_request": REQUEST_FACET}}
    ]
    assert made["run_facets"] == {"runcomfy_requests": RUN_FACET}
    assert made["outputs"] == [
        {
            "namespace": "s3://videos",
            "name": f"r-1/{index}.mp4",
            "facets": {
                "runcomfy_file": {
                    "request_id": "r-1",
                    "index": index,
                    "model_id": "kling/kling-3.0/pro/text-to-video",
                    "kind": "video",
                    "content_type": "video/mp4",
                    "sha256": f"{index:064x}",
                }
            },
            "outputFacets": {"outputStatistics": {"size": 1000 + index, "fileCount": 1}},
        }
        for index in (0, 1)
    ]


def test_what_a_generation_makes_is_what_a_transfer_reads() -> None:
    [made] = of_generation(Facts((REQUEST,), namespace=NAMESPACE))["outputs"]
    [read] = of_copies(before_copies(given_requests("r-1"), NAMESPACE))["inputs"]
    assert (read["namespace"], read["name"]) == (made["namespace"], made["name"])


def test_of_a_generation_that_failed_nothing_came_and_its_cost_is_told() -> None:
    facts = Facts((replace(REQUEST, state="failed", files=None),), namespace=NAMESPACE)
    told = of_generation(facts, has_succeeded=False)
    assert [one["name"] for one in told["inputs"]] == ["models/kling/kling-3.0/pro/text-to-video"]
    assert "outputs" not in told
    [request] = told["run_facets"]["runcomfy_requests"]["requests"]
    assert (request["request_id"], request["state"], request["cost_usd"]) == ("r-1", "failed", 0.336)


def test_a_transfer_that_failed_tells_what_it_was_to_copy() -> None:
    result = {"request_id": "r-1", "model_id": REQUEST.model_id, "state": "succeeded", "cost_usd": 0.336}
    told = of_copies(before_copies(given_requests([result, "r-2"]), NAMESPACE))
    assert told["inputs"] == [
        {"namespace": NAMESPACE, "name": "requests/r-1", "facets": {"runcomfy_request": REQUEST_FACET}},
        {"namespace": NAMESPACE, "name": "requests/r-2"},
    ]
    assert "outputs" not in told


@pytest.mark.parametrize("unknown", ["model_id", "state", "cost_usd"])
def test_what_a_transfer_does_not_know_leaves_what_was_told_of_the_request_before(unknown: str) -> None:
    nothing: dict[str, Any] = {unknown: None}
    facts = Facts((replace(REQUEST, **nothing),), namespace=NAMESPACE)
    assert of_copies(facts)["inputs"] == [{"namespace": NAMESPACE, "name": "requests/r-1"}]


@pytest.mark.parametrize(("costs", "total"), [((0.1, 0.2), 0.3), ((0.1, None), None), ((), None)])
def test_the_cost_of_a_run_is_told_where_each_is_known(costs: tuple[float | None, ...], total: float | None) -> None:
    requests = tuple(Request(f"r-{number}", cost_usd=cost) for number, cost in enumerate(costs))
    facet = of_copies(Facts(requests, namespace=NAMESPACE))["run_facets"]["runcomfy_requests"]
    assert facet.get("cost_usd") == (None if total is None else pytest.approx(total))


@pytest.mark.parametrize("facts", [None, Facts((REQUEST,))], ids=["no facts", "no namespace"])
def test_without_facts_nothing_is_told(facts: Facts | None) -> None:
    assert of_generation(facts) is of_copies(facts) is None


def test_nothing_of_a_url_is_told() -> None:
    line = {**copy().line, "source_url": "https://cdn.runcomfy.net/a.mp4?signature=s3cret"}
    facts = Facts((REQUEST,), (replace(copy(), line=line),), NAMESPACE)
    assert "cdn.runcomfy.net" not in json.dumps([of_copies(facts), copy().event])


def test_after_a_copy_each_file_has_its_own_request() -> None:
    from airflow_provider_runcomfy.api.types import MediaFile, MediaKind
    from airflow_provider_runcomfy.transfers.files import files_of

    video = MediaFile("https://cdn.runcomfy.net/a.mp4", MediaKind.VIDEO)
    files = [
        *files_of("r-1", [video, video], "{request_id}/{index}", "model/a", 0.5),
        *files_of("r-2", [video], "{request_id}/{index}", None),
    ]
    facts = after_copies(files, [{"uri": file.key} for file in files], NAMESPACE)
    first = Request("r-1", "model/a", "succeeded", 0.5, 2)
    second = Request("r-2", None, "succeeded", None, 1)
    assert facts.requests == (first, second)
    assert [(one.line["uri"], one.request, one.index) for one in facts.copies] == [
        ("r-1/0", first, 0),
        ("r-1/1", first, 1),
        ("r-2/0", second, 0),
    ]
