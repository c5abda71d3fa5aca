"""Kill the copy of a result around the moment in which its object appears."""

from __future__ import annotations

import threading

from dev.faults.processes import kill, peer
from dev.faults.stage import Stage, account
from dev.faults.table import Row
from dev.gate import Exchange, Stop, When


def kill_copies(stage: Stage, when: When, *, kills: int) -> Row:
    """Kill each of some copies once, before or after S3 has its object."""
    name = f"transfer, {when} its object is written"
    prefix = f"transfer-{when}"
    lock = threading.Lock()
    killed = 0

    def act(exchange: Exchange) -> bool:
        nonlocal killed
        if kill([peer(exchange)]):
            with lock:
                killed += 1
        return False

    def writes(exchange: Exchange) -> bool:
        return exchange.method == "PUT" and f"/{prefix}/" in exchange.path

    with stage.to_s3.stopping(Stop(writes, when, act, times=kills)):
        run_id = stage.start("faults_generate", prefix, kills)
        instances = stage.wait("faults_generate", run_id)
    found = account(stage, prefix, kills)
    faults = [f"{one.key} is {one.state}" for one in instances if one.state != "success"]
    if killed != kills or found.submits != kills or found.stored != kills or found.wrong:
        faults.append(f"{killed} kills, paid {found.submits}, stored {found.stored}, wrong {found.wrong}")
    left = stage.s3.client().list_multipart_uploads(Bucket=stage.s3.bucket).get("Uploads", [])
    if left:
        faults.append(f"{len(left)} unfinished uploads are left")
    return Row(name, killed, kills, found, 0, tuple(faults))
