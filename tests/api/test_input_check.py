"""Which schema inputs are checked by, and what is said of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from airflow_provider_runcomfy.api.errors import InvalidInputError, UnavailableError
from airflow_provider_runcomfy.api.input_check import check_with_catalogue, refuse_what_cannot_be_fetched
from airflow_provider_runcomfy.api.media_inputs import media_in

PRO = "kling/kling-3.0/pro/text-to-video"
OTHER = "acme/other-1.0/image"
NEWER = {"input_schema": {"type": "object", "properties": {"prompt": {"type": "string"}, "seed": {"type": "integer"}}}}


def not_asked() -> Mapping[str, Any]:
    raise AssertionError("the catalogue was asked")


def away() -> Mapping[str, Any]:
    raise UnavailableError("It is away.")


def test_inputs_that_fit_the_packages_schema_need_no_catalogue() -> None:
    checked, said = check_with_catalogue(PRO, {"prompt": "a"}, not_asked)
    assert (checked.inputs, checked.checked, said) == ({"prompt": "a"}, True, "")


def test_inputs_that_fit_only_a_newer_schema_are_told_of() -> None:
    checked, said = check_with_catalogue(PRO, {"prompt": "a", "seed": "7"}, lambda: NEWER)
    assert (checked.inputs, checked.checked) == ({"prompt": "a", "seed": 7}, True)
    assert said == (
        f"The inputs of {PRO} do not fit the schema in this package, and fit the newer one of RunComfy's catalogue."
    )


@pytest.mark.parametrize("entry", [away, dict], ids=["away", "no schema"])
def test_without_a_newer_schema_the_packages_refuses(entry: Any) -> None:
    with pytest.raises(InvalidInputError, match="seed: got 7; no such field"):
        check_with_catalogue(PRO, {"prompt": "a", "seed": 7}, entry)


@pytest.mark.parametrize("inputs", [{"prompt": object()}, None, "text"], ids=["what JSON cannot hold", "None", "text"])
def test_what_json_cannot_hold_no_schema_is_asked_about(inputs: Any) -> None:
    with pytest.raises(InvalidInputError):
        check_with_catalogue(PRO, inputs, not_asked)
    with pytest.raises(InvalidInputError):
        check_with_catalogue(OTHER, inputs, not_asked)


def test_a_model_that_the_package_does_not_know_is_checked_by_the_catalogue() -> None:
    checked, said = check_with_catalogue(OTHER, {"seed": "7"}, lambda: NEWER)
    assert (checked.inputs, checked.checked, said) == ({"seed": 7}, True, "")
    with pytest.raises(InvalidInputError, match="seed: got 'x'; a whole number"):
        check_with_catalogue(OTHER, {"seed": "x"}, lambda: NEWER)


@pytest.mark.parametrize(
    ("model_id", "entry", "said"),
    [
        (OTHER, away, f"this package has no schema of {OTHER}, and RunComfy's catalogue gave none (It is away)."),
        (
            PRO.upper(),
            dict,
            f"this package has no schema of {PRO.upper()}, and RunComfy's catalogue gave none (its entry has none that "
            f"can be read). {PRO.upper()} is not a model that this package knows; did you mean {PRO}? Case matters.",
        ),
    ],
)
def test_what_nobody_has_a_schema_of_is_not_checked_and_told(model_id: str, entry: Any, said: str) -> None:
    checked, told = check_with_catalogue(model_id, {"a": 1}, entry)
    assert (checked.inputs, checked.checked, told) == ({"a": 1}, False, said)


def test_media_that_cannot_be_fetched_are_refused_all_at_once() -> None:
    media = media_in({"image_url": "http://127.0.0.1/a.png", "mask": "/a.png", "video": "https://a/b.mp4"}, None)
    with pytest.raises(InvalidInputError) as caught:
        refuse_what_cannot_be_fetched(OTHER, media, is_local=False)
    assert [fault.path for fault in caught.value.faults] == ["image_url", "mask"]
    assert caught.value.model_id == OTHER
    with pytest.raises(InvalidInputError) as local:
        refuse_what_cannot_be_fetched(OTHER, media, is_local=True)
    assert [fault.path for fault in local.value.faults] == ["mask"]
    refuse_what_cannot_be_fetched(OTHER, media[2:], is_local=False)
