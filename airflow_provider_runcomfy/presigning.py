"""URLs by which RunComfy may fetch media from a team's own bucket. Imports a store's provider when one is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from airflow_provider_runcomfy.api.settings import is_loopback
from airflow_provider_runcomfy.exceptions import MediaInputError, RunComfyRetryableError
from airflow_provider_runcomfy.signing import gcs_credentials, gcs_url, s3_client, s3_url
from airflow_provider_runcomfy.storage_errors import is_permanent

if TYPE_CHECKING:
    from airflow_provider_runcomfy.api.media_inputs import Medium

_DEFAULT_CONN_IDS = {"s3": "aws_default", "gs": "google_cloud_default"}
_EXTRAS = {"s3": "amazon", "gs": "google"}
_NOTHING_SUBMITTED = "Nothing was submitted, nothing was charged."


def signed_urls(
    media: Sequence[Medium], *, conn_id: str | None, seconds: int, allow_loopback_http: bool
) -> dict[tuple[str | int, ...], str]:
    """
    Return a URL for each medium that is an object of S3 or GCS: who has it may read the object for ``seconds``.

    Each object is asked for first, with the identity that signs: a URL that leads nowhere would be paid for.

    :param conn_id: the connection of the store; by default ``aws_default`` or ``google_cloud_default``.
    :param allow_loopback_http: whether a plain HTTP URL of a loopback address will do: the sandbox.
    :raises MediaInputError: if one is not there, may not be read, or cannot be signed for. Not retried.
    :raises RunComfyRetryableError: if the store does not answer, asks for patience, or says that credentials have
        expired, which the next try may get anew.
    """
    stored = [(medium, at) for medium in media if (at := medium.stored_at) is not None]
    schemes = {scheme for _, (scheme, _, _) in stored}
    if conn_id and len(schemes) > 1:
        raise _one_connection_for_two_stores(conn_id)
    urls: dict[tuple[str, str, str], str] = {}
    for medium, at in stored:
        if at not in urls:
            urls[at] = _signed(medium, at, conn_id or _DEFAULT_CONN_IDS[at[0]], seconds, allow_loopback_http)
    return {medium.path: urls[at] for medium, at in stored}


def _signed(medium: Medium, at: tuple[str, str, str], conn_id: str, seconds: int, allow_loopback_http: bool) -> str:
    from airflow.sdk.log import mask_secret

    scheme, bucket, key = at
    where, uri = medium.where, f"{scheme}://{bucket}/{key}"
    try:
        url = (_s3 if scheme == "s3" else _gcs)(bucket, key, conn_id, seconds)
    except ModuleNotFoundError as error:
        raise _store_provider_missing(where, uri, _EXTRAS[scheme], error) from None
    except _NotSignableError as error:
        raise _not_signable(where, uri, conn_id, str(error)) from None
    except Exception as error:
        # Whatever a store's client raises.
        kind = _not_signable if is_permanent(error) else _store_unavailable
        raise kind(where, uri, conn_id, f"{type(error).__name__}: {str(error)[:500]}") from None
    parts = urlsplit(url)
    mask_secret(parts.query)
    if parts.scheme != "https" and not (allow_loopback_http and is_loopback(parts.hostname or "")):
        raise _not_signable(where, uri, conn_id, "its endpoint is plain HTTP, which RunComfy does not fetch")
    return url


class _NotSignableError(Exception):
    """No URL that RunComfy could use can be signed."""


def _s3(bucket: str, key: str, conn_id: str, seconds: int) -> str:
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    hook = S3Hook(aws_conn_id=conn_id)
    client = s3_client(hook, hook.conn_config.get_service_endpoint_url("s3"))
    # As RunComfy will, so that it takes all the rights that RunComfy needs; the answer to a HEAD would not say what is
    # wrong.
    client.get_object(Bucket=bucket, Key=key, Range="bytes=0-0")["Body"].close()
    return s3_url(client, bucket, key, timedelta(seconds=seconds))


def _gcs(bucket: str, key: str, conn_id: str, seconds: int) -> str:
    from airflow.providers.google.cloud.hooks.gcs import GCSHook

    hook = GCSHook(gcp_conn_id=conn_id)
    credentials = gcs_credentials(hook)
    if credentials is None:
        raise _NotSignableError(
            "its credentials have no key to sign with; give it a service account's key, or an impersonation chain"
        )
    blob = hook.get_conn().bucket(bucket).blob(key)
    if not blob.exists():
        raise _NotSignableError("there is no such object")
    return gcs_url(blob, credentials, timedelta(seconds=seconds))


def _one_connection_for_two_stores(conn_id: str) -> MediaInputError:
    """Return the error for media of S3 and of GCS that one connection is named for."""
    return MediaInputError(
        f"The inputs have media of S3 and of Google Cloud Storage, and media_conn_id names one connection, "
        f"{conn_id!r}, for both. {_NOTHING_SUBMITTED} Leave it out to use aws_default and google_cloud_default, or "
        "give media of one of the stores as https:// URLs."
    )


def _store_provider_missing(where: str, uri: str, extra: str, error: Exception) -> MediaInputError:
    """Return the error for a medium whose store this worker knows nothing of."""
    return MediaInputError(
        f"{where}: no URL can be signed for {uri}: {error}. {_NOTHING_SUBMITTED} Install "
        f"'airflow-provider-runcomfy[{extra}]' on the workers, then clear the task."
    )


def _not_signable(where: str, uri: str, conn_id: str, why: str) -> MediaInputError:
    """Return the error for a medium that RunComfy could not fetch by a URL that is signed for it."""
    return MediaInputError(
        f"{where}: connection {conn_id!r} gives no URL by which RunComfy could fetch {uri}: {why.rstrip('.')}. "
        f"{_NOTHING_SUBMITTED} See that the object is there and that the identity may read it, then clear the task."
    )


def _store_unavailable(where: str, uri: str, conn_id: str, why: str) -> RunComfyRetryableError:
    """Return the error for a medium whose store does not answer, or not to credentials that have expired."""
    return RunComfyRetryableError(
        f"{where}: the store of connection {conn_id!r} could not be asked for {uri}: {why.rstrip('.')}. "
        f"{_NOTHING_SUBMITTED} A retry asks again."
    )
