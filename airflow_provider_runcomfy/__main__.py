"""``python -m airflow_provider_runcomfy``: what ``airflow runcomfy`` does, without Airflow's start and database."""

from __future__ import annotations

from airflow_provider_runcomfy.cli.main import main

if __name__ == "__main__":
    main()
