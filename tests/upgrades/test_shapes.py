"""What is kept over an upgrade keeps its shape, or gets a version and a sample of its own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_runcomfy.operators.runcomfy import RunComfyGenerateOperator
from airflow_provider_runcomfy.sensors.runcomfy import RunComfyRequestSensor
from tests.upgrades.samples import ALL, Sample, samples
from tests.upgrades.writers import WRITERS

#: What has a version number in it, by which an earlier version of the package knows that it cannot read it.
NUMBERED = ("record", "copies")
#: What may be read by an earlier version of the package, which knows no version of it.
SHARED = [kind for kind in WRITERS if kind not in NUMBERED]

_REMINDER = """
{kind} is not written any more as tests/upgrades/samples/{newest}.json has it. Other versions of the package read it:
- earlier ones, since triggerers and workers are not upgraded at once: take nothing away, and change no meaning; where
  they must not read it at all, raise the version in it (record.py, transfers/copied.py);
- later ones, since tasks stay deferred and records are kept: go on reading every sample that there is.
If that is so, keep that file as it is, and write tests/upgrades/samples/{kind}-{next}.json, with who "written_by" names
and these values:
{values}
"""


@pytest.mark.parametrize("kind", WRITERS)
def test_what_is_written_today_is_the_newest_sample(kind: str) -> None:
    newest, written = samples(kind)[-1], json.loads(json.dumps(WRITERS[kind]()))

    assert written == newest.values, _REMINDER.format(
        kind=kind,
        newest=newest,
        next=newest.version + 1,
        values=json.dumps(written, indent=2, ensure_ascii=False),
    )


def test_each_kind_has_samples_and_each_sample_a_kind() -> None:
    assert {sample.kind for sample in ALL} == set(WRITERS)


@pytest.mark.parametrize("sample", [s for s in ALL if s.kind in NUMBERED and s.version], ids=str)
def test_the_number_of_a_sample_is_the_version_in_it(sample: Sample) -> None:
    numbers = {kept["version"] for value in sample.values.values() for kept in value.values()}

    assert numbers == {sample.version}


@pytest.mark.parametrize("sample", [s for s in ALL if s.kind in SHARED], ids=str)
def test_who_reads_an_earlier_shape_finds_all_of_it_in_todays(sample: Sample) -> None:
    today = json.loads(json.dumps(WRITERS[sample.kind]()))

    assert {name: _missing(value, today[name]) for name, value in sample.values.items()} == {
        name: [] for name in sample.values
    }


def _missing(earlier: Any, later: Any, where: str = "") -> list[str]:
    """Return what of an earlier value a later one does not have, or has as something else; lists item by item."""
    if isinstance(earlier, dict) and isinstance(later, dict):
        gone = [f"{where}.{name}" for name in earlier if name not in later]
        both = [name for name in earlier if name in later]
        return gone + [found for name in both for found in _missing(earlier[name], later[name], f"{where}.{name}")]
    if isinstance(earlier, list) and isinstance(later, list) and len(earlier) == len(later):
        pairs = enumerate(zip(earlier, later, strict=True))
        return [found for index, (one, two) in pairs for found in _missing(one, two, f"{where}[{index}]")]
    # What was not told before may be told now.
    return [] if earlier == later or earlier is None else [f"{where}: {earlier!r} is {later!r}"]


@pytest.mark.parametrize(
    ("earlier", "later", "missing"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, []),
        ({"a": None}, {"a": {"b": 1}}, []),
        ({"a": 1}, {"b": 1}, [".a"]),
        ({"a": [{"b": 1}]}, {"a": [{"b": "1"}]}, [".a[0].b: 1 is '1'"]),
        ([1], [1, 2], [": [1] is [1, 2]"]),
    ],
)
def test_what_a_later_value_lacks_is_found(earlier: Any, later: Any, missing: list[str]) -> None:
    assert _missing(earlier, later) == missing


@pytest.mark.parametrize("sample", samples("trigger"), ids=str)
@pytest.mark.parametrize(
    ("name", "operator"), [("generate", RunComfyGenerateOperator), ("sensor", RunComfyRequestSensor)]
)
def test_the_method_that_a_deferred_task_resumes_with_is_there(sample: Sample, name: str, operator: type) -> None:
    assert callable(getattr(operator, sample.values[name]["next_method"]))
