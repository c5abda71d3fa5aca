"""A storyboard: one generation per scene, the clips in S3, and beside them the film that they make."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, Param, task

from airflow_provider_runcomfy.operators.runcomfy import RunComfyGenerateOperator
from airflow_provider_runcomfy.transfers.runcomfy_to_s3 import RunComfyToS3Operator

SCENES = (
    "Dawn over a quiet harbour, fishing boats rocking, slow pan.",
    "A baker opens the shutters of a small shop by the quay, warm light inside.",
    "Gulls rise over the water as the first boat leaves, wide shot.",
)
FOLDER = "storyboard/{{ dag_run.run_after | ts_nodash }}"


def join(clips: Sequence[Path], film: Path) -> None:
    """Join the clips into one film: as they are if they are alike, else made alike first (1280x720, with sound)."""
    if len({_streams(clip) for clip in clips}) > 1:
        clips = [_made_alike(clip) for clip in clips]
    listing = film.with_suffix(".txt")
    listing.write_text("".join(f"file '{clip}'\n" for clip in clips))
    _ffmpeg("-f", "concat", "-safe", "0", "-i", listing, "-c", "copy", "-movflags", "+faststart", film)


def _made_alike(clip: Path) -> Path:
    alike = clip.with_suffix(".alike.mp4")
    picture = "scale=1280:720:force_original_aspect_ratio=decrease,pad=1280:720:-1:-1,setsar=1,fps=24"
    # Of its very length: "-shortest" would leave a tail of silence now and then.
    endless = "anullsrc=r=44100:cl=stereo"
    silence = () if "Audio" in _streams(clip) else ("-f", "lavfi", "-t", _duration(clip), "-i", endless)
    sound = ("-c:a", "aac", "-ar", "44100", "-ac", "2")
    _ffmpeg("-i", clip, *silence, "-vf", picture, "-c:v", "libx264", "-pix_fmt", "yuv420p", *sound, alike)
    return alike


def _streams(clip: Path) -> str:
    """Return how ffmpeg describes the streams of a clip, without what differs from clip to clip."""
    lines = re.findall(r"Stream #.*", _description(clip))
    return "\n".join(re.sub(r"\d+ kb/s", "", line) for line in lines)


def _duration(clip: Path) -> str:
    (duration,) = re.findall(r"Duration: ([\d:.]+)", _description(clip))
    return str(duration)


def _description(clip: Path) -> str:
    command: list[str | Path] = [_executable(), "-hide_banner", "-i", clip]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr


def _ffmpeg(*arguments: str | Path) -> None:
    done = subprocess.run(
        [_executable(), "-y", "-nostdin", "-loglevel", "error", *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"ffmpeg ended with {done.returncode}: {done.stderr.strip()}")


def _executable() -> str:
    try:
        from imageio_ffmpeg import get_ffmpeg_exe
    except ImportError:
        return "ffmpeg"
    return str(get_ffmpeg_exe())


with DAG(
    dag_id="example_runcomfy_storyboard",
    schedule=None,
    tags=["example", "runcomfy"],
    # A retry pays nothing: it goes on with the request that was submitted.
    default_args={"retries": 2, "retry_delay": timedelta(seconds=10)},
    params={"bucket": Param("videos", type="string", description="S3 bucket that the clips and the film go to")},
    doc_md=__doc__,
) as dag:
    # [START howto_operator_runcomfy_generate_mapped]
    generate = RunComfyGenerateOperator.partial(
        task_id="generate",
        model_id="kling/kling-3.0/standard/text-to-video",
    ).expand(inputs=[{"prompt": scene, "duration": 3, "sound": True} for scene in SCENES])
    # [END howto_operator_runcomfy_generate_mapped]

    # [START howto_operator_runcomfy_to_s3_mapped]
    copy = RunComfyToS3Operator.partial(
        task_id="copy",
        s3_bucket="{{ params.bucket }}",
        s3_key=FOLDER + "/{request_id}.{ext}",
    ).expand(request_id=generate.output)
    # [END howto_operator_runcomfy_to_s3_mapped]

    # [START howto_runcomfy_join_clips]
    @task
    def film(copies: Any) -> str:
        """Store the film beside the clips that it is made of, and return its URI."""
        from airflow.providers.amazon.aws.hooks.s3 import S3Hook

        s3 = S3Hook().get_conn()
        sources = [S3Hook.parse_s3_url(manifest[0]["uri"]) for manifest in copies]
        with tempfile.TemporaryDirectory() as folder:
            clips = [Path(folder, f"{number}.mp4") for number in range(len(sources))]
            for (bucket, key), clip in zip(sources, clips, strict=True):
                s3.download_file(bucket, key, str(clip))
            joined = Path(folder, "film.mp4")
            join(clips, joined)
            bucket, key = sources[0][0], str(Path(sources[0][1]).with_name("film.mp4"))
            s3.upload_file(str(joined), bucket, key, ExtraArgs={"ContentType": "video/mp4"})
        return f"s3://{bucket}/{key}"

    film(copy.output)
    # [END howto_runcomfy_join_clips]
