"""URLs that let a browser read one stored object for an hour. Imports a store's provider when one is asked for."""

from __future__ import annotations

from datetime import timedelta

from airflow_provider_runcomfy.signing import gcs_credentials, gcs_url, s3_client, s3_url
from airflow_provider_runcomfy.ui.own_host import OwnHosts
from airflow_provider_runcomfy.ui.trust import StoredAt

# A player asks for further ranges of the file by the same URL.
_LIFE = timedelta(hours=1)
_OWN_CREDENTIALS = ("keyfile_dict", "key_path", "key_secret_name", "impersonation_chain")


class NotPlayableError(Exception):
    """A file cannot be played from where it is; the message says why, to people."""


def presigned(at: StoredAt, own: OwnHosts) -> str:
    """
    Return a URL of the object that a browser can read, and that takes no cookie of Airflow's along.

    :raises NotPlayableError: if there is none.
    """
    try:
        return _s3(at, own) if at.scheme == "s3" else _gcs(at, own)
    except ModuleNotFoundError as error:
        extra = "amazon" if at.scheme == "s3" else "google"
        raise NotPlayableError(
            f"{error}: install 'airflow-provider-runcomfy[{extra}]' on the API server to play what is stored there."
        ) from None
    except NotPlayableError:
        raise
    except Exception as error:
        # Whatever a store's client raises. Its text may hold more than this viewer is to know.
        raise NotPlayableError(
            f"The connection {at.conn_id!r} cannot sign a URL of it on the API server ({type(error).__name__})."
        ) from None


def _s3(at: StoredAt, own: OwnHosts) -> str:
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    hook = S3Hook(aws_conn_id=at.conn_id)
    conn = hook.conn_config
    _require_credentials(at, bool(conn.aws_access_key_id or conn.role_arn))
    endpoint = conn.get_service_endpoint_url("s3")
    url = s3_url(s3_client(hook, endpoint), at.bucket, at.key, _LIFE)
    if own.would_get_cookies(url) and endpoint:
        # The host is part of what is signed, so it cannot be changed afterwards.
        url = s3_url(s3_client(hook, own.without_cookies(endpoint) or endpoint), at.bucket, at.key, _LIFE)
    return _without_cookies(url, own)


def _gcs(at: StoredAt, own: OwnHosts) -> str:
    from airflow.providers.google.cloud.hooks.gcs import GCSHook

    hook = GCSHook(gcp_conn_id=at.conn_id, impersonation_chain=at.impersonation_chain)
    own_names = {name.rpartition("__")[2] for name, value in hook.extras.items() if value}
    _require_credentials(at, bool(at.impersonation_chain or own_names & set(_OWN_CREDENTIALS)))
    credentials = gcs_credentials(hook)
    if credentials is None:
        raise NotPlayableError(f"The connection {at.conn_id!r} has no key that could sign a URL.")
    blob = hook.get_conn().bucket(at.bucket).blob(at.key)
    return _without_cookies(gcs_url(blob, credentials, _LIFE), own)


def _require_credentials(at: StoredAt, has_own: bool) -> None:
    # Else it would be the API server's own identity, which may read more than the workers that stored it.
    if not has_own and not at.by_configuration:
        raise NotPlayableError(
            f"The connection {at.conn_id!r} has no credentials of its own. To sign URLs with those of the API server, "
            "name the bucket in Airflow's option [runcomfy] ui_buckets."
        )


def _without_cookies(url: str, own: OwnHosts) -> str:
    if own.would_get_cookies(url):
        raise NotPlayableError(
            "Its store has the host name of this Airflow, so a browser would send it Airflow's session cookie. Give "
            "one of the two another name."
        )
    return url
