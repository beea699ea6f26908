"""Warm start of a multi-algorithm job: each definition begins with what its own program gave the parents."""

from __future__ import annotations

from pathlib import Path

import pytest

import hpt
from hpt.errors import ValidationError
from hpt.job.build import Algorithm, tuning_job
from hpt.job.config import JobConfig
from hpt.job.warm_start import WarmStart
from hpt.running.session import Session
from hpt.sagemaker.request.parse import parse_request, to_request
from hpt.search.events import ParentResult
from hpt.search.space import CategoricalParameter, ContinuousParameter, IntegerParameter, SearchSpace

SPACES = {
    "one": SearchSpace([ContinuousParameter("x", 0, 1, "Linear"), IntegerParameter("n", 1, 9, "Linear")]),
    "two": SearchSpace([ContinuousParameter("z", 0, 1, "Linear"), CategoricalParameter("c", ["a", "b"])]),
}


def job(folder: Path, name: str, chosen: tuple[str, ...], jobs: int, **options: object) -> JobConfig:
    """A job of programs that print how far from 0.3 their first parameter is; `two` is better by 1."""
    algorithms = []
    for each in chosen:
        program = folder / f"{each}.py"
        first = SPACES[each].parameters[0].name
        program.write_text(
            f"import os\nprint('loss=', abs(float(os.environ['SM_HP_{first.upper()}']) - 0.3)"
            f" + {float(each == 'one')}, sep='')\n"
        )
        algorithms.append(Algorithm(each, program=program, space=SPACES[each]))
    return tuning_job(
        name,
        algorithms=algorithms,
        metric="loss",
        regex="loss=(.*)",
        objective="minimize",
        max_jobs=jobs,
        max_parallel_jobs=2,
        seed=3,
        **options,  # type: ignore[arg-type]
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory with an ended job of both algorithms."""
    folder = tmp_path_factory.mktemp("several")
    result = hpt.run(job(folder, "old", ("one", "two"), 8), state=folder / "state")
    assert result.status == "Completed"
    return folder


def given(root: Path, config: JobConfig) -> tuple[str, list[ParentResult]]:
    session = Session(root / "state")
    events, [note] = session.inherit(config, 0.0)
    session.close()
    return note, events


def test_results_go_to_the_definition_of_their_program(root: Path) -> None:
    child = job(root, "child", ("two", "one"), 4, warm_start=WarmStart("old", "identical"))
    note, events = given(root, child)
    assert len(events) == 8
    for event in events:
        assert event.same
        assert event.definition == ("one" if event.value >= 1 else "two")
        assert event.config is not None
        assert SPACES[event.definition].validate(event.config) == event.config
    counts = [sum(event.definition == name for event in events) for name in ("one", "two")]
    for name, count in zip(("one", "two"), counts, strict=True):
        assert f"'old/{name}' gives {count} of {count} results, {count} of them as this job's own" in note


def test_what_no_definition_trains_is_named_and_left_out(root: Path) -> None:
    note, events = given(root, job(root, "child", ("one",), 4, warm_start="old"))
    left_out = [event for event in events if event.config is None]
    assert left_out
    assert all(event.value < 1 for event in left_out)
    assert (
        f"'old/two' gives none of {len(left_out)} results, because no definition trains its program" in note
    )


@pytest.mark.parametrize("kind", ["identical", "transfer"])
def test_the_search_goes_on_from_there(root: Path, kind: str) -> None:
    name = f"after-{kind}"
    child = job(root, name, ("one", "two"), 6, warm_start=WarmStart("old", kind))
    result = hpt.run(child, state=root / "state")
    assert result.status == "Completed"
    assert [trial.definition for trial in result.trials].count("two") >= 3
    assert result.best_value is not None
    assert result.best_value < 0.1
    assert hpt.run(child, state=root / "state") == result  # what was begun with is part of the record
    tried = [(trial.definition, trial.config) for trial in result.trials]
    assert len(tried) == len({str(each) for each in tried})


def test_the_service_refuses_it_as_before(root: Path) -> None:
    child = job(root, "child", ("one", "two"), 4, warm_start="old")
    with pytest.raises(ValidationError, match="needs a single definition"):
        parse_request(to_request(child))
    assert parse_request(to_request(child), extended=True) == child
