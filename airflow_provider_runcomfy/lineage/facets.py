"""OpenLineage's facets of requests and objects; whoever imports this has OpenLineage."""

from __future__ import annotations

from attrs import define
from openlineage.client.facet_v2 import DatasetFacet, RunFacet

#: Under which names the facets stand.
REQUEST, REQUESTS, FILE = "runcomfy_request", "runcomfy_requests", "runcomfy_file"


@define
class RunComfyRequestDatasetFacet(DatasetFacet):
    """What became of a request, and what the whole of it cost; None, where it is not known."""

    request_id: str
    model_id: str | None
    state: str | None
    cost_usd: float | None


@define
class RunComfyFileDatasetFacet(DatasetFacet):
    """Which file of which request an object is a copy of, and its hash."""

    request_id: str
    index: int
    model_id: str | None
    kind: str
    content_type: str
    sha256: str


@define
class RunComfyRequestsRunFacet(RunFacet):
    """The requests of a run, for a run that failed too, and what they cost together where that is known of each."""

    requests: list[dict[str, object]]
    cost_usd: float | None
