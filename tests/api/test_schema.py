from __future__ import annotations

import copy
import datetime
import decimal
import enum
import json
import subprocess
import sys
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment
from jinja2.nativetypes import NativeEnvironment

from airflow_provider_runcomfy.api import schemas
from airflow_provider_runcomfy.api.errors import Fault, InvalidInputError, Money
from airflow_provider_runcomfy.api.schema import check_inputs, check_model_id, input_schema, known_models

PRO = "kling/kling-3.0/pro/text-to-video"
STANDARD = "kling/kling-3.0/standard/text-to-video"
OTHER = "acme/other-1.0/text-to-image"
BOTH = pytest.mark.parametrize("model_id", [PRO, STANDARD], ids=["pro", "standard"])

NATIVE = " (with render_template_as_native_obj, Jinja makes a number or a list of text that reads like one)"
PLAIN = " (Jinja makes text of it unless the Dag has render_template_as_native_obj; an XComArg stays what it is)"
DURATION = "a whole number from 3 to 15"
CFG_SCALE = "a number from 0 to 1"
SEGMENT = "an object with prompt, duration"
SEGMENTS = f"a list of at most 20, each {SEGMENT}"
PROMPT = "text that is not blank"
NOT_JSON = "text, a number, true, false, None, a list or an object, as JSON has them"
TOO_DEEP = "at most 50 levels deep, and no value within itself"


def refused(model_id: str, inputs: Any) -> InvalidInputError:
    with pytest.raises(InvalidInputError) as caught:
        check_inputs(model_id, inputs)
    return caught.value


class TestPackagedSchemas:
    def test_are_those_of_the_two_models(self) -> None:
        assert known_models() == (PRO, STANDARD)

    def test_of_another_model_is_none(self) -> None:
        assert input_schema(OTHER) is None

    def test_may_be_of_a_model_without_segments(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(schemas, "load", {OTHER: {"type": "object", "properties": {"prompt": {}}}}.get)
        fault = "multi_prompt: got [{}]; no such field: did you mean prompt?"
        assert [str(found) for found in refused(OTHER, {"prompt": "a", "multi_prompt": [{}]}).faults] == [fault]

    @pytest.mark.parametrize("model_id", [PRO.upper(), "", "..", "../schemas/" + PRO, PRO + ".json"])
    def test_are_found_by_their_exact_id_only(self, model_id: str) -> None:
        assert input_schema(model_id) is None

    @pytest.mark.parametrize(
        ("published", "normal"),
        [
            ({"type": "float", "default": 1}, {"type": "number", "default": 1}),
            ({"type": "array", "items": {"type": "float"}}, {"type": "array", "items": {"type": "number"}}),
            (
                {"items": {"a": {"type": "string"}, "b": {"type": "int", "default": 1}}},
                {
                    "items": {
                        "type": "object",
                        "properties": {"a": {"type": "string", "pattern": r"\S"}, "b": {"type": "int", "default": 1}},
                        "required": ["a"],
                        "additionalProperties": False,
                    }
                },
            ),
            (
                {"properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "required": ["a"]},
                {
                    "properties": {"a": {"type": "string", "pattern": r"\S"}, "b": {"type": "string"}},
                    "required": ["a"],
                    "additionalProperties": False,
                },
            ),
        ],
        ids=["a number", "a list of numbers", "a list of properties", "fields"],
    )
    def test_are_json_schema_once_normalised(self, published: dict[str, Any], normal: dict[str, Any]) -> None:
        assert schemas.normalised(published) == normal

    @BOTH
    def test_keep_the_quirks_of_the_published_ones(self, model_id: str) -> None:
        schema = input_schema(model_id)
        assert schema is not None
        fields = schema["properties"]
        assert schema["required"] == ["prompt"]
        assert {name: field["type"] for name, field in fields.items()} == {
            "prompt": "string",
            "negative_prompt": "string",
            "duration": "integer",
            "aspect_ratio": "string",
            "cfg_scale": "float",
            "sound": "boolean",
            "multi_prompt": "array",
            "shot_type": "string",
        }
        items = fields["multi_prompt"]["items"]
        assert {name: (field["type"], field["format"]) for name, field in items.items()} == {
            "prompt": ("string", "str"),
            "duration": ("integer", "int_slider_with_range"),
        }
        for field in (fields["duration"], items["duration"]):
            assert (field["minimum"], field["maximum"], field["default"]) == (3, 15, 5)
        assert (fields["multi_prompt"]["minItems"], fields["multi_prompt"]["maxItems"]) == (0, 20)
        assert (fields["cfg_scale"]["minimum"], fields["cfg_scale"]["maximum"]) == (0, 1)
        assert fields["aspect_ratio"]["enum"] == ["16:9", "9:16", "1:1"]
        defaults = {name: field["default"] for name, field in fields.items() if "default" in field}
        shot_type = defaults.pop("shot_type")
        assert defaults == {"duration": 5, "aspect_ratio": "16:9", "cfg_scale": 0.5, "sound": True}
        assert (fields["shot_type"]["enum"], shot_type) == (
            (["customize"], "customize") if model_id == PRO else (["intelligent", "customize"], "intelligent")
        )

    def test_belong_to_the_caller(self) -> None:
        changed = input_schema(PRO)
        assert changed is not None
        changed["properties"].clear()
        assert check_inputs(PRO, {"prompt": "a", "duration": 7}).inputs == {"prompt": "a", "duration": 7}


EVERYTHING = {
    "prompt": "a boat",
    "negative_prompt": "",
    "duration": 8,
    "aspect_ratio": "9:16",
    "cfg_scale": 0,
    "sound": False,
    "multi_prompt": [{"prompt": "it leaves", "duration": 3}, {"prompt": "it is gone"}],
    "shot_type": "customize",
}


@BOTH
@pytest.mark.parametrize(
    "inputs",
    [
        pytest.param({"prompt": "a boat"}, id="only what is required, and no default is added"),
        pytest.param(EVERYTHING, id="everything, one segment by its default of 5 s"),
        pytest.param({"prompt": "a", "multi_prompt": []}, id="no segments"),
        pytest.param({"prompt": "a", "duration": 9, "multi_prompt": []}, id="no segments, nothing to add up"),
        pytest.param({"prompt": "a", "multi_prompt": [{"prompt": "b"}]}, id="one segment, both by default"),
        pytest.param({"prompt": "a", "multi_prompt": [{"prompt": "b", "duration": 5}]}, id="the default duration"),
        pytest.param({"prompt": "5", "negative_prompt": "True"}, id="text that reads like a number stays text"),
        pytest.param({"prompt": " a\nb\t\U0001f680 "}, id="prompt as written, white space included"),
        pytest.param({"prompt": "a", "duration": 3, "cfg_scale": 1.0}, id="at the bounds"),
        pytest.param({"prompt": "a", "duration": 15, "cfg_scale": 0.0}, id="at the other bounds"),
    ],
)
def test_valid_inputs_are_submitted_as_they_are(model_id: str, inputs: dict[str, Any]) -> None:
    given_inputs = copy.deepcopy(inputs)
    checked = check_inputs(model_id, given_inputs)
    assert (json.dumps(checked.inputs), checked.checked, checked.hint) == (json.dumps(inputs), True, None)
    assert given_inputs == inputs


@BOTH
@pytest.mark.parametrize(
    ("name", "given_value", "submitted"),
    [
        ("duration", "5", 5),
        ("duration", " 5\n", 5),
        ("duration", "5.0", 5),
        ("duration", "05", 5),
        ("duration", 5.0, 5),
        ("cfg_scale", "0.5", 0.5),
        ("cfg_scale", "1", 1),
        ("cfg_scale", "1.0", 1.0),
        ("cfg_scale", "5e-05", 5e-05),
        ("cfg_scale", 1, 1),
        ("sound", "True", True),
        ("sound", "true", True),
        ("sound", "False", False),
        ("sound", "false ", False),
    ],
)
def test_what_jinja_made_text_is_turned_back(model_id: str, name: str, given_value: Any, submitted: Any) -> None:
    inputs = check_inputs(model_id, {"prompt": "a", name: given_value}).inputs
    # By JSON, for which 5 and 5.0 and True and 1 differ.
    assert json.dumps(inputs) == json.dumps({"prompt": "a", name: submitted})


def test_what_jinja_made_text_is_turned_back_in_segments_too() -> None:
    inputs = {
        "prompt": "a",
        "duration": "7",
        "multi_prompt": ({"prompt": "3", "duration": "3"}, {"prompt": "b", "duration": 4.0}),
    }
    assert json.dumps(check_inputs(PRO, inputs).inputs) == json.dumps(
        {"prompt": "a", "duration": 7, "multi_prompt": [{"prompt": "3", "duration": 3}, {"prompt": "b", "duration": 4}]}
    )


def test_text_that_native_jinja_made_a_number_is_refused_and_the_reason_said() -> None:
    year = NativeEnvironment().from_string("{{ year }}").render(year="2024")
    assert refused(PRO, {"prompt": year}).faults == (Fault("prompt", "2024", PROMPT + NATIVE),)


@BOTH
@pytest.mark.parametrize(
    ("inputs", "faults"),
    [
        # The whole and its fields.
        ({}, [("prompt", "nothing", f"required: {PROMPT}")]),
        (None, [("inputs", "None", "an object with the model's fields")]),
        ([("prompt", "a")], [("inputs", "[['prompt', 'a']]", "an object with the model's fields")]),
        ("{'prompt': 'a'}", [("inputs", "\"{'prompt': 'a'}\"", f"an object with the model's fields{PLAIN}")]),
        ({"prompt": ""}, [("prompt", "''", PROMPT)]),
        ({"prompt": " \n"}, [("prompt", "' \\n'", PROMPT)]),
        ({"prompt": None}, [("prompt", "None", PROMPT)]),
        ({"prompt": 2024}, [("prompt", "2024", PROMPT + NATIVE)]),
        ({"prompt": ["a"]}, [("prompt", "['a']", PROMPT + NATIVE)]),
        ({"prompt": "a\0"}, [("prompt", r"'a\x00'", "text without NUL and lone surrogates")]),
        ({"prompt": "a\ud800"}, [("prompt", r"'a\ud800'", "text without NUL and lone surrogates")]),
        ({"negative_prompt": 1.5}, [("negative_prompt", "1.5", "text" + NATIVE)]),
        ({"negative_prompt": None}, [("negative_prompt", "None", "text")]),
        # Numbers and booleans.
        ({"duration": 2}, [("duration", "2", DURATION)]),
        ({"duration": 16}, [("duration", "16", DURATION)]),
        ({"duration": "16"}, [("duration", "16", DURATION)]),
        ({"duration": 5.5}, [("duration", "5.5", DURATION)]),
        ({"duration": "5.5"}, [("duration", "'5.5'", DURATION)]),
        ({"duration": "5s"}, [("duration", "'5s'", DURATION)]),
        ({"duration": "1_0"}, [("duration", "'1_0'", DURATION)]),
        ({"duration": "\u0665"}, [("duration", "'\u0665'", DURATION)]),
        ({"duration": ""}, [("duration", "''", DURATION)]),
        ({"duration": True}, [("duration", "True", DURATION)]),
        ({"duration": "True"}, [("duration", "'True'", DURATION)]),
        ({"duration": "9" * 5000}, [("duration", "'" + "9" * 79 + "...", DURATION)]),
        ({"duration": 10**5000}, [("duration", "<int>", DURATION)]),
        ({"duration": float("inf")}, [("duration", "inf", DURATION)]),
        ({"duration": decimal.Decimal(5)}, [("duration", "Decimal('5')", DURATION)]),
        ({"cfg_scale": 1.1}, [("cfg_scale", "1.1", CFG_SCALE)]),
        ({"cfg_scale": -0.1}, [("cfg_scale", "-0.1", CFG_SCALE)]),
        ({"cfg_scale": "nan"}, [("cfg_scale", "'nan'", CFG_SCALE)]),
        ({"cfg_scale": "1e999"}, [("cfg_scale", "'1e999'", CFG_SCALE)]),
        ({"cfg_scale": float("nan")}, [("cfg_scale", "nan", CFG_SCALE)]),
        ({"cfg_scale": True}, [("cfg_scale", "True", CFG_SCALE)]),
        ({"sound": 1}, [("sound", "1", "true or false")]),
        ({"sound": "1"}, [("sound", "'1'", "true or false")]),
        ({"sound": "yes"}, [("sound", "'yes'", "true or false")]),
        # Choices.
        ({"aspect_ratio": "4:3"}, [("aspect_ratio", "'4:3'", "one of '16:9', '9:16', '1:1'")]),
        ({"aspect_ratio": 969}, [("aspect_ratio", "969", f"one of '16:9', '9:16', '1:1'{NATIVE}")]),
        # Names.
        ({"aspec_ratio": "1:1"}, [("aspec_ratio", "'1:1'", "no such field: did you mean aspect_ratio?")]),
        ({"Duration": 5}, [("Duration", "5", "no such field: did you mean duration?")]),
        ({"CFG_SCALE": 1}, [("CFG_SCALE", "1", "no such field: did you mean cfg_scale?")]),
        ({"cfg-scale": 1}, [("cfg-scale", "1", "no such field: did you mean cfg_scale?")]),
        ({"dur": 5}, [("dur", "5", "no such field: did you mean duration?")]),
        ({"prompt\n": "a"}, [(r"inputs['prompt\n']", "'a'", "no such field: did you mean prompt?")]),
        ({5: 1}, [("inputs[5]", "5", "field names are text")]),
        (
            {None: 1, b"a": 2},
            [("inputs[None]", "None", "field names are text"), ("inputs[b'a']", "b'a'", "field names are text")],
        ),
        ({"a\0": 1}, [(r"inputs['a\x00']", r"'a\x00'", "field names without NUL and lone surrogates")]),
        # Segments.
        ({"multi_prompt": None}, [("multi_prompt", "None", SEGMENTS)]),
        ({"multi_prompt": "[]"}, [("multi_prompt", "'[]'", SEGMENTS + PLAIN)]),
        ({"multi_prompt": {"prompt": "b"}}, [("multi_prompt", "{'prompt': 'b'}", SEGMENTS)]),
        ({"multi_prompt": ["b"]}, [("multi_prompt[0]", "'b'", SEGMENT + PLAIN)]),
        ({"multi_prompt": [None]}, [("multi_prompt[0]", "None", SEGMENT)]),
        ({"multi_prompt": [{}]}, [("multi_prompt[0].prompt", "nothing", f"required: {PROMPT}")]),
        ({"multi_prompt": [{"prompt": " "}]}, [("multi_prompt[0].prompt", "' '", PROMPT)]),
        (
            {"multi_prompt": [{"prompt": "b", "durations": 5}]},
            [("multi_prompt[0].durations", "5", "no such field: did you mean duration?")],
        ),
        (
            {"multi_prompt": [{"prompt": "b", "duration": "long"}]},
            [("multi_prompt[0].duration", "'long'", DURATION)],
        ),
        (
            {"duration": 15, "multi_prompt": [{"prompt": "b", "duration": 2}, {"prompt": "c", "duration": 13}]},
            [("multi_prompt[0].duration", "2", DURATION)],
        ),
        (
            {"duration": 8, "multi_prompt": [{"prompt": "b", "duration": 3}, {"prompt": "c", "duration": "4"}]},
            [("multi_prompt[].duration", "7 = 3 + 4", "the durations must add up to duration, which is 8")],
        ),
        (
            {"multi_prompt": [{"prompt": "b"}, {"prompt": "c"}]},
            [
                (
                    "multi_prompt[].duration",
                    "10 = 5 + 5",
                    "the durations must add up to duration, which is 5 when it is not given",
                )
            ],
        ),
        (
            {"duration": 10, "multi_prompt": [{"prompt": "b", "duration": True}, {"prompt": "c"}]},
            [("multi_prompt[0].duration", "True", DURATION)],
        ),
    ],
)
def test_each_fault_says_where_what_and_what_is_allowed(
    model_id: str, inputs: Any, faults: list[tuple[str, str, str]]
) -> None:
    # The prompt is there unless the case is about it.
    if isinstance(inputs, dict) and inputs and not any(path == "prompt" for path, _, _ in faults):
        inputs = {"prompt": "a", **inputs}
    assert list(refused(model_id, inputs).faults) == [Fault(*fault) for fault in faults]


def test_too_many_segments() -> None:
    segments = [{"prompt": "b", "duration": 3}] * 21
    (fault, total) = refused(PRO, {"prompt": "a", "multi_prompt": segments}).faults
    assert (fault.path, fault.allowed) == ("multi_prompt", SEGMENTS)
    assert fault.value == repr(segments)[:80] + "..."
    assert (total.path, total.value) == ("multi_prompt[].duration", ("63" + " = 3" + " + 3" * 20)[:80] + "...")


def test_shot_type_differs_between_the_models() -> None:
    inputs = {"prompt": "a", "shot_type": "intelligent"}
    assert check_inputs(STANDARD, inputs).inputs == inputs
    assert refused(PRO, inputs).faults == (Fault("shot_type", "'intelligent'", "only 'customize'"),)
    assert refused(STANDARD, inputs | {"shot_type": "wide"}).faults == (
        Fault("shot_type", "'wide'", "one of 'intelligent', 'customize'"),
    )


def test_all_faults_come_in_one_message() -> None:
    inputs = {
        "prompt": "a boat",
        "duration": 20,
        "aspec_ratio": "1:1",
        "seed": datetime.date(2026, 1, 2),
        "multi_prompt": [{"prompt": "b", "duration": 3}, {"promt": "c", "duration": 4}],
    }
    error = refused(STANDARD, inputs)
    assert str(error) == "\n".join(
        [
            f"The inputs of {STANDARD} have 6 faults; nothing was submitted, nothing was charged:",
            "  duration: got 20; a whole number from 3 to 15",
            "  multi_prompt[1].prompt: got nothing; required: text that is not blank",
            "  multi_prompt[1].promt: got 'c'; no such field: did you mean prompt?",
            "  aspec_ratio: got '1:1'; no such field: did you mean aspect_ratio?",
            "  seed: got datetime.date(2026, 1, 2); no such field: it may be prompt, negative_prompt, duration, "
            "aspect_ratio, cfg_scale, sound, shot_type, multi_prompt",
            "  multi_prompt[].duration: got 7 = 3 + 4; the durations must add up to duration, which is 20",
        ]
    )
    assert (len(error.faults), error.model_id, error.money, error.retryable) == (6, STANDARD, Money.NOT_SPENT, False)


def test_a_message_of_one_fault_says_so() -> None:
    assert str(refused(PRO, {})) == (
        f"The inputs of {PRO} have 1 fault; nothing was submitted, nothing was charged:\n"
        f"  prompt: got nothing; required: {PROMPT}"
    )


def test_a_list_of_whatever_is_described_so() -> None:
    live = {"type": "object", "properties": {"x": {"type": "array"}}}
    with pytest.raises(InvalidInputError, match="x: got 5; a list, each anything"):
        check_inputs(OTHER, {"x": 5}, live=live)


def test_a_list_of_whatever_is_taken_as_it_is() -> None:
    live = {"type": "object", "properties": {"x": {"type": "array"}}}
    assert check_inputs(OTHER, {"x": ["1", 2.0]}, live=live).inputs == {"x": ["1", 2.0]}


def test_what_they_were_checked_by_is_handed_on() -> None:
    live = {"type": "object", "properties": {"prompt": {"type": "string"}}}
    assert check_inputs(PRO, {"prompt": "a"}).schema == schemas.normalised(input_schema(PRO) or {})
    assert check_inputs(PRO, {"prompt": "a"}, live=live).schema is live
    assert check_inputs(OTHER, {"prompt": "a"}).schema is None


def test_a_message_of_many_faults_is_cut_and_its_faults_are_not() -> None:
    error = refused(OTHER, {"values": [b""] * 200})
    assert len(error.faults) == 200
    lines = str(error).splitlines()
    assert len(lines) == 52
    assert lines[-1] == "  ... and 150 more"


def test_a_message_of_fifty_faults_is_whole() -> None:
    assert str(refused(OTHER, {"values": [b""] * 50})).splitlines()[-1] == f"  values[49]: got b''; {NOT_JSON}"
    assert str(refused(OTHER, {"values": [b""] * 51})).splitlines()[-1] == "  ... and 1 more"


def test_of_many_fields_that_there_are_not_the_first_fifty_are_told_what_there_is() -> None:
    faults = refused(PRO, {"prompt": "a", **{f"{number}": 1 for number in range(60)}}).faults
    assert [fault.allowed == "no such field" for fault in faults] == [False] * 50 + [True] * 10


class TestModelWithoutSchema:
    @pytest.mark.parametrize(
        "inputs",
        [
            {},
            {"prompt": "", "anything": [1, 0.5, None, True, {"a": "5"}], "duration": "5", "": -1},
            {"long": "x" * 5_000_000},
        ],
    )
    def test_is_submitted_unchecked(self, inputs: dict[str, Any]) -> None:
        checked = check_inputs(OTHER, inputs)
        assert (checked.inputs, checked.checked, checked.hint) == (inputs, False, None)

    @pytest.mark.parametrize(
        ("value", "fault"),
        [
            (datetime.datetime(2026, 1, 2), ("v", "datetime.datetime(2026, 1, 2, 0, 0)", NOT_JSON)),  # noqa: DTZ001
            (b"abc", ("v", "b'abc'", NOT_JSON)),
            ({1}, ("v", "{1}", NOT_JSON)),
            (decimal.Decimal("0.5"), ("v", "Decimal('0.5')", NOT_JSON)),
            (float("nan"), ("v", "nan", "a finite number")),
            (float("-inf"), ("v", "-inf", "a finite number")),
            (2**1023, ("v", f"{2**1023}"[:80] + "...", "a number that JSON's readers can hold")),
            ([1, {"b c": {"d": b""}}], ("v[1]['b c'].d", "b''", NOT_JSON)),
            ({5: 1}, ("v[5]", "5", "field names are text")),
            ("a\udfffb", ("v", r"'a\udfffb'", "text without NUL and lone surrogates")),
            ("\0" + "x" * 100, ("v", r"'\x00" + "x" * 75 + "...", "text without NUL and lone surrogates")),
        ],
    )
    def test_takes_only_what_json_can_hold(self, value: Any, fault: tuple[str, str, str]) -> None:
        assert refused(OTHER, {"v": value}).faults == (Fault(*fault),)

    def test_gets_plain_types(self) -> None:
        class Ratio(enum.StrEnum):
            WIDE = "16:9"

        class Steps(enum.IntEnum):
            FEW = 4

        class Scale(float):
            def __repr__(self) -> str:
                return "Scale"

        inputs = MappingProxyType({"a": Ratio.WIDE, "b": Steps.FEW, "c": (1, (Scale(2),)), Ratio.WIDE: 0})
        assert repr(check_inputs(OTHER, inputs).inputs) == "{'a': '16:9', 'b': 4, 'c': [1, [2.0]], '16:9': 0}"

    def test_gets_a_copy(self) -> None:
        inputs: dict[str, Any] = {"a": [{"b": 1}]}
        checked = check_inputs(OTHER, inputs)
        inputs["a"][0]["b"] = 2
        assert checked.inputs == {"a": [{"b": 1}]}

    @pytest.mark.parametrize(
        ("model_id", "meant"),
        [
            ("Kling/Kling-3.0/Pro/text-to-video", PRO),
            ("kling/kling-3.0/text-to-video", PRO),
            ("kling/kling-3.0/std/text-to-video", STANDARD),
            ("kling/kling-3.0/standard/text_to_video", STANDARD),
            ("kling/kling-2.6/pro/text-to-video", None),
            ("kling/kling-3.0/pro/image-to-video", None),
            ("kling/kling-3.0/standard/image-to-video", None),
            (OTHER, None),
        ],
    )
    def test_that_looks_like_a_typo_is_submitted_with_a_hint(self, model_id: str, meant: str | None) -> None:
        hint = f"{model_id} is not a model that this package knows; did you mean {meant}? Case matters."
        assert check_inputs(model_id, {}).hint == (hint if meant else None)


@pytest.mark.parametrize("model_id", [PRO, STANDARD, "a", "a/b.c/D_e-1", "..."])
def test_model_id_of_the_right_form(model_id: str) -> None:
    assert check_model_id(model_id) == model_id


@pytest.mark.parametrize(
    "model_id",
    [
        "",
        "/a",
        "a/",
        "a//b",
        ".",
        "..",
        "a/./b",
        "a/../b",
        "a b",
        "a?b",
        "a%2Fb",
        "ä",
        "a\n",
        PRO + "\n",
        None,
        5,
        b"a",
    ],
)
def test_model_id_of_another_form_is_refused(model_id: Any) -> None:
    with pytest.raises(InvalidInputError) as by_itself:
        check_model_id(model_id)
    with pytest.raises(InvalidInputError) as with_inputs:
        check_inputs(model_id, {})
    near = f", say {PRO}" if model_id == PRO + "\n" else ""
    allowed = f"a model id is letters, digits, '_', '.' and '-' in segments between single slashes{near}"
    assert by_itself.value.faults == with_inputs.value.faults == (Fault("model_id", repr(model_id), allowed),)
    assert str(by_itself.value) == f"model_id: got {model_id!r}; {allowed}. Nothing was submitted, nothing was charged."


class TestHostileValues:
    def test_deep(self) -> None:
        deep: Any = 1
        for _ in range(100_000):
            deep = [deep]
        (fault,) = refused(OTHER, {"v": deep}).faults
        assert fault == Fault("v" + "[0]" * 49, "...", TOO_DEEP)

    def test_as_deep_as_allowed(self) -> None:
        deep: Any = {}
        for _ in range(49):
            deep = {"v": deep}
        assert check_inputs(OTHER, deep).inputs == deep

    def test_within_itself(self) -> None:
        inputs: dict[str, Any] = {"prompt": "a"}
        inputs["v"] = inputs
        assert refused(OTHER, inputs).faults == (Fault(".".join("v" * 50), "...", TOO_DEEP),)

    @pytest.mark.parametrize("model_id", [PRO, OTHER])
    def test_many_times_within_itself(self, model_id: str) -> None:
        laughs: list[Any] = []
        laughs += [laughs] * 10
        fault = Fault("inputs", "<dict>", "at most 100000 values, and none within itself")
        assert refused(model_id, {"prompt": laughs}).faults == (fault,)
        assert refused(model_id, laughs).faults == (Fault("inputs", "<list>", "an object with the model's fields"),)

    def test_whose_repr_fails_or_has_many_lines(self) -> None:
        class Broken:
            def __repr__(self) -> str:
                raise RuntimeError

        class Table:
            def __repr__(self) -> str:
                return "a\nb\x1b[0m\ud800"

        assert [fault.value for fault in refused(OTHER, {"a": Broken(), "b": Table()}).faults] == [
            "<Broken>",
            "a b [0m ",
        ]


# Written from the documentation, not from the code that is tested.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
PROMPTS = TEXT.filter(lambda text: text.strip() != "")
DURATIONS = st.integers(3, 15)


@st.composite
def valid_inputs(draw: st.DrawFn, model_id: str) -> dict[str, Any]:
    shot_types = ["customize"] if model_id == PRO else ["customize", "intelligent"]
    inputs: dict[str, Any] = draw(
        st.fixed_dictionaries(
            {"prompt": PROMPTS},
            optional={
                "negative_prompt": TEXT,
                "duration": DURATIONS,
                "aspect_ratio": st.sampled_from(["16:9", "9:16", "1:1"]),
                "cfg_scale": st.floats(0, 1) | st.integers(0, 1),
                "sound": st.booleans(),
                "shot_type": st.sampled_from(shot_types),
                "multi_prompt": st.just([]),
            },
        )
    )
    segment = st.fixed_dictionaries({"prompt": PROMPTS}, optional={"duration": DURATIONS})
    segments = draw(st.lists(segment, max_size=5))
    total = sum(int(item.get("duration", 5)) for item in segments)
    if 3 <= total <= 15:
        inputs |= {"multi_prompt": segments, "duration": total}
        if total == 5 and draw(st.booleans()):
            del inputs["duration"]
    return inputs


TEMPLATE = Environment(autoescape=False).from_string("{{ value }}")


def as_jinja_renders(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: as_jinja_renders(item) for name, item in value.items()}
    if isinstance(value, list):
        return [as_jinja_renders(item) for item in value]
    return TEMPLATE.render(value=value)


MODELS = st.sampled_from([PRO, STANDARD])


@given(MODELS.flatmap(lambda model_id: st.tuples(st.just(model_id), valid_inputs(model_id))))
def test_any_valid_inputs_pass_unchanged_and_come_back_from_jinja(case: tuple[str, dict[str, Any]]) -> None:
    model_id, inputs = case
    for given_inputs in (inputs, as_jinja_renders(inputs)):
        assert json.dumps(check_inputs(model_id, given_inputs).inputs) == json.dumps(inputs)


NAMES = st.sampled_from(["prompt", "duration", "cfg_scale", "sound", "multi_prompt", "aspect_ratio", "shot_type", "x"])
JSON_VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.text(st.characters())
    | st.sampled_from(["5", "5.0", "0.5", "True", "nan", "16:9", "customize", 5, 5.0, 10**400])
)
PYTHON_VALUES = (
    st.binary()
    | st.datetimes()
    | st.decimals()
    | st.fractions()
    | st.complex_numbers()
    | st.uuids()
    | st.frozensets(st.integers())
    | st.sampled_from([object(), int, len, ..., range(3), MappingProxyType({"prompt": "a"})])
)
KEYS = NAMES | st.text(st.characters()) | st.integers() | st.none() | st.tuples(st.integers()) | st.binary()
VALUES = st.recursive(
    JSON_VALUES | PYTHON_VALUES,
    lambda inner: (
        st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(NAMES, inner) | st.dictionaries(KEYS, inner)
    ),
    max_leaves=12,
)


def outcome(call: Callable[..., Any], *args: Any) -> Any:
    try:
        return call(*args)
    except InvalidInputError as error:
        return error


@given(st.sampled_from([PRO, STANDARD, OTHER]), VALUES | st.dictionaries(NAMES, VALUES))
def test_anything_at_all_is_either_taken_or_refused(model_id: str, inputs: Any) -> None:
    checked = outcome(check_inputs, model_id, inputs)
    if isinstance(checked, InvalidInputError):
        lines = str(checked).splitlines()
        assert 0 < min(len(checked.faults), 51) == len(lines) - 1
        assert all(line.isprintable() and len(line) < 5000 for line in lines)
        assert model_id in lines[0]
    else:
        body = json.dumps(checked.inputs, allow_nan=False, ensure_ascii=False).encode()
        assert json.loads(body) == checked.inputs
        again = check_inputs(model_id, checked.inputs)
        assert (again, json.dumps(again.inputs)) == (checked, json.dumps(checked.inputs))


@given(st.text(st.characters()) | VALUES)
def test_any_model_id_is_either_taken_or_refused(model_id: Any) -> None:
    checked = outcome(check_model_id, model_id)
    if isinstance(checked, InvalidInputError):
        assert len(checked.faults) == 1
    else:
        assert checked == model_id


def test_importing_it_loads_neither_airflow_nor_jsonschema() -> None:
    code = (
        "import sys, airflow_provider_runcomfy.api.schema;"
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'airflow', 'jsonschema', 'requests', 'aiohttp'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"
