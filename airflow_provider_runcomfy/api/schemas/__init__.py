"""
The input schemas that come with the package, one file per model: `<model_id>.json` in this folder.

The files are RunComfy's own (source: seed), quirks kept, without the long `default` of `prompt`, which is a
playground example and not a default.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent


@cache
def model_ids() -> tuple[str, ...]:
    """Return the ids of the models whose input schema is in the package, sorted."""
    return tuple(sorted(path.relative_to(_FOLDER).with_suffix("").as_posix() for path in _FOLDER.rglob("*.json")))


def load(model_id: str) -> dict[str, Any] | None:
    """Return the model's input schema as RunComfy publishes it, or ``None`` if it is not in the package."""
    # Not by asking for the file: case matters in a model id, and not in every file system.
    if model_id not in model_ids():
        return None
    schema: dict[str, Any] = json.loads((_FOLDER / f"{model_id}.json").read_bytes())
    return schema


def normalised(schema: dict[str, Any]) -> dict[str, Any]:
    """
    Return the schema as JSON Schema, with what RunComfy's spelling of it means made explicit.

    - ``"type": "float"`` is a number (seed).
    - ``items`` that list properties without ``"type": "object"`` describe an object (seed). Those of its properties
      that have no default are required (inference: the seed says nothing of it).
    - No field that is not listed (inference: a mistyped name would be ignored, and the wrong clip paid for).
    - Required text must not be blank (inference: a clip of nothing is paid for like any other).

    ``format`` values such as ``str`` or ``int_slider_with_range`` are hints for a form and mean nothing here.
    """
    result = dict(schema)
    if schema.get("type") == "float":
        result["type"] = "number"
    if "properties" in schema:
        result["properties"] = {
            name: _property(field, required=name in schema.get("required", ()))
            for name, field in schema["properties"].items()
        }
        result["additionalProperties"] = False
    if "items" in schema:
        result["items"] = normalised(_as_object(schema["items"]))
    return result


def _property(schema: dict[str, Any], *, required: bool) -> dict[str, Any]:
    field = normalised(schema)
    return {**field, "pattern": r"\S"} if required and field.get("type") == "string" else field


def _as_object(items: dict[str, Any]) -> dict[str, Any]:
    if "type" in items:
        return items
    required = [name for name, field in items.items() if "default" not in field]
    return {"type": "object", "properties": items, "required": required}
