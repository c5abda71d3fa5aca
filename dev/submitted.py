"""What a run of the demo on the real RunComfy has submitted, read from the logs that also a killed run leaves."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime
from pathlib import Path

# What the provider logs the moment that RunComfy has accepted a request.
_ACCEPTED = re.compile(r"RunComfy accepted request ([A-Za-z0-9_-]{1,128}) for ([A-Za-z0-9_.\-/]+);")


def real_folder(folder: Path) -> Path:
    """Return a folder for one run on the real RunComfy, beside the demo's own, which the next demo empties."""
    return folder.with_name(f"{folder.name}-real") / datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")


def submitted(folder: Path) -> dict[str, str]:
    """Return the requests that RunComfy has accepted in the run whose folder this is: model ids by request id."""
    logs = sorted((folder / "airflow" / "logs").rglob("*.log"))
    return {found[1]: found[2] for log in logs for found in _ACCEPTED.finditer(log.read_text(errors="replace"))}


def tell_what_goes_on(folder: Path) -> None:
    """Say, after a run on the real RunComfy that did not end well, what is still charged and where to find it."""
    if not folder.exists():
        return
    requests = submitted(folder)
    lines = [
        "This was the real RunComfy: it does not stop because the demo has. By the logs it has accepted "
        + ("these requests, which go on and are charged:" if requests else "no request."),
        *(f"  {request_id}  {model_id}" for request_id, model_id in requests.items()),
        f"Logs, copied clips and whatever else there is are kept in {folder}",
    ]
    print("\n".join(lines), file=sys.stderr)
