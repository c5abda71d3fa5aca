"""What signs the URL of an object, on a worker and on the API server. Imports a store's packages when asked for one."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook


def s3_client(hook: S3Hook, endpoint: str | None) -> Any:
    """
    Return a client whose URLs lead to ``endpoint``, signed with the credentials of the hook's connection.

    :param endpoint: where the store is; None for AWS's own address of it.
    """
    from botocore.config import Config

    # Objects that are encrypted with KMS, and newer regions, take no older signature; what the connection says stands.
    config = Config(signature_version="s3v4").merge(hook.config)
    return hook.get_session().client("s3", endpoint_url=endpoint, config=config, verify=hook.verify)


def s3_url(client: Any, bucket: str, key: str, life: timedelta) -> str:
    """Return a URL by which whoever has it may read the object for so long."""
    params = {"Bucket": bucket, "Key": key}
    return str(client.generate_presigned_url("get_object", Params=params, ExpiresIn=int(life.total_seconds())))


def gcs_credentials(hook: Any) -> Any:
    """Return the credentials of a GCSHook's connection, or None if they have no key to sign with."""
    from google.auth.credentials import Signing

    credentials = hook.get_credentials()
    return credentials if isinstance(credentials, Signing) else None


def gcs_url(blob: Any, credentials: Any, life: timedelta) -> str:
    """Return a URL by which whoever has it may read the object for so long."""
    return str(blob.generate_signed_url(version="v4", expiration=life, credentials=credentials))
