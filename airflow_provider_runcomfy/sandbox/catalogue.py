"""The models that the sandbox offers, and what they cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_runcomfy.api.schema import input_schema

MICRODOLLARS = 1_000_000


@dataclass(frozen=True)
class Model:
    """One model of the catalogue; prices in microdollars per second of video (a third-party page, 2026)."""

    model_id: str
    display_name: str
    price: int
    price_with_sound: int

    def clip(self, inputs: Mapping[str, Any]) -> Clip:
        """Return what ``inputs``, which must fit the schema, ask for: the schema's defaults fill the gaps."""
        schema = input_schema(self.model_id) or {}
        defaults = {name: field.get("default") for name, field in schema["properties"].items()}
        asked = {**defaults, **inputs}
        price = self.price_with_sound if asked["sound"] else self.price
        seconds = int(asked["duration"])
        return Clip(asked["prompt"], seconds, asked["aspect_ratio"], asked["sound"], price * seconds)

    def entry(self, *, with_schema: bool) -> dict[str, Any]:
        """Return the catalogue's entry (its keys are from an official client's code, the values are inference)."""
        schema = input_schema(self.model_id) or {}
        entry: dict[str, Any] = {
            "model_id": self.model_id,
            "display_name": self.display_name,
            "categories": ["text-to-video"],
            "kind": "video",
            "base_price_usd": self.price / MICRODOLLARS,
            "price_unit": "second",
            "pricing_note": f"{self.price_with_sound / MICRODOLLARS} USD per second with sound",
            "required_inputs": list(schema.get("required", ())),
        }
        return {**entry, "input_schema": schema} if with_schema else entry


@dataclass(frozen=True)
class Clip:
    """What one request asks for; ``cost`` in microdollars."""

    prompt: str
    seconds: int
    aspect_ratio: str
    sound: bool
    cost: int


_OFFERED = (
    Model("kling/kling-3.0/pro/text-to-video", "Kling 3.0 Pro Text to Video", 112_000, 168_000),
    Model("kling/kling-3.0/standard/text-to-video", "Kling 3.0 Standard Text to Video", 84_000, 126_000),
)
MODELS: Mapping[str, Model] = {model.model_id: model for model in _OFFERED}


def find_models(search: str = "", category: str = "", kind: str = "") -> list[Model]:
    """Return the models whose name or id holds ``search`` and whose category and kind are the given ones, if any."""

    def fits(entry: Mapping[str, Any]) -> bool:
        text = f"{entry['model_id']} {entry['display_name']}".lower()
        return (
            search.lower() in text
            and (not category or category in entry["categories"])
            and (not kind or kind == entry["kind"])
        )

    return [model for model in MODELS.values() if fits(model.entry(with_schema=False))]
