"""Which stored copies this Airflow may sign a URL of: an XCom alone, which many may write, is no reason to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from airflow_provider_runcomfy.exceptions import InvalidInputsError
from airflow_provider_runcomfy.transfers.keys import EXTENSIONS, is_key, object_key

if TYPE_CHECKING:
    from airflow_provider_runcomfy.ui.files import Place
    from airflow_provider_runcomfy.ui.found import TaskFacts

_SCHEMES = {"s3": "aws_default", "gs": "google_cloud_default"}
# The template fields of the transfers that say where the copies go to, and by which connection.
_FIELDS = {"s3": ("s3_bucket", "s3_key", "aws_conn_id"), "gs": ("bucket_name", "object_name", "gcp_conn_id")}


@dataclass(frozen=True)
class StoredAt:
    """
    An object that may be signed.

    :param conn_id: the connection of its store.
    :param impersonation_chain: Google's, as the transfer has it.
    :param by_configuration: whether Airflow's configuration names it as one that the UI may show; then it may be
        signed with whatever identity the API server has.
    """

    scheme: str
    bucket: str
    key: str
    conn_id: str
    impersonation_chain: Any = None
    by_configuration: bool = False


def stored_at(place: Place, task: TaskFacts | None, prefixes: Sequence[str]) -> StoredAt | None:
    """
    Return the object of a copy, if it may be signed: where the transfer that tells of it stores its copies.

    That is said by its rendered template fields, which only Airflow writes. It keeps those of the latest runs only
    (`[core] num_dag_runs_to_retain_rendered_fields`); for all others the configuration has to name the bucket.

    :param task: the task instance whose manifest tells of it.
    :param prefixes: URIs in Airflow's configuration, below which the UI may show whatever a manifest names.
    """
    scheme, _, path = place.copy.uri.partition("://")
    bucket, _, key = path.partition("/")
    if scheme not in _SCHEMES or not bucket or not is_key(key):
        return None
    fields = task.fields if task else {}
    configured = any(_is_below(place.copy.uri, prefix) for prefix in prefixes)
    if not configured and not _is_where_it_goes(place, scheme, bucket, key, fields):
        return None
    conn_id = fields.get(_FIELDS[scheme][2])
    return StoredAt(
        scheme,
        bucket,
        key,
        conn_id if isinstance(conn_id, str) and conn_id else _SCHEMES[scheme],
        fields.get("impersonation_chain"),
        configured,
    )


def _is_where_it_goes(place: Place, scheme: str, bucket: str, key: str, fields: Mapping[str, Any]) -> bool:
    bucket_field, key_field, _ = _FIELDS[scheme]
    template = fields.get(key_field)
    extension = PurePosixPath(key).suffix.removeprefix(".")
    if fields.get(bucket_field) != bucket or not isinstance(template, str):
        return False
    if "{ext}" in template and extension not in EXTENSIONS:
        return False
    copy = place.copy
    try:
        named = object_key(template, request_id=copy.request_id, index=copy.index, kind=copy.kind, ext=extension)
    except InvalidInputsError:
        return False
    return named == key


def _is_below(uri: str, prefix: str) -> bool:
    return uri.startswith(f"{prefix.rstrip('/')}/")
