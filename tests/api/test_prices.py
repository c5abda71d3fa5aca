"""The estimate of what a submit costs: of several prices the dearest counts, and what is not known is not guessed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_runcomfy.api.prices import Estimate, UnknownPriceError, estimate

NOTE = "0.168 USD per second with sound"
PRO = {"base_price_usd": 0.112, "price_unit": "second", "pricing_note": NOTE}
SCHEMA = {"properties": {"duration": {"default": 5}, "sound": {"default": True}, "prompt": {}}}
DEAREST = f"0.168 USD per second (the dearest in {NOTE!r})"


@pytest.mark.parametrize(
    ("entry", "inputs", "usd", "arithmetic"),
    [
        pytest.param(PRO, {}, "0.84", f"5 s (duration) x {DEAREST} = 0.84 USD", id="all by default"),
        pytest.param(PRO, {"duration": 15}, "2.52", f"15 s (duration) x {DEAREST} = 2.52 USD", id="a duration"),
        pytest.param(PRO, {"sound": False}, "0.56", "5 s (duration) x 0.112 USD per second (base_price_usd) = 0.56 USD",
                     id="silent"),
        pytest.param({**PRO, "pricing_note": None}, {"duration": "3s"}, "0.336",
                     "3 s (duration) x 0.112 USD per second (base_price_usd) = 0.336 USD", id="seconds as text"),
        pytest.param({"base_price_usd": 0.04, "price_unit": "image"}, {}, "0.04",
                     "0.04 USD per image (base_price_usd) = 0.04 USD", id="an image"),
        pytest.param({"base_price_usd": 0.04, "price_unit": "Images"}, {"num_images": "4"}, "0.16",
                     "4 (num_images) x 0.04 USD per image (base_price_usd) = 0.16 USD", id="four images"),
        pytest.param({"base_price_usd": 1, "price_unit": "per output", "pricing_note": "720p $1.0; 1080p $2.50"}, {},
                     "2.5", "2.5 USD per output (the dearest in '720p $1.0; 1080p $2.50') = 2.5 USD", id="dearest"),
        pytest.param({**PRO, "pricing_note": "Without sound 0.2 USD, with sound 0.3 USD"}, {"sound": False}, "1",
                     "5 s (duration) x 0.2 USD per second (the dearest in 'Without sound 0.2 USD, with sound 0.3 USD') "
                     "= 1 USD", id="silent, and the note has its price"),
        pytest.param({**PRO, "pricing_note": "sound adds 0.056 USD per second"}, {"sound": False}, "0.56",
                     "5 s (duration) x 0.112 USD per second (base_price_usd) = 0.56 USD", id="silent, no surcharge"),
        pytest.param({**PRO, "pricing_note": "cheaper at 0.01 USD"}, {}, "0.56",
                     "5 s (duration) x 0.112 USD per second (base_price_usd) = 0.56 USD", id="a note below the base"),
        pytest.param({**PRO, "pricing_note": "0.112 USD"}, {}, "0.56",
                     "5 s (duration) x 0.112 USD per second (base_price_usd) = 0.56 USD", id="a note like the base"),
        pytest.param({**PRO, "pricing_note": "no extra fees"}, {}, "0.56",
                     "5 s (duration) x 0.112 USD per second (base_price_usd) = 0.56 USD", id="a note of no amount"),
        pytest.param({"base_price_usd": 1, "price_unit": "output", "pricing_note": "1080p $2.50; 720p $1.0"}, {}, "2.5",
                     "2.5 USD per output (the dearest in '1080p $2.50; 720p $1.0') = 2.5 USD", id="dearest first"),
        pytest.param({"base_price_usd": 1, "price_unit": "output", "pricing_note": "with sound $3; else $2"},
                     {"sound": False}, "2", "2 USD per output (the dearest in 'with sound $3; else $2') = 2 USD",
                     id="silent, and its price is named last"),
        pytest.param({**PRO, "pricing_note": None}, {"duration": 1, "n": 1}, "0.112",
                     "1 (n) x 1 s (duration) x 0.112 USD per second (base_price_usd) = 0.112 USD", id="one of each"),
        pytest.param({"base_price_usd": 0.04, "price_unit": "image"}, {"n": "0000004"}, "0.16",
                     "4 (n) x 0.04 USD per image (base_price_usd) = 0.16 USD", id="seven digits"),
        pytest.param({"base_price_usd": 0.04, "price_unit": "image"}, {"n": 1_000_000}, "40000",
                     "1000000 (n) x 0.04 USD per image (base_price_usd) = 40000 USD", id="as many as there may be"),
        pytest.param({"base_price_usd": 1e9, "price_unit": "image"}, {}, "1000000000",
                     "1000000000 USD per image (base_price_usd) = 1000000000 USD", id="as dear as it may be"),
        pytest.param({"base_price_usd": 0.04, "price_unit": "per_image"}, {}, "0.04",
                     "0.04 USD per image (base_price_usd) = 0.04 USD", id="an underscore"),
        pytest.param({"base_price_usd": 0.1, "price_unit": "sec"}, {}, "0.5",
                     "5 s (duration) x 0.1 USD per second (base_price_usd) = 0.5 USD", id="seconds, cut short"),
        pytest.param({"base_price_usd": 0.1234567, "price_unit": "image"}, {}, "0.1234567",
                     "0.123457 USD per image (base_price_usd) = 0.123457 USD", id="shown to a millionth"),
    ],
)  # fmt: skip
def test_an_estimate_has_its_arithmetic(entry: Any, inputs: Any, usd: str, arithmetic: str) -> None:
    assert estimate(entry, inputs, SCHEMA) == Estimate(Decimal(usd), arithmetic)


@pytest.mark.parametrize(
    ("entry", "inputs", "schema", "why"),
    [
        ({}, {}, SCHEMA, "its base_price_usd is None"),
        ({**PRO, "base_price_usd": 0}, {}, SCHEMA, "its base_price_usd is 0"),
        ({**PRO, "base_price_usd": -1}, {}, SCHEMA, "its base_price_usd is -1"),
        ({**PRO, "base_price_usd": True}, {}, SCHEMA, "its base_price_usd is True"),
        ({**PRO, "base_price_usd": "0.1"}, {}, SCHEMA, "its base_price_usd is '0.1'"),
        ({**PRO, "price_unit": "token"}, {}, SCHEMA, "its price_unit is 'token'"),
        ({**PRO, "price_unit": None}, {}, SCHEMA, "its price_unit is None"),
        ({**PRO, "pricing_note": "sound adds 0.056 USD per second"}, {}, SCHEMA,
         "its pricing_note has 'sound adds 0.056 USD per second', and its price_unit is 'second'"),
        ({**PRO, "pricing_note": "4K: +$0.1"}, {}, SCHEMA,
         "its pricing_note has '4K: +$0.1', and its price_unit is 'second'"),
        ({**PRO, "price_unit": "output", "pricing_note": "$0.1/s"}, {}, SCHEMA,
         "its pricing_note has '$0.1/s', and its price_unit is 'output'"),
        (PRO, {"duration": -1}, SCHEMA, "it is priced by the second, and duration is -1"),
        (PRO, {"duration": "auto"}, SCHEMA, "it is priced by the second, and duration is 'auto'"),
        (PRO, {}, None, "it is priced by the second, and neither the inputs nor its defaults tell how many"),
        (PRO, {"n": 0}, SCHEMA, "its n is 0"),
        (PRO, {"n": 1_000_001}, SCHEMA, "its n is 1000001"),
        (PRO, {"n": "00000004"}, SCHEMA, "its n is '00000004'"),
        (PRO, {"n": "\u0664"}, SCHEMA, "its n is '\u0664'"),
        (PRO, {"duration": 0, "seconds": 5}, None, "it is priced by the second, and duration is 0"),
        (PRO, {"num_images": "many"}, SCHEMA, "its num_images is 'many'"),
        (PRO, {"n": True}, SCHEMA, "its n is True"),
        ({**PRO, "base_price_usd": 1e12}, {"n": 1000}, SCHEMA, "that would be more than 1000000000 USD"),
    ],
)  # fmt: skip
def test_what_is_not_known_is_not_guessed(entry: Any, inputs: Any, schema: Any, why: str) -> None:
    with pytest.raises(UnknownPriceError) as caught:
        estimate(entry, inputs, schema)
    assert str(caught.value) == why


@pytest.mark.parametrize("schema", [None, {}, {"properties": {"seconds": True, "n": {}}}], ids=repr)
def test_what_has_no_default_is_looked_for_among_the_inputs(schema: Any) -> None:
    found = estimate({**PRO, "pricing_note": None}, {"video_length": 4}, schema)
    assert found.arithmetic == "4 s (video_length) x 0.112 USD per second (base_price_usd) = 0.448 USD"


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=5,
)
_KEYS = ["base_price_usd", "price_unit", "pricing_note"]
_PLAUSIBLE = {
    "base_price_usd": st.floats(0, 1e12) | _ANY,
    "price_unit": st.sampled_from(["second", "image", "output"]) | _ANY,
    "pricing_note": st.text("0123456789.$ USDsoundwith;,", max_size=200) | _ANY,
}


@given(
    st.fixed_dictionaries({}, optional=_PLAUSIBLE),
    st.dictionaries(st.sampled_from(["duration", "n", "num_images", "sound"]), _ANY),
)
def test_whatever_an_entry_says_the_estimate_is_above_0_or_none(entry: dict[str, Any], inputs: dict[str, Any]) -> None:
    try:
        found = estimate(entry, inputs, SCHEMA)
    except UnknownPriceError:
        return
    assert 0 < found.usd <= 10**9
    assert found.arithmetic.endswith(" USD")
