"""From facts to OpenLineage's datasets and facets; whoever imports this has OpenLineage."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from airflow.providers.openlineage.extractors import OperatorLineage
from openlineage.client.event_v2 import Dataset, InputDataset, OutputDataset
from openlineage.client.facet_v2 import DatasetFacet, output_statistics_output_dataset

from airflow_provider_runcomfy.lineage.facets import (
    FILE,
    REQUEST,
    REQUESTS,
    RunComfyFileDatasetFacet,
    RunComfyRequestDatasetFacet,
    RunComfyRequestsRunFacet,
)
from airflow_provider_runcomfy.lineage.facts import Copy, Facts, Request
from airflow_provider_runcomfy.lineage.names import model_name, object_name, request_name


def of_generation(facts: Facts | None, *, has_succeeded: bool) -> OperatorLineage[Any, Any] | None:
    """Return the lineage of a task that submits: from the model to the request, which is what came of it."""
    if facts is None or facts.namespace is None:
        return None
    namespace = facts.namespace
    models = dict.fromkeys(request.model_id for request in facts.requests if request.model_id)
    return _lineage(
        facts,
        inputs=[InputDataset(*model_name(namespace, model_id)) for model_id in models],
        outputs=[
            OutputDataset(*request_name(namespace, request.request_id), facets=_facets(request))
            for request in facts.requests
            if has_succeeded
        ],
    )


def of_copies(facts: Facts | None) -> OperatorLineage[Any, Any] | None:
    """Return the lineage of a transfer: from the requests to the objects, of which a transfer that failed has none."""
    if facts is None or facts.namespace is None:
        return None
    namespace = facts.namespace
    return _lineage(
        facts,
        inputs=[
            # Of a request that is less known here than where it was made, what was told there stands.
            InputDataset(
                *request_name(namespace, request.request_id),
                facets=_facets(request) if None not in (request.model_id, request.state, request.cost_usd) else {},
            )
            for request in facts.requests
        ],
        outputs=[_object(copy) for copy in facts.copies],
    )


def _lineage(facts: Facts, inputs: Iterable[Dataset], outputs: Iterable[Dataset]) -> OperatorLineage[Any, Any]:
    costs = [request.cost_usd for request in facts.requests]
    known = [cost for cost in costs if cost is not None]
    total = sum(known) if known and len(known) == len(costs) else None
    facet = RunComfyRequestsRunFacet([asdict(request) for request in facts.requests], total)
    return OperatorLineage(inputs=list(inputs), outputs=list(outputs), run_facets={REQUESTS: facet})


def _facets(request: Request) -> dict[str, DatasetFacet]:
    facet = RunComfyRequestDatasetFacet(request.request_id, request.model_id, request.state, request.cost_usd)
    return {REQUEST: facet}


def _object(copy: Copy) -> OutputDataset:
    line, request = copy.line, copy.request
    facet = RunComfyFileDatasetFacet(
        request_id=request.request_id,
        index=copy.index,
        model_id=request.model_id,
        kind=line["kind"],
        content_type=line["content_type"],
        sha256=line["sha256"],
    )
    size = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(size=line["size"], fileCount=1)
    return OutputDataset(*object_name(str(line["uri"])), facets={FILE: facet}, outputFacets={"outputStatistics": size})
