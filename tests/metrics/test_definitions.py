"""Definitions that cannot be used are refused before anything starts."""

from __future__ import annotations

import warnings

import pytest

from hpt.errors import InputError
from hpt.job.config import MetricDefinition
from hpt.metrics.definitions import CompiledDefinitions


def test_usable_definitions_keep_their_order() -> None:
    definitions = [
        MetricDefinition("loss", "Loss = (.*?);"),
        MetricDefinition("acc", "acc: (?P<v>[0-9.]+)(x)?"),
    ]
    compiled = CompiledDefinitions(definitions)
    assert compiled.names == ("loss", "acc")
    assert [pattern.pattern for pattern in compiled.patterns] == [d.regex for d in definitions]
    assert len(CompiledDefinitions([])) == 0


@pytest.mark.parametrize(
    "regex", ["loss=([0-9]+", "(*)", "(a){99999999999999}", "(?P<1a>x)", "loss=[0-9]+", ""]
)
def test_a_definition_that_cannot_be_used_names_metric_and_pattern(regex: str) -> None:
    with pytest.raises(InputError) as refused:
        CompiledDefinitions([MetricDefinition("good", "(1)"), MetricDefinition("bad", regex)])
    assert repr(regex) in str(refused.value)
    assert "'bad'" in str(refused.value)


@pytest.mark.filterwarnings("ignore:Possible nested set")
def test_patterns_that_warn_are_compiled_silently() -> None:
    definition = MetricDefinition("m", "[[a]x=([0-9]+)")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert CompiledDefinitions([definition]).patterns[0].search("[x=1")
