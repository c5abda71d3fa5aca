"""What Airflow reads of this provider when it starts: a literal, since every Airflow process imports it."""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata."""
    return {
        "package-name": "airflow-provider-runcomfy",
        "name": "RunComfy",
        "description": "Generate videos and images on RunComfy, wait without a worker, keep the results.",
        "integrations": [
            {
                "integration-name": "RunComfy",
                "external-doc-url": "https://docs.runcomfy.com",
                "tags": ["service"],
            }
        ],
        "hooks": [
            {"integration-name": "RunComfy", "python-modules": ["airflow_provider_runcomfy.hooks.runcomfy"]},
        ],
        "operators": [
            {"integration-name": "RunComfy", "python-modules": ["airflow_provider_runcomfy.operators.runcomfy"]},
        ],
        "sensors": [
            {"integration-name": "RunComfy", "python-modules": ["airflow_provider_runcomfy.sensors.runcomfy"]},
        ],
        "triggers": [
            {"integration-name": "RunComfy", "python-modules": ["airflow_provider_runcomfy.triggers.runcomfy"]},
        ],
        "task-decorators": [
            {"name": "runcomfy", "class-name": "airflow_provider_runcomfy.decorators.runcomfy.runcomfy_task"},
        ],
        "cli": ["airflow_provider_runcomfy.cli.definition.get_runcomfy_cli_commands"],
        "transfers": [
            {
                "source-integration-name": "RunComfy",
                "target-integration-name": "Amazon Simple Storage Service (S3)",
                "python-module": "airflow_provider_runcomfy.transfers.runcomfy_to_s3",
            },
            {
                "source-integration-name": "RunComfy",
                "target-integration-name": "Google Cloud Storage (GCS)",
                "python-module": "airflow_provider_runcomfy.transfers.runcomfy_to_gcs",
            },
            {
                "source-integration-name": "RunComfy",
                "target-integration-name": "Common IO",
                "python-module": "airflow_provider_runcomfy.transfers.runcomfy_to_object_storage",
            },
        ],
        "extra-links": [
            "airflow_provider_runcomfy.links.runcomfy.ResultPageLink",
            "airflow_provider_runcomfy.links.runcomfy.StoredObjectLink",
        ],
        "config": {
            "runcomfy": {
                "description": "What the RunComfy page in Airflow's UI may show.",
                "options": {
                    "ui_buckets": {
                        "description": "URIs, separated by commas, below which the page may show whatever a "
                        "transfer's manifest names, with the API server's own identity if the connection has none: "
                        "s3://videos, gs://clips/nightly. By default it shows what lies where the transfer's rendered "
                        "template fields say that it stores, by a connection that has credentials.",
                        "version_added": "1.0.0",
                        "type": "string",
                        "example": "s3://videos,gs://clips/nightly",
                        "default": "",
                    },
                    "ui_media_hosts": {
                        "description": "Domains, separated by commas and subdomains included, at which files that are "
                        "stored nowhere else may be played by HTTPS.",
                        "version_added": "1.0.0",
                        "type": "string",
                        "example": None,
                        "default": "runcomfy.net,runcomfy.com",
                    },
                },
            },
        },
        "connection-types": [
            {
                "connection-type": "runcomfy",
                "hook-name": "RunComfy",
                "hook-class-name": "airflow_provider_runcomfy.hooks.runcomfy.RunComfyHook",
                "ui-field-behaviour": {
                    # The base URL may name the port. It has a field since Airflow 3.3.1 and 3.3.2 refuse to test a
                    # connection that was saved without one (apache/airflow#73298).
                    "hidden-fields": ["schema", "login", "extra"],
                    "relabeling": {"password": "API token", "host": "Base URL", "port": "Port"},
                    # Airflow has no help for these fields but what stands in them while they are empty: some 60
                    # characters, more would be cut off.
                    "placeholders": {
                        "password": "create one in your RunComfy profile, and paste it here",
                        "host": "empty for RunComfy; http://127.0.0.1:8765 for a sandbox",
                        "port": "443 for RunComfy; Airflow 3.3.2 cannot test without one",
                    },
                },
                "conn-fields": {
                    "download_hosts": {
                        "label": "Download hosts",
                        "description": "Domains, separated by commas, that results may be downloaded from; "
                        "subdomains included. Empty: runcomfy.net, runcomfy.com.",
                        # What is offered in place of a placeholder, which Airflow gives no field of a provider's own.
                        "schema": {"type": ["string", "null"], "examples": ["runcomfy.net, runcomfy.com"]},
                    },
                    "max_download_bytes": {
                        "label": "Largest download",
                        "description": "The largest file, in bytes, that is copied. Empty: 2147483648 (2 GiB).",
                        "schema": {"type": ["integer", "null"], "minimum": 1},
                    },
                },
            }
        ],
    }
