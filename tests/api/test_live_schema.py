"""What comes from the catalogue is a stranger's: what is not understood refuses nothing; nothing is fetched or run."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_runcomfy.api.errors import InvalidInputError
from airflow_provider_runcomfy.api.live_schema import understood
from airflow_provider_runcomfy.api.schema import check_inputs, input_schema

MODEL = "acme/any-1.0/image"
PRO = "kling/kling-3.0/pro/text-to-video"


def form(**fields: Any) -> dict[str, Any]:
    return {"type": "object", "properties": fields}


def live(published: Any) -> dict[str, Any]:
    schema = understood(published)
    assert schema is not None
    return schema


def faults(published: Any, inputs: dict[str, Any]) -> list[str]:
    """Return the faults that inputs have by a schema of the catalogue."""
    try:
        check_inputs(MODEL, inputs, live=live(published))
    except InvalidInputError as error:
        return [str(fault) for fault in error.faults]
    return []


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 4}, 5, "x: got 5; a whole number from 1 to 4"),
        ({"type": "float", "exclusiveMinimum": 0}, 0, "x: got 0; a number above 0"),
        ({"type": "number", "exclusiveMaximum": 1}, 1.5, "x: got 1.5; a number below 1"),
        ({"type": "string", "enum": ["a", "b"]}, "c", "x: got 'c'; one of 'a', 'b'"),
        ({"const": "a"}, "c", "x: got 'c'; only 'a'"),
        ({"type": "string", "minLength": 1, "maxLength": 3}, "abcd", "x: got 'abcd'; text of at least 1 and at most 3 "
         "characters"),
        ({"type": "bool"}, "perhaps", "x: got 'perhaps'; true or false"),
        ({"type": "array", "items": {"type": "int"}}, ["a"], "x[0]: got 'a'; a whole number"),
        ({"type": "array", "maxItems": 1}, [1, 2], "x: got [1, 2]; a list of at most 1, each anything"),
        ({"type": "object"}, 5, "x: got 5; an object"),
        ({"type": "INTEGER", "minimum": 4, "maximum": 4}, 5, "x: got 5; a whole number from 4 to 4"),
        ({"type": "string", "minLength": 3, "maxLength": 3}, "ab", "x: got 'ab'; text of at least 3 and at most 3 "
         "characters"),
        ({"type": "string", "maxLength": 0}, "a", "x: got 'a'; text"),
        ({"type": "string", "nullable": "yes"}, None, "x: got None; text"),
        ({"type": ["integer", "null"], "minimum": 1}, 0, "x: got 0; a whole number from 1"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "a", "x: got 'a'; a whole number"),
        ({"type": "integer", "enum": [1, 2]}, 3, "x: got 3; one of 1, 2"),
        ({"anyOf": [{"type": "object", "properties": {"a": {}}}, {"type": "null"}]}, {"b": 1}, "x.b: got 1; no such "
         "field: it may be a"),
        ({"type": "array", "items": {"type": {"type": "integer"}}}, [{"type": "a"}], "x[0].type: got 'a'; a whole "
         "number"),
        ({"type": "array", "items": {"a": {"type": "string"}}}, [{}], "x[0].a: got nothing; required: text that is not "
         "blank"),
    ],
)  # fmt: skip
def test_what_is_understood_is_checked(field: Any, value: Any, fault: str) -> None:
    assert faults(form(x=field), {"x": value}) == [fault]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param({}, {"any": ["thing"]}, id="nothing is said"),
        pytest.param({}, ["thing"], id="nothing is said of a list"),
        pytest.param("a string", 5, id="a field that is no schema"),
        pytest.param({"$ref": "https://example.com/schema.json"}, 5, id="a remote reference"),
        pytest.param({"$ref": "#/$defs/x", "type": "string"}, 5, id="a local reference"),
        pytest.param({"type": "string", "pattern": "^[a-z]$"}, "ABC", id="a pattern"),
        pytest.param({"type": "integer", "minimum": "7"}, 5, id="a bound that is text"),
        pytest.param({"type": "integer", "minimum": 9, "maximum": 1}, 5, id="bounds at odds"),
        pytest.param({"type": "integer", "minimum": True}, 0, id="a bound that is a boolean"),
        pytest.param({"type": "string", "minLength": -1, "maxLength": 0.5}, "abc", id="lengths that are none"),
        pytest.param({"type": "array", "minItems": 5, "maxItems": 1}, [], id="counts at odds"),
        pytest.param({"type": "string", "enum": []}, "a", id="no choice"),
        pytest.param({"type": "string", "enum": "abc"}, "d", id="choices that are no list"),
        pytest.param({"type": "string", "enum": [["a"]]}, "d", id="choices that are lists"),
        pytest.param({"enum": [["a"]]}, "d", id="choices that are lists, of no type"),
        pytest.param({"type": "integer", "enum": ["5", "10"]}, 5, id="choices of another type"),
        pytest.param({"type": "unheard-of"}, 5, id="an unknown type"),
        pytest.param({"type": ["integer", "string"]}, [], id="several types"),
        pytest.param({"type": ["integer", "null"], "enum": [1, 2]}, None, id="null is allowed"),
        pytest.param({"type": "string", "nullable": True}, None, id="null is allowed as OpenAPI has it"),
        pytest.param({"anyOf": [{"type": "integer"}, {"type": "string"}]}, [], id="one of several"),
        pytest.param({"anyOf": [{"type": "null"}, {"type": "null"}]}, 5, id="null or null"),
        pytest.param({"anyOf": ["x", {"type": "null"}]}, 5, id="null or what is no schema"),
        pytest.param({"anyOf": [{"$ref": "#/x", "type": "integer"}, {"type": "null"}]}, "a", id="null or a reference"),
        pytest.param({"anyOf": [{"type": "integer"}, {"type": "null"}, {}]}, "a", id="null or one of two"),
        pytest.param({"type": "integer", "enum": [True]}, 5, id="a boolean for a whole number"),
        pytest.param({"type": "number", "enum": [True]}, 0.5, id="a boolean for a number"),
        pytest.param({"type": "number", "exclusiveMinimum": 5, "maximum": 1}, 3, id="bounds at odds, one excluded"),
        pytest.param({"type": "number", "minimum": 5, "exclusiveMaximum": 1}, 3, id="bounds at odds, the other"),
        pytest.param({"anyOf": [{"type": "integer"}, {"type": "null"}]}, None, id="null or a number"),
        pytest.param({"type": "array", "items": "a"}, [5], id="items that are text"),
        pytest.param({"type": "array", "items": {"const": {"a": 1}}}, [{"b": 1}], id="items with an object for one"),
        pytest.param({"type": "array", "items": {"properties": {"a": {}}}}, [{"b": 1}], id="items of no type"),
        pytest.param({"type": "array", "items": {"a": {"type": "string", "default": "b"}}}, [{}], id="a default"),
        pytest.param({"type": "array", "items": {"a": 5}}, [{"b": 1}], id="items that are no properties"),
        pytest.param({"not": {}}, 5, id="a negation"),
        pytest.param({"type": "object", "properties": []}, {"a": 1}, id="properties that are none"),
        pytest.param({"type": "object", "properties": {"a": {}}, "additionalProperties": True}, {"b": 1}, id="open"),
        pytest.param({"type": "object", "properties": {"a": {}}, "patternProperties": {"(a+)+$": {}}}, {"b": 1},
                     id="names by a pattern"),
    ],
)  # fmt: skip
def test_what_is_not_understood_refuses_nothing(field: Any, value: Any) -> None:
    assert faults(form(x=field), {"x": value}) == []


@pytest.mark.parametrize(
    "published",
    [
        None, [], "text", 5, {}, {"type": "object"}, {"type": "array", "properties": {"a": {}}}, {"properties": {}},
        {"$ref": "https://example.com/a", "properties": {"a": {}}}, {"properties": ["a"]},
        form(**{f"f{number}": {} for number in range(1_001)}),
    ],
)  # fmt: skip
def test_what_is_no_form_is_none(published: Any) -> None:
    assert understood(published) is None


@pytest.mark.parametrize(
    ("field", "kept"),
    [
        pytest.param({"type": "string", "format": "image_uri", "default": ""}, {"format": "image_uri", "default": "",
                     "type": "string"}, id="format and default"),
        pytest.param({"type": "string", "format": 5}, {"type": "string"}, id="a format that is none"),
        pytest.param({"type": "integer", "enum": ["5"], "default": 5, "format": "f", "minimum": 1},
                     {"default": 5, "format": "f"}, id="choices at odds"),
        pytest.param({"type": "string", "maxLength": 2**31 - 1, "minLength": 0},
                     {"type": "string", "maxLength": 2**31 - 1, "minLength": 0}, id="the largest count"),
        pytest.param({"type": "string", "maxLength": 2**31}, {"type": "string"}, id="no count"),
        pytest.param({"type": "integer", "minimum": 1 - 2**63, "maximum": 2**63 - 1},
                     {"type": "integer", "minimum": 1 - 2**63, "maximum": 2**63 - 1}, id="the largest numbers"),
        pytest.param({"type": "integer", "minimum": -2**63, "maximum": 2**63}, {"type": "integer"}, id="no numbers"),
        pytest.param({"enum": [*range(500)]}, {"enum": [*range(500)]}, id="as many choices as there may be"),
        pytest.param({"enum": [*range(501)]}, {}, id="too many choices"),
        pytest.param({"enum": [None, "a"]}, {"enum": [None, "a"]}, id="null as a choice"),
        pytest.param({"anyOf": [{"type": "integer"}, {"type": "null"}], "default": 5},
                     {"default": 5, "type": ["integer", "null"]}, id="what stands beside a choice of null"),
        pytest.param({"type": "object", "properties": {"a": {}}, "default": {}, "format": "f"},
                     {"default": {}, "format": "f", "type": "object", "properties": {"a": {}}, "required": [],
                      "additionalProperties": False}, id="format and default of an object"),
        pytest.param({"type": "array", "default": [], "format": "image_uris"},
                     {"default": [], "format": "image_uris", "type": "array", "items": {}},
                     id="format and default of a list"),
        pytest.param({"type": ["string", "null"], "enum": ["a"]}, {"type": ["string", "null"], "enum": ["a", None]},
                     id="a choice or null"),
    ],
)  # fmt: skip
def test_what_is_kept_of_a_field(field: Any, kept: Any) -> None:
    assert live(form(x=field))["properties"] == {"x": kept}


def test_a_form_has_a_thousand_fields_at_most() -> None:
    assert len(live(form(**{f"f{number}": {} for number in range(1_000)}))["properties"]) == 1_000


@pytest.mark.parametrize(("levels", "checked"), [(7, True), (8, False)])
def test_down_to_which_depth_is_checked(levels: int, checked: bool) -> None:
    objects: Any = {"type": "integer"}
    lists, in_objects, in_lists = objects, "no number", "no number"
    for _ in range(levels):
        objects, in_objects = {"type": "object", "properties": {"a": objects}}, {"a": in_objects}  # type: ignore[assignment]
        lists, in_lists = {"type": "array", "items": lists}, [in_lists]  # type: ignore[assignment]
    assert faults(form(x=objects), {"x": in_objects}) == (
        ["x" + ".a" * levels + ": got 'no number'; a whole number"] if checked else []
    )
    assert faults(form(x=lists), {"x": in_lists}) == (
        ["x" + "[0]" * levels + ": got 'no number'; a whole number"] if checked else []
    )


def test_required_text_of_which_there_is_a_choice_may_be_blank() -> None:
    published = {**form(x={"type": "string", "enum": ["", "a"]}), "required": ["x"]}
    assert faults(published, {"x": ""}) == []


def test_a_mistyped_field_is_named() -> None:
    assert faults(form(prompt={"type": "string"}, seed={}), {"promt": "a"}) == [
        "promt: got 'a'; no such field: did you mean prompt?"
    ]


def test_required_fields_are_asked_for_and_those_that_are_not_listed_are_not() -> None:
    published = {**form(prompt={"type": "string", "default": "an example"}), "required": ["prompt", "ghost", 5]}
    assert faults(published, {}) == ["prompt: got nothing; required: text that is not blank"]


def test_required_text_that_says_something_will_do() -> None:
    assert faults({**form(x={"type": "string"}), "required": ["x"]}, {"x": "a"}) == []


def test_required_text_with_a_default_may_be_blank() -> None:
    published = {**form(negative_prompt={"type": "string", "default": ""}), "required": ["negative_prompt"]}
    assert faults(published, {"negative_prompt": ""}) == []


def test_text_that_jinja_made_of_numbers_is_turned_back() -> None:
    published = form(
        seed={"anyOf": [{"type": "integer"}, {"type": "null"}]}, cfg={"type": "float"}, hd={"type": "bool"}
    )
    checked = check_inputs(MODEL, {"seed": "7", "cfg": "0.5", "hd": "True"}, live=live(published))
    assert checked.inputs == {"seed": 7, "cfg": 0.5, "hd": True}
    assert checked.checked


def test_a_refusal_says_by_which_schema_and_how_to_do_without() -> None:
    with pytest.raises(InvalidInputError) as caught:
        check_inputs(MODEL, {"x": 5}, live=live(form(x={"type": "string"})))
    assert str(caught.value).splitlines()[-1] == (
        "This is by the schema in RunComfy's live catalogue; validate_inputs=False submits without any check."
    )


def test_the_schemas_of_the_package_are_understood_as_the_package_understands_them() -> None:
    schema = live(input_schema(PRO))
    wrong = {"prompt": " ", "duration": 20, "aspec_ratio": "16:9", "multi_prompt": [{"duration": 3}], "cfg_scale": "x"}
    with pytest.raises(InvalidInputError) as ours:
        check_inputs(PRO, wrong)
    with pytest.raises(InvalidInputError) as theirs:
        check_inputs(PRO, wrong, live=schema)
    assert {*ours.value.faults} == {*theirs.value.faults}


def test_the_durations_of_a_model_of_the_package_add_up_by_whichever_schema() -> None:
    inputs = {"prompt": "a", "duration": 9, "multi_prompt": [{"prompt": "b", "duration": 5}]}
    with pytest.raises(InvalidInputError, match="add up"):
        check_inputs(PRO, inputs, live=live(form(prompt={}, duration={}, multi_prompt={})))


def test_a_pattern_that_takes_for_ever_takes_no_time() -> None:
    published = form(x={"type": "string", "pattern": "^(a+)+$"}, y={"patternProperties": {"^(a+)+$": {}}})
    before = time.process_time()
    assert faults(published, {"x": "a" * 40 + "!", "y": {"a" * 40 + "!": 1}}) == []
    assert time.process_time() - before < 5


def test_many_choices_and_names_are_shown_in_part() -> None:
    [fault] = faults(form(x={"enum": [*range(30)]}), {"x": -1})
    assert fault.endswith("28, 29")
    [fault] = faults(form(x={"enum": [*range(400)]}), {"x": -1})
    assert fault.endswith("28, 29, ...")
    [fault] = faults(form(**{f"f{number}": {} for number in range(400)}), {"quite_another": 1})
    assert fault.endswith("f28, f29, ...")


def test_what_is_nested_without_end_is_not_checked_below_a_depth() -> None:
    nested: Any = {"type": "integer"}
    value: Any = "no number"
    for _ in range(40):
        nested, value = {"type": "object", "properties": {"a": nested}}, {"a": value}
    assert faults(nested, value) == []


_KEYWORDS = st.sampled_from([
    "type", "properties", "items", "required", "enum", "const", "default", "format", "minimum", "maximum",
    "exclusiveMinimum", "minLength", "maxItems", "anyOf", "allOf", "oneOf", "not", "$ref", "$id", "$defs",
    "pattern", "patternProperties", "additionalProperties", "nullable", "title",
])  # fmt: skip
_TYPES = st.sampled_from(["string", "integer", "float", "boolean", "array", "object", "null"])
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5)
    | _TYPES | st.just("https://example.com/schema") | st.just("^(a+)+$"),
    lambda children: st.lists(children, max_size=4)
    | st.dictionaries(_KEYWORDS | st.sampled_from(["a", "b", "prompt"]), children, max_size=6),
    max_leaves=30,
)  # fmt: skip
_SCHEMAS = st.dictionaries(st.sampled_from(["a", "b", "prompt"]), _VALUES, min_size=1).map(
    lambda fields: form(**fields)
)


@given(_SCHEMAS | _VALUES, st.dictionaries(st.sampled_from(["a", "b", "prompt", "c"]), _VALUES, max_size=4))
def test_whatever_the_catalogue_says_inputs_are_checked_or_refused(published: Any, inputs: dict[str, Any]) -> None:
    """Nothing else is raised, and nothing is fetched: a connection to another machine fails the test."""
    schema, said = understood(published), ""
    found: tuple[Any, ...] | None
    if schema is None:
        return
    try:
        found = None if check_inputs(MODEL, inputs, live=schema).checked else ()
    except InvalidInputError as error:
        found, said = error.faults, str(error)
    assert found is None or (found and len(said) < 100_000)
