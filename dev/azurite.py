"""A real Azure blob service on this machine: Azurite, with one container and two identities."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from dev.processes import LOOPBACK, ServerFailedError, free_ports, server

CONTAINER = "videos"
ACCOUNT = "runcomfytests"
# Azurite wants some base64; it guards nothing.
KEY = "cnVuY29tZnktdGVzdHMtYWNjb3VudC1rZXk="

#: Where `make .azurite/.up-to-date` puts it.
FOLDER = Path(__file__).parent.parent / ".azurite"


@dataclass(frozen=True)
class Azurite:
    """A running blob service."""

    endpoint: str
    container: str = CONTAINER

    def client(self) -> Any:
        """Return a client of the container by somebody who may do everything."""
        from azure.storage.blob import ContainerClient

        return ContainerClient.from_connection_string(self.connection_string, self.container, retry_total=0)

    def service(self) -> Any:
        """Return a client of the whole account by its owner."""
        from azure.storage.blob import BlobServiceClient

        return BlobServiceClient.from_connection_string(self.connection_string, retry_total=0)

    @property
    def connection_string(self) -> str:
        """What Azure's libraries take to act as the account's owner."""
        return f"{self._account};AccountName={ACCOUNT};AccountKey={KEY};"

    def connection(self) -> str:
        """Return an Airflow connection that ``abfs://`` takes, as JSON: the account's owner."""
        return _connection(self.connection_string)

    def reader_connection(self) -> str:
        """Return an Airflow connection as JSON: somebody with a shared access signature to read and to list."""
        return _connection(f"{self._account};SharedAccessSignature={self.signature}")

    @property
    def signature(self) -> str:
        """A shared access signature to read and to list, for an hour."""
        from azure.storage.blob import ContainerSasPermissions, generate_container_sas

        return str(
            generate_container_sas(
                ACCOUNT,
                self.container,
                account_key=KEY,
                permission=ContainerSasPermissions(read=True, list=True),
                expiry=datetime.now(UTC) + timedelta(hours=1),
            )
        )

    @property
    def _account(self) -> str:
        return f"DefaultEndpointsProtocol=http;BlobEndpoint={self.endpoint}/{ACCOUNT}"


@contextmanager
def azurite(folder: Path) -> Iterator[Azurite]:
    """Run Azurite with its files under ``folder`` while the block runs; its one container is there and empty."""
    folder.mkdir(parents=True, exist_ok=True)
    (port,) = free_ports(1)
    running = Azurite(endpoint=f"http://{LOOPBACK}:{port}")
    command = [
        *_executable(),
        f"--blobHost={LOOPBACK}",
        f"--blobPort={port}",
        f"--location={folder}",
        "--skipApiVersionCheck",
        "--disableTelemetry",
        "--silent",
    ]
    env = {**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}"}
    with server(command, log=folder / "azurite.log", ready=partial(_has_container, running), env=env, cwd=folder):
        yield running


def _has_container(running: Azurite) -> bool:
    from azure.core.exceptions import ResourceExistsError, ServiceRequestError

    try:
        running.client().create_container()
    except ResourceExistsError:
        return True
    except ServiceRequestError:
        return False
    return True


def _connection(connection_string: str) -> str:
    return json.dumps({"conn_type": "adls", "extra": {"connection_string": connection_string}})


def _executable() -> list[str]:
    node, main = shutil.which("node"), FOLDER / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
    if node is None or not main.exists():
        raise ServerFailedError("no Azurite here: run `make .azurite/.up-to-date`, which needs npm")
    return [node, str(main)]
