"""Words that a job file may use in place of the model's, and the canonical ones that are stored."""

from __future__ import annotations

from typing import Any

import pytest

from hpt.errors import InputError, ValidationError
from hpt.sagemaker.request.parse import parse_request, read_request
from hpt.search.parameters import ContinuousParameter, IntegerParameter
from tests.sagemaker.request.samples import CONFIG, RANGES, edit, single

SCALINGS = {
    "log": "Logarithmic",
    "LOG": "Logarithmic",
    "logarithmic": "Logarithmic",
    "linear": "Linear",
    "lin": "Linear",
    "AUTO": "Auto",
    "auto": "Auto",
    "reverse_log": "ReverseLogarithmic",
    "reverse-log": "ReverseLogarithmic",
    "reverselog": "ReverseLogarithmic",
    "reverse-logarithmic": "ReverseLogarithmic",
    "REVERSE_LOGARITHMIC": "ReverseLogarithmic",
}


def request(word: str) -> dict[str, Any]:
    eta = {"Name": "eta", "MinValue": "0.1", "MaxValue": "0.5", "ScalingType": word}
    return edit(single(), {f"{RANGES}.ContinuousParameterRanges": [eta]})


@pytest.mark.parametrize(("word", "scaling"), SCALINGS.items())
def test_a_scaling(word: str, scaling: str) -> None:
    read = read_request(request(word), check_paths=False)
    [eta] = read.request[CONFIG]["ParameterRanges"]["ContinuousParameterRanges"]
    assert eta["ScalingType"] == scaling and type(eta["ScalingType"]) is str
    parameter = ContinuousParameter("eta", 0.1, 0.5, word)
    assert parameter in read.config.definition.space.parameters
    assert parameter.scaling == scaling


@pytest.mark.parametrize("word", ["loglog", "", "exp", "re", "log10"])
def test_a_word_that_is_none(word: str) -> None:
    with pytest.raises(ValidationError, match="use one of Auto, Linear, Logarithmic, ReverseLogarithmic"):
        parse_request(request(word), check_paths=False)
    with pytest.raises(InputError, match="use one of Auto, Linear, Logarithmic, ReverseLogarithmic"):
        ContinuousParameter("eta", 0.1, 0.5, word)


def test_the_rules_of_a_scaling_hold_for_its_short_word() -> None:
    with pytest.raises(InputError, match="Logarithmic"):
        IntegerParameter("depth", 0, 8, "log")
    with pytest.raises(InputError, match="ReverseLogarithmic"):
        IntegerParameter("depth", 1, 8, "reverse_log")


@pytest.mark.parametrize(
    ("word", "early"), [("AUTO", "Auto"), ("OFF", "Off"), ("auto", "Auto"), ("off", "Off")]
)
def test_early_stopping_as_the_guide_writes_it(word: str, early: str) -> None:
    changes = {f"{CONFIG}.TrainingJobEarlyStoppingType": word}
    read = read_request(edit(single(), changes), check_paths=False)
    assert read.request[CONFIG]["TrainingJobEarlyStoppingType"] == early
    assert (read.config.early_stopping is not None) == (early == "Auto")


@pytest.mark.parametrize("changes", [{f"{CONFIG}.TrainingJobEarlyStoppingType": "AUTO"}, None])
def test_a_strict_request_uses_the_words_of_the_model(changes: dict[str, Any] | None) -> None:
    given = request("log") if changes is None else edit(single(), changes)
    with pytest.raises(ValidationError, match="is not known"):
        parse_request(given, strict=True)
