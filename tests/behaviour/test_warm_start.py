"""Warm start: what the service asks of parents (9.2 to 9.4), and what becomes of their results (9.5, 9.6)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hpt.errors import ValidationError, Violation
from hpt.executors.simulated import Curve
from hpt.job.config import JobConfig
from hpt.job.parents import Parent
from hpt.running.runner import TuningJobRunner
from hpt.running.session import Session
from hpt.running.simulation import simulate
from hpt.sagemaker.reply.response import describe_response
from hpt.sagemaker.request.parent_rules import PARENT_RULES, changes, check_parents, path_of
from hpt.sagemaker.request.parse import parse_request
from hpt.search import events as ev
from hpt.service.api import Service
from hpt.service.errors import ServiceError
from tests.behaviour.stored import CATEGORICAL, CONTINUOUS, INTEGER, NAME, STATICS, request, store, warm
from tests.sagemaker.request.samples import CONFIG, GONE, JOB, LIMITS, definition, edit, objective, ranges

CREATE = "CreateHyperParameterTuningJob"
IDENTICAL = "IdenticalDataAndAlgorithm"
FIRST = "WarmStartConfig.ParentHyperParameterTuningJobs[0].HyperParameterTuningJobName"
HERE = Path(__file__).parent
JOBS = f"{LIMITS}.MaxNumberOfTrainingJobs"
OBJECTIVE = f"{CONFIG}.HyperParameterTuningJobObjective"


def child(changes: dict[str, Any], *parents: str, kind: str = "TransferLearning") -> dict[str, Any]:
    return request("child", {**warm(*(parents or ("old",)), kind=kind), **changes})


def refused(root: Path, body: dict[str, Any]) -> tuple[str, str]:
    """Code and message; nothing may be left behind."""
    service = Service(root)
    with pytest.raises(ServiceError) as raised:
        service.call(CREATE, body)
    service.close()
    assert not (root / "child").exists()
    return raised.value.code, str(raised.value)


def violation(
    root: Path, body: dict[str, Any], *, without: str = "", most: int | None = 750
) -> Violation | None:
    """What the rules say of the parents of a request; without: a rule that is switched off."""
    session = Session(root)
    config = parse_request(body)
    assert config.warm_start is not None
    parents = []
    for place, name in enumerate(config.warm_start.parents):
        parent, _, state = session.load(name)
        parents.append(Parent(path_of(place), parent, state))
    session.close()
    return check_parents(config, parents, most, [rule for rule in PARENT_RULES if rule.id != without])


@dataclass(frozen=True)
class Case:
    """A parent, a request that breaks one rule with it and what is said, and requests that just keep it."""

    message: str
    broken: dict[str, Any] = field(default_factory=dict)
    kept: tuple[dict[str, Any], ...] = ({},)
    path: str = FIRST
    code: str = "ValidationException"
    parent: dict[str, Any] = field(default_factory=dict)
    end: str | None = "Completed"
    kind: str = "TransferLearning"


CASES = {
    "W2": Case(
        "'old' is InProgress, and a parent must be Completed, Stopped or Failed; wait for it, or stop it",
        end=None,
    ),
    "W3": Case(
        "'error' differs from 'loss' of the parent 'old'; use that, or another parent",
        {
            f"{OBJECTIVE}.MetricName": "error",
            f"{JOB}.AlgorithmSpecification.MetricDefinitions[+]": {"Name": "error", "Regex": "error=(.*)"},
        },
        ({f"{JOB}.AlgorithmSpecification.MetricDefinitions[0].Regex": "loss: (.*)"},),
        f"{OBJECTIVE}.MetricName",
    ),
    "W4": Case(
        "the names of all hyperparameters, static and tunable, must be those of 'old': only the parent has "
        "'momentum'; only this job has 'decay', 'rho'; add the missing ones, for example as static "
        "hyperparameters",
        {STATICS: {"rho": "1", "decay": "0"}},
        (
            {f"{CONTINUOUS}[0].Name": "momentum", STATICS: {"x": "0.5"}},
            {f"{STATICS}._tuning_objective_metric": "loss"},
        ),
    ),
    "W5": Case(
        "'x' is Integer here and Continuous in the parent 'old'; keep its kind",
        {CONTINUOUS: [], INTEGER: [{"Name": "x", "MinValue": "0", "MaxValue": "9"}]},
        ({f"{CONTINUOUS}[0].MaxValue": "9", f"{CONTINUOUS}[0].ScalingType": "Auto"},),
        f"{CONFIG}.ParameterRanges.IntegerParameterRanges",
    ),
    "W6": Case(
        "12 changes of static hyperparameters from 'old' are more than the 10 allowed: "
        "'s0' 2, 's1' 2, 's2' 2, 's3' 2, 's4' 2, 's5' 2; change fewer of them",
        {STATICS: {f"s{i}": "new" for i in range(6)}},
        ({STATICS: {f"s{i}": "new" if i else "old" for i in range(6)}},),
        parent={STATICS: {f"s{i}": "old" for i in range(6)}},
    ),
    "W8": Case(
        "the limit on training jobs of a tuning job and its parents together is 750, with present use of 3 "
        "and a requested increment of 748; ask for 747 or fewer, or name fewer parents",
        {JOBS: 748},
        ({JOBS: 747}, {JOBS: GONE, f"{LIMITS}.MaxRuntimeInSeconds": 600}),
        JOBS,
        "ResourceLimitExceeded",
    ),
    "identical": Case(  # 9.2: the identical type keeps program and data
        "the input data differs from that of the parent 'old', which IdenticalDataAndAlgorithm does not "
        "allow; use TransferLearning",
        {
            f"{JOB}.InputDataConfig": [
                {"ChannelName": "train", "DataSource": {"S3DataSource": {"S3Uri": str(HERE)}}}
            ]
        },
        ({f"{JOB}.Environment": {"A": "1"}, f"{STATICS}.momentum": "0.8"},),
        f"{JOB}.InputDataConfig",
        kind=IDENTICAL,
    ),
}


@pytest.mark.parametrize("rule", CASES)
def test_a_broken_rule_gives_code_path_and_message(tmp_path: Path, rule: str) -> None:
    case = CASES[rule]
    store(tmp_path, "old", case.parent, end=case.end)
    body = child(case.broken, kind=case.kind)
    assert refused(tmp_path, body) == (case.code, f"{case.path}: {case.message}")
    found = violation(tmp_path, body)
    assert found is not None and (found.rule, found.path) == (rule, case.path)


@pytest.mark.parametrize("rule", CASES)
def test_requests_that_keep_the_rule(tmp_path: Path, rule: str) -> None:
    case = CASES[rule]
    store(tmp_path, "old", case.parent)
    for kept in case.kept:
        assert violation(tmp_path, child(kept, kind=case.kind)) is None


@pytest.mark.parametrize("rule", CASES)
def test_without_the_rule_the_request_would_pass(tmp_path: Path, rule: str) -> None:
    case = CASES[rule]
    store(tmp_path, "old", case.parent, end=case.end)
    most = 10_000 if rule == "W8" else 750
    assert violation(tmp_path, child(case.broken, kind=case.kind), without=rule, most=most) is None


@pytest.mark.parametrize("end", ["Completed", "Stopped", "Failed"])
def test_a_parent_may_have_ended_in_any_way(tmp_path: Path, end: str) -> None:
    store(tmp_path, "old", end=end)
    assert violation(tmp_path, child({})) is None


def test_a_parent_has_the_same_direction(tmp_path: Path) -> None:
    """W3"""
    store(tmp_path, "old")
    found = violation(tmp_path, child({f"{OBJECTIVE}.Type": "Maximize"}))
    assert found is not None
    assert (found.rule, found.path) == ("W3", f"{OBJECTIVE}.Type")
    assert found.message.startswith("'Maximize' differs from 'Minimize' of the parent 'old'")


def test_the_identical_type_keeps_the_program(tmp_path: Path) -> None:
    store(tmp_path, "old")
    other = {f"{JOB}.AlgorithmSpecification.TrainingImage": str(Path(__file__))}
    found = violation(tmp_path, child(other, kind=IDENTICAL))
    assert found is not None and found.message.startswith("the program differs")
    assert violation(tmp_path, child(other)) is None  # TransferLearning


@pytest.mark.parametrize(
    ("launched", "asked", "most", "kept"),
    [((200, 150), 200, 500, False), ((200, 150), 200, 750, True), ((100,), 400, 500, True)],
)
def test_w8_examples(tmp_path: Path, launched: tuple[int, ...], asked: int, most: int, kept: bool) -> None:
    """Failed training jobs count as launched ones."""
    for i, count in enumerate(launched):
        results = [({"x": 0.5, "kind": "a"}, 1.0 if n % 2 else None) for n in range(count)]
        store(tmp_path, f"p{i}", {JOBS: 400}, results=results)
    body = child({JOBS: asked}, *(f"p{i}" for i in range(len(launched))))
    assert (violation(tmp_path, body, most=most) is None) is kept


class TestV29:
    """A parent does not exist."""

    def test_rejects(self, tmp_path: Path) -> None:
        store(tmp_path, "old")
        code, message = refused(tmp_path, child({}, "old", "older"))
        assert code == "ResourceNotFound"
        assert message == (
            f"{path_of(1)}: no tuning job is named 'older'; name one that exists and has not been deleted"
        )

    def test_accepts(self, tmp_path: Path) -> None:
        store(tmp_path, "old")
        session = Session(tmp_path)
        assert session.inherit(parse_request(child({}, "OLD")), 1.0, warm_start_jobs=750)[1]
        session.close()

    def test_without_the_rule(self, tmp_path: Path) -> None:
        """There would be nobody to take results from: deleted jobs are no parents either."""
        store(tmp_path, "old")
        service = Service(tmp_path)
        service.call("DeleteHyperParameterTuningJob", {NAME: "old"})
        service.close()
        assert refused(tmp_path, child({}))[0] == "ResourceNotFound"


class TestW1:
    """From one to five parents, distinct."""

    def test_rejects(self, tmp_path: Path) -> None:
        for parents in ([], [f"p{i}" for i in range(6)]):
            code, message = refused(tmp_path, request("child", warm(*parents)))
            assert code == "ValidationException"
            assert "'warmStartConfig.parentHyperParameterTuningJobs' failed to satisfy" in message
        code, message = refused(tmp_path, child({}, "old", "Old"))
        assert code == "ValidationException"
        assert "the parent 'old' is named 2 times; name it once" in message

    def test_accepts(self, tmp_path: Path) -> None:
        names = [f"p{i}" for i in range(5)]
        for name in names:
            store(tmp_path, name)
        assert violation(tmp_path, child({}, *names)) is None


SEVERAL = {
    JOB: GONE,
    "TrainingJobDefinitions": [
        {
            **definition(),
            "DefinitionName": name,
            "TuningObjective": objective(),
            "HyperParameterRanges": ranges(),
        }
        for name in ("first", "second")
    ],
    OBJECTIVE: GONE,
    f"{CONFIG}.ParameterRanges": GONE,
}


class TestW10:
    """Jobs of a single definition only: as a child that is V26, as a parent it needs what is stored."""

    def test_rejects(self, tmp_path: Path) -> None:
        store(tmp_path, "old", SEVERAL, results=())
        code, message = refused(tmp_path, child({}))
        assert (code, message) == (
            "ValidationException",
            f"{FIRST}: 'old' has TrainingJobDefinitions, and a parent must have a single one; name another",
        )

    def test_accepts(self, tmp_path: Path) -> None:
        store(tmp_path, "old")
        assert violation(tmp_path, child({})) is None

    def test_without_the_rule(self, tmp_path: Path) -> None:
        """The parent's objective would be told to differ instead."""
        store(tmp_path, "old", SEVERAL, results=())
        found = violation(tmp_path, child({}), without="W10")
        assert found is not None and found.rule == "W3"


@pytest.mark.parametrize(
    ("before", "after", "count"),
    [
        ({"values": ["red", "blue"]}, "red", 2),
        ("red", "blue", 2),
        ("red", "red", 0),
        ({"values": ["sgd", "adam", "rmsprop"]}, "adam", 3),
        ({"values": ["sgd", "adam"]}, "rmsprop", 3),
        ({"range": ("0.01", "0.1")}, "0.05", 1),
        ("0.3", "0.5", 2),
        ("0.05", {"range": ("0.01", "0.1")}, 0),
        ({"range": ("0", "1")}, {"range": ("0", "2")}, 0),
    ],
)
def test_counting_changes(before: Any, after: Any, count: int) -> None:
    def job(given: Any) -> JobConfig:
        if isinstance(given, str):
            return parse_request(request("x", {f"{STATICS}.h": given}))
        if "values" in given:
            return parse_request(
                request("x", {f"{CATEGORICAL}[+]": {"Name": "h", "Values": given["values"]}})
            )
        low, high = given["range"]
        added = {"Name": "h", "MinValue": low, "MaxValue": high}
        return parse_request(request("x", {f"{CONTINUOUS}[+]": added}))

    assert sum(changes(job(after).definition, job(before).definition).values()) == count


def given(root: Path, body: dict[str, Any]) -> tuple[list[ev.ParentResult], str]:
    """What a job begins with, and what is said of it."""
    session = Session(root)
    events, [note] = session.inherit(parse_request(body), 7.0)
    session.close()
    return events, note


class TestResults:
    """9.5: the results of parents."""

    def test_those_that_succeeded_are_given_with_where_they_are_from(self, tmp_path: Path) -> None:
        store(tmp_path, "Old")
        events, note = given(tmp_path, child({}, kind=IDENTICAL))
        assert [(event.parent, event.name, event.value, event.same) for event in events] == [
            ("Old", "Old-001-00000000", 0.5, True),
            ("Old", "Old-002-00000000", 0.25, True),
        ]
        assert events[0].config == {"x": 0.25, "kind": "a"}
        assert note == f"warm start ({IDENTICAL}): 'Old' gives 2 of 2 results, 2 of them as this job's own"

    def test_results_of_grandparents_are_not(self, tmp_path: Path) -> None:
        """W7."""
        store(tmp_path, "grandparent")
        store(tmp_path, "old", warm("grandparent"), results=[({"x": 0.1, "kind": "a"}, 0.1)])
        events, _ = given(tmp_path, child({}))
        assert [event.parent for event in events] == ["old"]
        assert len(given(tmp_path, child({}, "old", "grandparent"))[0]) == 3

    def test_static_and_tunable_may_change_places(self, tmp_path: Path) -> None:
        store(tmp_path, "old")
        moved = {f"{CONTINUOUS}[0].Name": "momentum", STATICS: {"x": "0.25"}}
        events, _ = given(tmp_path, child(moved, kind=IDENTICAL))
        assert [event.config for event in events] == [
            {"momentum": 0.9, "kind": "a"},
            {"momentum": 0.9, "kind": "b"},
        ]
        assert [event.same for event in events] == [True, False]  # the second had x = 0.5

    def test_values_outside_a_range_are_moved_or_left_out(self, tmp_path: Path) -> None:
        store(tmp_path, "old")
        narrow = {f"{CONTINUOUS}[0].MinValue": "0.3", f"{CONTINUOUS}[0].MaxValue": "1"}
        events, note = given(tmp_path, child(narrow, kind=IDENTICAL))
        assert [(event.config, event.same) for event in events] == [
            ({"x": 0.3, "kind": "a"}, False),
            ({"x": 0.5, "kind": "b"}, True),
        ]
        assert (
            "'old' gives 2 of 2 results, 1 of them as this job's own, 1 moved into the range of 'x'" in note
        )
        events, note = given(tmp_path, child({**narrow, f"{CONTINUOUS}[0].MinValue": "0.45"}))
        assert [event.config for event in events] == [None, {"x": 0.5, "kind": "b"}]
        assert "'old' gives 1 of 2 results, 1 left out, 'x' being out of range" in note

    def test_other_statics_make_another_objective(self, tmp_path: Path) -> None:
        store(tmp_path, "old")
        events, note = given(tmp_path, child({f"{STATICS}.momentum": "0.5"}, kind=IDENTICAL))
        assert [event.same for event in events] == [False, False]
        assert note.endswith("'old' gives 2 of 2 results, the static 'momentum' differs")

    def test_beyond_the_service_names_may_differ(self, tmp_path: Path) -> None:
        store(tmp_path, "old")
        other = {
            f"{CONTINUOUS}[+]": {"Name": "rate", "MinValue": "0", "MaxValue": "4", "ScalingType": "Linear"},
            STATICS: {},
        }
        events, note = given(tmp_path, child(other))
        assert events[0].config == {"x": 0.25, "rate": 2.0, "kind": "a"}
        assert note.endswith("2.0 stands in for the new 'rate', 'momentum' is no longer used")


def run(root: Path, body: dict[str, Any]) -> TuningJobRunner:
    session = Session(root)
    config = parse_request(body)
    events, _ = session.inherit(config, 0.0)
    session.close()
    return simulate(config, lambda values: Curve([float(values["x"])]), given=events)


class TestOverallBest:
    """9.6"""

    def test_of_the_identical_type_only(self, tmp_path: Path) -> None:
        store(tmp_path, "old", results=[({"x": 0.9, "kind": "b"}, -5.0), ({"x": 0.5, "kind": "a"}, 3.0)])
        body = child({f"{CONFIG}.Strategy": "Random", f"{CONFIG}.RandomSeed": 1}, kind=IDENTICAL)
        runner = run(tmp_path, body)
        reply = describe_response(runner.config, runner.state)
        best = reply["OverallBestTrainingJob"]
        assert (best["TrainingJobName"], best["TuningJobName"]) == ("old-001-00000000", "old")
        assert best["TunedHyperParameters"] == {"x": "0.9", "kind": "b"}
        assert best["FinalHyperParameterTuningJobObjectiveMetric"] == {"MetricName": "loss", "Value": -5.0}
        assert reply["BestTrainingJob"]["TrainingJobName"].startswith("child-")
        assert reply["WarmStartConfig"] == body["WarmStartConfig"]
        assert reply["TrainingJobStatusCounters"]["Completed"] == 3  # parents count nowhere
        transfer = run(tmp_path, edit(body, {"WarmStartConfig.WarmStartType": "TransferLearning"}))
        assert "OverallBestTrainingJob" not in describe_response(transfer.config, transfer.state)

    def test_it_may_be_this_job_s(self, tmp_path: Path) -> None:
        store(tmp_path, "old", results=[({"x": 0.9, "kind": "b"}, 5.0)])
        runner = run(tmp_path, child({}, kind=IDENTICAL))
        reply = describe_response(runner.config, runner.state)
        assert reply["OverallBestTrainingJob"] == {**reply["BestTrainingJob"], "TuningJobName": "child"}

    def test_it_is_there_before_the_job_has_a_result(self, tmp_path: Path) -> None:
        store(tmp_path, "old")
        session = Session(tmp_path)
        session.create(parse_request(child({}, kind=IDENTICAL)))
        service = Service(tmp_path)
        service.call("DeleteHyperParameterTuningJob", {NAME: "old"})
        reply = service.call("DescribeHyperParameterTuningJob", {NAME: "child"})
        service.close()
        session.close()
        assert "BestTrainingJob" not in reply
        assert reply["OverallBestTrainingJob"]["TuningJobName"] == "old"


def test_the_not_improving_reference_starts_empty(tmp_path: Path) -> None:
    store(tmp_path, "old", results=[({"x": 0.9, "kind": "b"}, -5.0)])
    runner = run(tmp_path, child({f"{LIMITS}.MaxNumberOfTrainingJobs": 1}, kind=IDENTICAL))
    assert (runner.state.improvement.count, runner.state.launched) == (0, 1)


def test_a_job_file_is_strict_only_if_asked(tmp_path: Path) -> None:
    store(tmp_path, "old")
    body = child({STATICS: {}})
    session = Session(tmp_path)
    with pytest.raises(ValidationError, match="only the parent has 'momentum'"):
        session.create(parse_request(body), warm_start_jobs=750)
    run = session.start(parse_request(body))
    assert run.notes[-1].endswith("'momentum' is no longer used")
    session.close()
