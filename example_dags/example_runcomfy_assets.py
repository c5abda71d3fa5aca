"""
Nightly clips, and a Dag that edits them as soon as they are there.

The first Dag makes clips and copies them to S3; give it a `schedule` of `"@daily"`, and it costs its clips every night.
The second one has no time of its own: Airflow starts it when the copies have told that they are there, and it learns
from their asset events which they are, and what they have cost. It joins them into one reel, and costs nothing.
"""

from __future__ import annotations

import subprocess
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, AssetAlias, Param, task

from airflow_provider_runcomfy.operators.runcomfy import RunComfyGenerateOperator
from airflow_provider_runcomfy.transfers.runcomfy_to_s3 import RunComfyToS3Operator

PROMPTS = (
    "A night market in light rain, steam rising from the stalls, handheld.",
    "An empty tram turns a corner under street lamps, long shot.",
)

# [START howto_runcomfy_asset_alias]
CLIPS = AssetAlias("runcomfy_nightly_clips")

with DAG(
    dag_id="example_runcomfy_assets",
    schedule=None,
    tags=["example", "runcomfy"],
    # A retry pays nothing: it goes on with the request that was submitted.
    default_args={"retries": 2, "retry_delay": timedelta(seconds=10)},
    params={"bucket": Param("videos", type="string", title="S3 bucket")},
    doc_md=__doc__,
) as dag:
    generate = RunComfyGenerateOperator.partial(
        task_id="generate",
        model_id="kling/kling-3.0/standard/text-to-video",
    ).expand(inputs=[{"prompt": prompt, "duration": 3, "sound": False} for prompt in PROMPTS])

    # One task for all clips: their events come together, and start one run of the Dag that waits for them.
    RunComfyToS3Operator(
        task_id="copy",
        request_id=generate.output,
        s3_bucket="{{ params.bucket }}",
        s3_key="nightly/{{ dag_run.run_after | ds }}/{request_id}.{ext}",
        outlets=[CLIPS],
    )
# [END howto_runcomfy_asset_alias]

# [START howto_runcomfy_scheduled_by_clips]
with DAG(
    dag_id="example_runcomfy_assets_reel",
    schedule=[CLIPS],
    tags=["example", "runcomfy"],
    default_args={"retries": 2, "retry_delay": timedelta(seconds=10)},
    doc_md=__doc__,
) as reel_dag:

    @task
    def reel(triggering_asset_events: Any = None) -> dict[str, Any]:
        """Join the clips that have arrived, and say what they have cost."""
        events = triggering_asset_events[CLIPS]
        # An object that was copied by two runs has two events.
        clips = {event.extra["uri"]: event.extra for event in events}
        # The cost is that of the whole request, which may have several files.
        costs = {clip["request_id"]: clip["cost_usd"] for clip in clips.values()}
        uri = join(sorted(clips), f"nightly/reel-{max(one.timestamp for one in events):%Y%m%dT%H%M%S}.mp4")
        return {"uri": uri, "clips": sorted(clips), "cost_usd": sum(cost for cost in costs.values() if cost)}

    reel()
# [END howto_runcomfy_scheduled_by_clips]


def join(uris: list[str], key: str) -> str:
    """Join clips of one model, which are alike, as they are; store the reel in their bucket, and return its URI."""
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook
    from imageio_ffmpeg import get_ffmpeg_exe

    s3, sources = S3Hook().get_conn(), [S3Hook.parse_s3_url(uri) for uri in uris]
    with tempfile.TemporaryDirectory() as folder:
        names = [f"{number}.mp4" for number in range(len(sources))]
        for (bucket, source), name in zip(sources, names, strict=True):
            s3.download_file(bucket, source, str(Path(folder, name)))
        Path(folder, "clips.txt").write_text("".join(f"file '{name}'\n" for name in names))
        ffmpeg = [get_ffmpeg_exe(), "-nostdin", "-loglevel", "error", "-f", "concat", "-i", "clips.txt"]
        subprocess.run([*ffmpeg, "-c", "copy", "-movflags", "+faststart", "reel.mp4"], cwd=folder, check=True)
        bucket = sources[0][0]
        s3.upload_file(str(Path(folder, "reel.mp4")), bucket, key, ExtraArgs={"ContentType": "video/mp4"})
    return f"s3://{bucket}/{key}"
