"""What a training job may ask of the machine, however its author says so."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hpt.errors import InputError, StorageError, ValidationError
from hpt.job import SlotResources, tuning_job
from hpt.job.build import Algorithm
from hpt.job.document import from_document, to_document
from hpt.job.resources import VariableError, parse_size, read_resources, show_size
from hpt.search.space import ContinuousParameter


def job(**arguments: Any) -> Any:
    return tuning_job(
        "j",
        **{"program": "train.py", "space": [ContinuousParameter("x", 0, 1)], "metric": "loss"}
        | {"regex": r"loss=(\S+)", "max_jobs": 4, **arguments},
    )


@pytest.mark.parametrize(
    ("string", "size"),
    [
        ("8G", 8 << 30),
        ("8GiB", 8 << 30),
        ("8Gi", 8 << 30),
        ("8 gb", 8 << 30),
        ("512m", 512 << 20),
        ("1.5G", 3 << 29),
        ("2T", 2 << 40),
        ("65536 K", 64 << 20),
        ("1073741824", 1 << 30),
        ("1073741824B", 1 << 30),
    ],
)
def test_a_size_is_read_in_powers_of_1024(string: str, size: int) -> None:
    assert parse_size(string) == size
    assert SlotResources(memory_bytes=string).memory_bytes == size  # type: ignore[arg-type]


@pytest.mark.parametrize("string", ["8X", "", "G", "-8G", "8.G", "nan", "inf", "1e9", "8G8", "0x10G", "८G"])
def test_what_is_no_size_is_refused_with_the_fix(string: str) -> None:
    with pytest.raises(InputError, match=r"is not a size; give a number above 0 with a unit"):
        parse_size(string)


def test_sizes_in_messages() -> None:
    shown = [show_size(size) for size in (32 << 20, 8 << 30, 3 << 29, 1023 << 20, 5 << 40, 100)]
    assert shown == ["32 MiB", "8 GiB", "1.5 GiB", "1023 MiB", "5 TiB", "100 bytes"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"gpus": -1}, "gpus -1 is not an integer of at least 0"),
        ({"gpus": 1.0}, "gpus 1.0 is not an integer"),
        ({"gpus": True}, "gpus True is not an integer"),
        ({"gpus": "1"}, "gpus '1' is not an integer"),
        ({"cpus": 0}, "cpus 0 is not a number above 0"),
        ({"cpus": -2}, "cpus -2 is not a number above 0"),
        ({"cpus": float("nan")}, "cpus nan is not a number above 0"),
        ({"cpus": float("inf")}, "cpus inf is not a number above 0"),
        ({"cpus": "2"}, "cpus '2' is not a number above 0"),
        ({"memory_bytes": 0}, "memory 0 is not a size above 0"),
        ({"memory_bytes": -5}, "memory -5 is not a size above 0"),
        ({"memory_bytes": 8}, "memory 8 is less than the 32 MiB that an interpreter needs to start"),
        ({"memory_bytes": "1M"}, "memory '1M' is less than the 32 MiB"),
        ({"memory_bytes": 8e9}, "memory 8000000000.0 is not a size above 0"),
        ({"memory_bytes": "9" * 30 + "T"}, "is not a size above 0"),
    ],
)
def test_what_no_machine_can_give_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        SlotResources(**arguments)


def test_numbers_are_kept_as_the_same_number_whoever_gives_them() -> None:
    assert repr(SlotResources(cpus=2.0)) == repr(SlotResources(cpus=2))
    assert bool(SlotResources()) is False
    assert bool(SlotResources(gpus=0)) is True


def test_variables_say_the_same() -> None:
    asked = SlotResources(gpus=1, cpus=0.5, memory_bytes=8 << 30)
    assert asked.variables() == {
        "HPT_GPUS_PER_JOB": "1",
        "HPT_CPUS_PER_JOB": "0.5",
        "HPT_MEMORY_PER_JOB": "8589934592",
    }
    assert read_resources(asked.variables()) == asked
    assert read_resources({"HPT_MEMORY_PER_JOB": "8G", "OTHER": "x"}) == SlotResources(memory_bytes=8 << 30)


@pytest.mark.parametrize(
    ("variable", "value"),
    [("HPT_GPUS_PER_JOB", "1.5"), ("HPT_CPUS_PER_JOB", "two"), ("HPT_MEMORY_PER_JOB", "8X")],
)
def test_a_bad_variable_is_named(variable: str, value: str) -> None:
    with pytest.raises(VariableError, match=value) as raised:
        read_resources({variable: value})
    assert raised.value.variable == variable
    with pytest.raises(ValidationError, match=value) as refused:
        job(environment={variable: value})
    assert refused.value.violations[0].path == f"environment[{variable!r}]"


def test_an_argument_and_a_variable_make_the_same_job() -> None:
    asked = SlotResources(gpus=2, memory_bytes=1 << 30)
    by_argument = job(resources={"gpus": 2, "memory_bytes": "1G"})
    assert by_argument == job(resources=asked) == job(environment=asked.variables())
    assert by_argument.definition.resources == asked


def test_an_algorithm_asks_for_its_own_and_else_for_the_jobs() -> None:
    described = job(
        program=None,
        resources={"cpus": 1, "gpus": 0},
        algorithms=[
            Algorithm("one", "train.py", resources={"gpus": 1}),
            Algorithm("two", "train.py"),
        ],
    )
    found = [definition.resources for definition in described.definitions]
    assert found == [SlotResources(gpus=1, cpus=1), SlotResources(gpus=0, cpus=1)]


@pytest.mark.parametrize("value", [{"gpu": 1}, 4, "8G"])
def test_what_is_no_resources_is_refused(value: Any) -> None:
    with pytest.raises(InputError, match="is not a SlotResources; give gpus, cpus and memory_bytes"):
        job(resources=value)


def test_a_stored_job_keeps_them_and_one_without_has_none() -> None:
    config = job(resources={"gpus": 1, "cpus": 1.5, "memory_bytes": "2G"})
    document = json.loads(json.dumps(to_document(config)))
    assert document["definition"]["resources"] == {"gpus": 1, "cpus": 1.5, "memory_bytes": 2 << 30}
    assert from_document(document) == config
    assert "resources" not in to_document(job())["definition"]
    document["definition"]["resources"]["tpus"] = 1
    with pytest.raises(StorageError, match="the unknown field 'tpus': written by a newer hpt"):
        from_document(document)
