"""What the demo would cost on the real RunComfy, and whether the user wants that."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from airflow_provider_runcomfy.sandbox.catalogue import MICRODOLLARS, MODELS

_PRO = "kling/kling-3.0/pro/text-to-video"
_STANDARD = "kling/kling-3.0/standard/text-to-video"
#: What the two example Dags of the demo submit: model, and the inputs that decide the price.
CLIPS: tuple[tuple[str, Mapping[str, Any]], ...] = (
    (_PRO, {"duration": 3, "sound": False}),
    (_STANDARD, {"duration": 3, "sound": False}),
    *[(_STANDARD, {"duration": 3, "sound": True})] * 3,
)


class NotAllowedError(RuntimeError):
    """The user did not allow the demo to spend money."""


def estimate_usd() -> float:
    """Return what the demo's clips cost; prices of a third-party page, 2026."""
    return sum(MODELS[model_id].clip({"prompt": "", **inputs}).cost for model_id, inputs in CLIPS) / MICRODOLLARS


def ask_to_spend(environment: Mapping[str, str]) -> None:
    """
    Say what the demo costs and ask; ``RUNCOMFY_SPEND=yes`` answers beforehand.

    :raises NotAllowedError: the answer is not yes, or nobody is there to answer.
    """
    print(
        f"RUNCOMFY_TOKEN is set, so this runs on the real RunComfy: {len(CLIPS)} clips, about "
        f"{estimate_usd():.2f} USD of your balance (an estimate: prices may have changed)."
    )
    if environment.get("RUNCOMFY_SPEND") == "yes":
        print("RUNCOMFY_SPEND=yes: going on.")
        return
    elsewhere = "Nothing was spent. Without RUNCOMFY_TOKEN the demo runs on the local sandbox, free of charge."
    if not sys.stdin.isatty():
        raise NotAllowedError(f"Nobody is here to be asked; RUNCOMFY_SPEND=yes allows it. {elsewhere}")
    if input("Spend it? [y/N] ").strip().lower() not in ("y", "yes"):
        raise NotAllowedError(elsewhere)
