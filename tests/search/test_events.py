"""Events are read by every version that comes after the one that wrote them, and refused by those before."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import pytest

from hpt.errors import StorageError
from hpt.search import events as ev
from hpt.search.events import check_json, from_json, to_json
from hpt.search.trial import Verdict
from hpt.testing.storage import EVERY_EVENT

NEWER = "written by a newer hpt, upgrade$"
VERSION_1: dict[str, dict[str, Any]] = {
    "ObservationAdded": {"time": 1.5, "config": {"x": 1}, "value": 0.9},
    "ParentResult": {
        "time": 1.5,
        "parent": "old",
        "name": "old-1",
        "value": 0.1,
        "config": None,
        "same": False,
        "hyperparameters": {"x": "1"},
        "status": "Stopped",
        "created": 0.5,
    },
    "TrialCreated": {"time": 2.0, "number": 1, "config": {"x": 1}},
    "AttemptCreated": {"time": 2.0, "number": 1, "attempt": 1},
    "StatusChanged": {"time": 3.0, "number": 1, "secondary": "Training"},
    "MetricLogged": {"time": 4.0, "number": 1, "attempt": 1, "metric": "m", "value": 0.5, "cursor": 9},
    "Reported": {"time": 4.0, "number": 1, "value": 0.5, "resource": 1.0},
    "StopDecided": {"time": 5.0, "number": 1, "reason": "EarlyStopped"},
    "AttemptEnded": {"time": 6.0, "number": 1, "attempt": 1, "outcome": "Lost"},
    "TrialEnded": {"time": 6.0, "number": 1, "status": "Stopped"},
    "TrialIdentified": {"time": 0.0, "number": 1, "id": "lr=0.1"},
    "NoiseKnown": {"time": 0.0, "number": 1, "noise": 0.02},
    "TrialForgotten": {"time": 0.0, "number": 1},
    "ConvergenceDetected": {"time": 6.5},
    "JobStopRequested": {"time": 7.0, "criterion": "MaxNumberOfTrainingJobs"},
    "JobEnded": {"time": 8.0, "status": "Completed", "criterion": "MaxNumberOfTrainingJobs"},
    "JobExtended": {
        "time": 9.0,
        "max_jobs": 60,
        "max_parallel_jobs": 2,
        "max_runtime_seconds": None,
        "former_max_jobs": 20,
        "former_max_parallel_jobs": 1,
        "former_max_runtime_seconds": None,
    },
}
"""The fields of every kind that have no default. This grows by new kinds alone, and by nothing else."""


def test_every_kind_is_here() -> None:
    assert VERSION_1.keys() == ev._KINDS.keys()
    assert {type(event).__name__ for event in EVERY_EVENT} | {"ConvergenceDetected"} == ev._KINDS.keys()


@pytest.mark.parametrize("kind", VERSION_1)
def test_what_the_first_version_wrote_of_a_kind_is_read_for_ever(kind: str) -> None:
    """A field that came later has a default: no field can be added without one, and none can go."""
    event = from_json(kind, json.dumps(VERSION_1[kind]))
    assert type(event).__name__ == kind
    assert from_json(*to_json(event)) == event
    for name, value in VERSION_1[kind].items():
        assert getattr(event, name) == value


@pytest.mark.parametrize("kind", VERSION_1)
def test_a_version_of_its_own_is_not_written_where_it_is_1(kind: str) -> None:
    event = from_json(kind, json.dumps(VERSION_1[kind]))
    body = json.loads(to_json(event)[1])
    assert list(body) == [field.name for field in fields(event)]
    assert ev._VERSION not in body
    assert from_json(kind, json.dumps({**body, ev._VERSION: 1})) == event


@pytest.mark.parametrize("kind", VERSION_1)
@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"later": None}, "has the unknown field 'later'"),
        ({"v": 2}, "has version 2, and 1 is the latest known here"),
        ({"v": 0}, "has version 0"),
        ({"v": None}, "has version None"),
    ],
)
def test_what_is_not_known_of_a_kind_is_refused(kind: str, change: dict[str, Any], what: str) -> None:
    with pytest.raises(StorageError, match=f"of kind {kind} {what}.*{NEWER}"):
        from_json(kind, json.dumps({**VERSION_1[kind], **change}))


@pytest.mark.parametrize("kind", VERSION_1)
def test_a_body_that_lacks_what_it_always_had_is_damaged(kind: str) -> None:
    for name in VERSION_1[kind]:
        body = {key: value for key, value in VERSION_1[kind].items() if key != name}
        with pytest.raises(StorageError, match="damaged"):
            from_json(kind, json.dumps(body))


@pytest.mark.parametrize("body", ["", "[]", "null", "3", '"x"', '{"time": 1.0', "{}", '{"time": 1.0}'])
def test_a_body_that_is_no_event_is_damaged(body: str) -> None:
    with pytest.raises(StorageError, match="damaged") as refused:
        from_json("Reported", body)
    assert "\n" not in str(refused.value)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(StorageError, match=f"'Teleported' is not known here.*{NEWER}"):
        from_json("Teleported", "{}")


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("StopDecided", "reason"),
        ("AttemptEnded", "outcome"),
        ("TrialEnded", "status"),
        ("ParentResult", "status"),
    ],
)
def test_an_unknown_value_of_an_enumeration_is_refused(kind: str, name: str) -> None:
    with pytest.raises(StorageError, match=f"unknown {name} 'Evaporated'.*{NEWER}"):
        from_json(kind, json.dumps({**VERSION_1[kind], name: "Evaporated"}))


def test_enumerations_come_back_as_such() -> None:
    for reason in ev.StopReason:
        event = ev.StopDecided(1.0, 1, reason)
        [kind, body] = to_json(event)
        assert json.loads(body)["reason"] == str(reason)
        again = from_json(kind, body)
        assert isinstance(again, ev.StopDecided) and again.reason is reason
    with_reasons = ev.StopDecided(1.0, 1, ev.StopReason.RULE, "MedianRule", 3, 0.5, 0.4)
    again = from_json(*to_json(with_reasons))
    assert again == with_reasons and again.verdict == Verdict("MedianRule", 3, 0.5, 0.4)
    assert ev.StopDecided(1.0, 1, ev.StopReason.RULE).verdict is None
    for outcome in ev.AttemptOutcome:
        again = from_json(*to_json(ev.AttemptEnded(1.0, 1, 1, outcome)))
        assert isinstance(again, ev.AttemptEnded) and again.outcome is outcome


# -- how a kind evolves: what the next version of one would be


@dataclass(frozen=True, slots=True)
class WithGpu(ev.Event):
    """`AttemptCreated` with one field more."""

    number: int
    attempt: int
    gpu: int = 0


@dataclass(frozen=True, slots=True)
class InSeconds(ev.Event):
    """`AttemptCreated` with `attempt` given by two fields, one of which always was there in another unit."""

    number: int
    attempt: int
    delay: float


WithGpu.__name__ = InSeconds.__name__ = "AttemptCreated"


def as_seconds(body: dict[str, Any]) -> dict[str, Any]:
    return {**body, "delay": 0.0}


def in_units(body: dict[str, Any]) -> dict[str, Any]:
    return {**body, "attempt": body["attempt"] - 1}


@pytest.fixture
def later(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> type[ev.Event]:
    """This version as it would be with another `AttemptCreated`."""
    kind, steps = request.param
    monkeypatch.setitem(ev._KINDS, "AttemptCreated", kind)
    monkeypatch.setitem(ev._NAMES, kind, tuple(field.name for field in fields(kind)))
    if steps:
        monkeypatch.setitem(ev._STEPS, "AttemptCreated", steps)
    return kind


OLD = ("AttemptCreated", json.dumps(VERSION_1["AttemptCreated"]))


@pytest.mark.parametrize("later", [(WithGpu, ())], indirect=True)
def test_a_log_of_before_a_field_is_read_with_its_default(later: type[ev.Event]) -> None:
    event = from_json(*OLD)
    assert event == later(2.0, 1, 1)  # type: ignore[call-arg]
    assert event.gpu == 0  # type: ignore[attr-defined]
    more = replace(event, gpu=2)
    assert from_json(*to_json(more)) == more
    assert "v" not in json.loads(to_json(more)[1])


@pytest.mark.parametrize("later", [(InSeconds, (as_seconds, in_units))], indirect=True)
def test_a_kind_of_another_meaning_reads_its_former_versions(later: type[ev.Event]) -> None:
    body = VERSION_1["AttemptCreated"]
    expected = later(2.0, 1, 0, 0.0)  # type: ignore[call-arg]
    assert from_json(*OLD) == expected
    assert from_json("AttemptCreated", json.dumps({**body, "delay": 3.0, "v": 2})) == replace(
        expected, delay=3.0
    )
    assert from_json("AttemptCreated", json.dumps({**body, "delay": 3.0, "v": 3})) == later(2.0, 1, 1, 3.0)  # type: ignore[call-arg]
    kind, written = to_json(expected)
    assert (kind, json.loads(written)["v"]) == ("AttemptCreated", 3)
    assert from_json(kind, written) == expected
    with pytest.raises(StorageError, match=f"has version 4, and 3 is the latest known here.*{NEWER}"):
        from_json("AttemptCreated", json.dumps({**body, "delay": 3.0, "v": 4}))


@pytest.mark.parametrize("later", [(WithGpu, ())], indirect=True)
def test_a_log_of_a_later_field_is_refused_by_this_version(
    later: type[ev.Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    written = to_json(later(2.0, 1, 1, 4))  # type: ignore[call-arg]
    monkeypatch.undo()
    with pytest.raises(StorageError, match=f"of kind AttemptCreated has the unknown field 'gpu'.*{NEWER}"):
        from_json(*written)


# -- the quick look


def bodies() -> list[tuple[str, str]]:
    """Events as they are written, and each of them changed in every place."""
    written = [to_json(event) for event in EVERY_EVENT]
    written += [(kind, json.dumps(body, separators=(",", ":"))) for kind, body in VERSION_1.items()]
    changed = []
    for kind, body in written:
        known = json.loads(body)
        for name in known:
            changed.append((kind, {**known, name: {"nested": known[name], "later": [1]}}))
            changed.append((kind, {**known, name: 'a","later":"b'}))
            changed.append((kind, {("later" if key == name else key): value for key, value in known.items()}))
            changed.append((kind, {key: value for key, value in known.items() if key != name}))
        changed += [(kind, {**known, "later": 1}), (kind, {"v": 2, **known}), (kind, {**known, "v": 1})]
        changed.append((kind + "s", known))
    return written + [(kind, json.dumps(body, separators=(",", ":"))) for kind, body in changed]


def said(call: Callable[[str, str], object], kind: str, body: str) -> str:
    try:
        call(kind, body)
    except StorageError as error:
        return str(error)
    return ""


def test_the_quick_look_refuses_what_reading_does() -> None:
    for kind, body in bodies():
        assert said(check_json, kind, body) == said(from_json, kind, body), (kind, body)


def test_the_quick_look_is_quick_for_the_bulk_of_a_log() -> None:
    for event in (
        ev.MetricLogged(1764528188.25, 1, 1, 'validation:"auc" {x}', -math.inf, 123),
        ev.Reported(1764528188.25, 1, math.nan, 3.0),
        ev.StatusChanged(3.0, 1, "Downloading", "a\nb: \\ c"),
        ev.AttemptCreated(3.0, 1, 2),
    ):
        kind, body = to_json(event)
        assert ev._USUAL[kind].fullmatch(body), body
