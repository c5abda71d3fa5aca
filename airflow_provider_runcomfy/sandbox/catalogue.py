"""The models that the sandbox offers, and what they cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_runcomfy.api.errors import Fault
from airflow_provider_runcomfy.api.live_schema import understood
from airflow_provider_runcomfy.api.media_inputs import media_in
from airflow_provider_runcomfy.api.schema import CheckedInputs, check_inputs, input_schema, invalid_inputs
from airflow_provider_runcomfy.api.types import MediaKind

MICRODOLLARS = 1_000_000

_ASPECT_RATIO: Mapping[str, Any] = {
    "title": "Aspect ratio",
    "type": "string",
    "enum": ["16:9", "9:16", "1:1"],
    "default": "16:9",
}

# Models of the sandbox's own. One makes images, the other one takes them; the `format` of its fields is that of
# RunComfy's catalogue (source: official clients).
_TEXT_TO_IMAGE: Mapping[str, Any] = {
    "type": "object",
    "title": "Input schema",
    "required": ["prompt"],
    "properties": {"prompt": {"title": "Prompt", "type": "string"}, "aspect_ratio": _ASPECT_RATIO},
}
_IMAGE_TO_VIDEO: Mapping[str, Any] = {
    "type": "object",
    "title": "Input schema",
    "required": ["prompt", "image_url"],
    "properties": {
        "prompt": {"title": "Prompt", "type": "string"},
        "image_url": {"title": "First frame", "type": "string", "format": "image_uri"},
        "reference_images": {
            "title": "References",
            "type": "array",
            "format": "image_uris",
            "items": {"type": "string"},
            "maxItems": 3,
        },
        "duration": {"title": "Duration", "type": "integer", "minimum": 3, "maximum": 15, "default": 5},
        "aspect_ratio": _ASPECT_RATIO,
        "sound": {"title": "Sound", "type": "boolean", "default": False},
    },
}


@dataclass(frozen=True)
class Model:
    """
    One model of the catalogue; prices in microdollars per second of video (a third-party page, 2026), or per image.

    :param own_schema: the input schema of a model that is not in the package.
    """

    model_id: str
    display_name: str
    price: int
    price_with_sound: int
    category: str = "text-to-video"
    own_schema: Mapping[str, Any] | None = None
    kind: MediaKind = MediaKind.VIDEO

    @property
    def schema(self) -> Mapping[str, Any]:
        """The input schema, as the catalogue tells it."""
        return self.own_schema or input_schema(self.model_id) or {}

    def checked(self, inputs: Mapping[str, Any]) -> CheckedInputs:
        """
        Return inputs that fit the schema.

        :raises InvalidInputError: if they do not, or if a medium among them could not be fetched.
        """
        checked = check_inputs(self.model_id, inputs, live=understood(self.own_schema) if self.own_schema else None)
        faults = []
        for medium in media_in(checked.inputs, checked.schema):
            fault = medium.fault(allow_loopback_http=True)
            if fault or medium.stored_at:
                faults.append(fault or Fault(medium.where, medium.text, "a URL that can be fetched"))
        if faults:
            raise invalid_inputs(self.model_id, faults)
        return checked

    def clip(self, inputs: Mapping[str, Any]) -> Clip:
        """Return what ``inputs``, which must fit the schema, ask for: the schema's defaults fill the gaps."""
        defaults = {name: field.get("default") for name, field in self.schema["properties"].items()}
        asked = {**defaults, **inputs}
        if self.kind is MediaKind.IMAGE:
            return Clip(asked["prompt"], 0, asked["aspect_ratio"], False, self.price)
        price = self.price_with_sound if asked["sound"] else self.price
        seconds = int(asked["duration"])
        return Clip(asked["prompt"], seconds, asked["aspect_ratio"], asked["sound"], price * seconds)

    def entry(self, *, with_schema: bool) -> dict[str, Any]:
        """Return the catalogue's entry (its keys are from an official client's code, the values are inference)."""
        entry: dict[str, Any] = {
            "model_id": self.model_id,
            "display_name": self.display_name,
            "categories": [self.category],
            "kind": self.kind.value,
            "base_price_usd": self.price / MICRODOLLARS,
            "price_unit": "second",
            "pricing_note": f"{self.price_with_sound / MICRODOLLARS} USD per second with sound",
            "required_inputs": list(self.schema.get("required", ())),
        }
        if self.kind is MediaKind.IMAGE:
            entry |= {"price_unit": "image", "pricing_note": ""}
        return {**entry, "input_schema": self.schema} if with_schema else entry


@dataclass(frozen=True)
class Clip:
    """What one request asks for: a video of so many ``seconds``, of 0 an image; ``cost`` in microdollars."""

    prompt: str
    seconds: int
    aspect_ratio: str
    sound: bool
    cost: int

    @property
    def kind(self) -> MediaKind:
        """What it is."""
        return MediaKind.VIDEO if self.seconds else MediaKind.IMAGE

    @property
    def extension(self) -> str:
        """How its file's name ends."""
        return "mp4" if self.seconds else "png"


_TO_IMAGE, _TO_VIDEO = "sandbox/text-to-image", "sandbox/image-to-video"
_OFFERED = (
    Model("kling/kling-3.0/pro/text-to-video", "Kling 3.0 Pro Text to Video", 112_000, 168_000),
    Model("kling/kling-3.0/standard/text-to-video", "Kling 3.0 Standard Text to Video", 84_000, 126_000),
    Model(_TO_VIDEO, "Sandbox Image to Video", 100_000, 150_000, "image-to-video", _IMAGE_TO_VIDEO),
    Model(_TO_IMAGE, "Sandbox Text to Image", 20_000, 20_000, "text-to-image", _TEXT_TO_IMAGE, MediaKind.IMAGE),
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
