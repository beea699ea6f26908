"""Documents of jobs are read by every version that comes after, and refused by those before."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hpt.errors import StorageError
from hpt.job.document import from_document, to_document
from hpt.job.state import JobState, JobStatus
from hpt.job.summary import read_summary
from hpt.search.trial import ObjectiveType

NEWER = "written by a newer hpt, upgrade$"
MINIMAL: dict[str, Any] = {
    "format": 1,
    "name": "job",
    "strategy": "Random",
    "seed": 3,
    "limits": {"max_jobs": 4, "max_parallel_jobs": 2},
    "definition": {
        "training_image": "/bin/train",
        "space": [["ContinuousParameter", ["x", 0.0, 1.0]], ["CategoricalParameter", ["k", ["a", "b"]]]],
        "objective": {"metric": "m", "type": "Minimize"},
        "metric_definitions": [{"name": "m", "regex": "m=(.*)"}],
        "channels": [{"name": "train", "uri": "/data"}],
    },
}
"""What has no default in the first format. It does not grow: whatever comes later has a default."""

PARTS = {
    "hyperband": {"max_resource": 9},
    "early_stopping": {},
    "completion": {},
    "warm_start": {"parents": ["old"]},
}


def changed(*path: str | int, value: object, base: dict[str, Any] = MINIMAL) -> dict[str, Any]:
    """The document with one member set."""
    document: Any = json.loads(json.dumps(base))
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    found: dict[str, Any] = document
    return found


def test_what_is_missing_has_its_default() -> None:
    config = from_document(MINIMAL)
    assert (config.limits.max_runtime_seconds, config.definition.spot, config.tags) == (None, False, {})
    assert config.definition.channels[0].compression == "None"
    written = json.loads(json.dumps(to_document(config)))
    assert from_document(written) == config
    assert written["format"] == 1


@pytest.mark.parametrize("part", PARTS)
def test_a_part_is_read_by_what_is_known_of_it(part: str) -> None:
    strategy = "Hyperband" if part == "hyperband" else "Random"
    base = changed("strategy", value=strategy)
    config = from_document(changed(part, value=PARTS[part], base=base))
    assert getattr(config, part) is not None
    with pytest.raises(StorageError, match=f"the {part} of the stored tuning job.*'later'.*{NEWER}"):
        from_document(changed(part, value={**PARTS[part], "later": 1}, base=base))


@pytest.mark.parametrize(
    "path",
    [
        ("later",),
        ("limits", "later"),
        ("definition", "later"),
        ("definition", "objective", "later"),
        ("definition", "metric_definitions", 0, "later"),
        ("definition", "channels", 0, "later"),
    ],
)
def test_an_unknown_field_of_any_part_is_refused(path: tuple[str | int, ...]) -> None:
    with pytest.raises(StorageError, match=f"unknown field 'later'.*{NEWER}"):
        from_document(changed(*path, value=None))


@pytest.mark.parametrize(
    ("path", "value", "what"),
    [
        (("format",), 2, "has version 2, and 1 is the latest known here"),
        (("format",), None, "has version None"),
        (("definition", "objective", "type"), "Balance", "'Balance'"),
        (("definition", "space", 0, 0), "Permutation", "unknown kind 'Permutation'"),
        (("definition", "space", 0, 1), ["x", 0.0, 1.0, "Auto", "if k"], "ContinuousParameter"),
        (("definition", "space", 0, 1), ["x", 0.0, 1.0, "Logit"], "Logit"),
        (("warm_start",), {"parents": ["old"], "type": "Copy"}, "'Copy'"),
    ],
)
def test_an_unknown_value_is_refused_in_a_line(path: tuple[str | int, ...], value: object, what: str) -> None:
    with pytest.raises(StorageError, match=f"{what}.*{NEWER}") as refused:
        from_document(changed(*path, value=value))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("limits",), None),
        (("limits",), {}),
        (("definition",), {}),
        (("definition",), None),
        (("definition", "space"), 3),
        (("definition", "objective"), {"metric": "m"}),
        (("name",), 3),
    ],
)
def test_what_no_version_wrote_is_refused_as_well(path: tuple[str | int, ...], value: object) -> None:
    with pytest.raises(StorageError):
        from_document(changed(*path, value=value))


@pytest.mark.parametrize(
    ("image", "present"),
    [
        ("module:hpt.function_worker", "module:hpt.functions.worker"),
        ("module:hpt.functions.worker", "module:hpt.functions.worker"),
        ("module:mine.train?fast", "module:mine.train?fast"),
        ("module:hpt.tune?x.y", "module:hpt.functions.tune?x.y"),
        ("/opt/hpt.function_worker", "/opt/hpt.function_worker"),
        ("xgboost", "xgboost"),
    ],
)
def test_a_module_that_moved_is_found(image: str, present: str) -> None:
    config = from_document(changed("definition", "training_image", value=image))
    assert config.definition.training_image == present


def test_a_summary_is_read_by_what_is_known_of_it() -> None:
    summary = JobState(ObjectiveType.MINIMIZE, 5.0).summary()
    assert read_summary(summary, 5.0) == summary == read_summary({}, 5.0)
    assert read_summary({"status": "Stopped"}, 7.0)["modified"] == 7.0
    assert JobStatus(read_summary({}, 1.0)["status"]) is JobStatus.IN_PROGRESS
    for change in ({"later": 1}, {"status": "Migrating"}):
        with pytest.raises(StorageError, match=NEWER):
            read_summary({**summary, **change}, 5.0)
