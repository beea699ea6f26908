"""The same suggestions to the bit: whatever the threads of the BLAS and of the core, the caches and the ask.

    python -m tests.search.strategies.test_bits --threads 2 continuous/31 many/1004

prints the events of searches; the tests run it with one thread in its environment and with
four, and have tuners that know nothing but those events propose each trial again.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest

import hpt
from hpt.search import core
from hpt.search.events import Event, ObservationAdded, TrialCreated, TrialEnded, from_json, to_json
from hpt.search.space import CategoricalParameter, ContinuousParameter, IntegerParameter, SearchSpace
from hpt.search.strategies import schedule
from hpt.search.strategies.bayesian import BayesianStrategy
from hpt.search.trial import Config, TrialStatus

SEED = 7
PARENT = 40
ASKED = 4
ANCHORS = (31, 63, 127)
"""Asked at 31, 32, 33 and 34 observations and so on: near powers of two the chain of refits grows."""


def mixed(scaling: str) -> SearchSpace:
    return SearchSpace(
        [
            ContinuousParameter("rate", 1e-5, 1, scaling),
            ContinuousParameter("share", 0, 1, "Linear"),
            IntegerParameter("units", 1, 4000, scaling),
            CategoricalParameter("kind", ["a", "b", "c"]),
        ]
    )


def wide(d: int) -> SearchSpace:
    """So many parameters of all kinds in turn."""
    makers = (
        lambda name: ContinuousParameter(name, 0, 1, "Linear"),
        lambda name: IntegerParameter(name, 0, 20, "Linear"),
        lambda name: CategoricalParameter(name, ["a", "b", "c"]),
    )
    return SearchSpace([makers[i % 3](f"x{i}") for i in range(d)])


PLAIN = SearchSpace([ContinuousParameter(name, -1, 1, "Linear") for name in ("x", "y", "z")])
SPACES = {
    "continuous": PLAIN,
    "mixed": mixed("Logarithmic"),
    "failures": mixed("Logarithmic"),
    "parents": mixed("Logarithmic"),
    "auto": mixed("Auto"),
    "wide": wide(101),
    "many": PLAIN,
    "converged": PLAIN,
}
BOTTOM = 0.4783
"""Where each term of `objective` in PLAIN is least."""
USUAL = [kind for kind in SPACES if kind not in ("many", "converged")]
SMALL = [f"{kind}/{ANCHORS[0]}" for kind in USUAL] + ["parents/6", "mixed/63", "converged/40"]
LARGE = [
    *(case for kind in USUAL for n in ANCHORS[1:] if (case := f"{kind}/{n}") not in SMALL),
    "many/1004",
]
CASES = SMALL + LARGE
GROUPS = {"small": SMALL, "large": LARGE}


def objective(config: Config, best: float = 0.3) -> float:
    if "x0" in config:
        return sum(
            (float(config[f"x{i}"]) - best) ** 2 + 0.01 * int(config[f"x{i + 1}"]) for i in (0, 48, 96)
        )
    if "x" in config:
        return sum((float(value) - best) ** 2 + 0.1 * math.sin(9 * float(value)) for value in config.values())
    decades = math.log10(float(config["rate"])) + 3 + math.log10(int(config["units"])) - 2
    return decades**2 + (float(config["share"]) - best) ** 2 + 0.2 * "abc".index(str(config["kind"]))


def end(kind: str, number: int, config: Config) -> TrialEnded:
    if kind == "failures" and (number % 7 == 3 or float(config["share"]) > 0.9):
        return TrialEnded(0.0, number, TrialStatus.FAILED)
    return TrialEnded(0.0, number, TrialStatus.COMPLETED, objective(config))


def past(kind: str, n: int) -> Iterator[Event]:
    """What was recorded before the first ask: n observations, besides failures and a parent's results."""
    space, rng = SPACES[kind], np.random.default_rng(n)
    if kind == "parents":
        for config in space.sample(PARENT, rng):
            yield ObservationAdded(0.0, config, 10 * objective(config, 0.35), source="old")
    number = 0
    while n > 0:
        number += 1
        [config] = space.sample(1, rng)
        if kind == "converged" and number > 24:
            config = {name: BOTTOM + 1e-4 * float(rng.normal()) for name in config}
        yield TrialCreated(0.0, number, config)
        ended = end(kind, number, config)
        yield ended
        n -= ended.value is not None


def tuner_of(kind: str, events: list[Event], threads: int = 1) -> hpt.Tuner:
    tuner = hpt.Tuner(SPACES[kind], "Minimize", BayesianStrategy(threads=threads), seed=SEED)
    for event in events:
        tuner.apply(event)
    return tuner


def search(case: str, threads: int) -> list[Event]:
    """All that a live tuner records: one trial after the other, in the end several at once."""
    kind, n = case.split("/")
    events = list(past(kind, int(n)))
    tuner = tuner_of(kind, events, threads)

    def record(event: Event) -> None:
        tuner.apply(event)
        events.append(event)

    for _ in range(1 if kind == "many" else ASKED):
        for event in tuner.propose(1):
            record(event)
            record(end(kind, event.number, event.config))
    for event in tuner.propose(8 if int(n) <= ANCHORS[0] else 2):
        record(event)
    return events


def elsewhere(cases: list[str], environment: str, threads: int) -> dict[str, list[Event]]:
    """The searches in a process with so many threads in its environment, and so many of the core."""
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    done = subprocess.run(
        [sys.executable, "-m", "tests.search.strategies.test_bits", "--threads", str(threads), *cases],
        env={**os.environ, **dict.fromkeys(names, environment)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    lines = map(json.loads, done.stdout.splitlines())
    return {case: [from_json(kind, body) for kind, body in events] for case, events in lines}


class Recorded:
    """The searches with one thread, each group made when it is first asked for."""

    def __init__(self) -> None:
        self._made: dict[str, list[Event]] = {}

    def __getitem__(self, case: str) -> list[Event]:
        if case not in self._made:
            self._made |= elsewhere(next(group for group in GROUPS.values() if case in group), "1", 1)
        return self._made[case]


@pytest.fixture(scope="module")
def recorded() -> Recorded:
    return Recorded()


@pytest.mark.parametrize("group", ["small", pytest.param("large", marks=pytest.mark.slow)])
def test_threads_change_no_bit(group: str, recorded: Recorded) -> None:
    other = elsewhere(GROUPS[group], "4", 2)
    for case in GROUPS[group]:
        assert list(map(to_json, other[case])) == list(map(to_json, recorded[case])), case


@pytest.mark.parametrize("case", [*SMALL, *(pytest.param(case, marks=pytest.mark.slow) for case in LARGE)])
def test_resuming_without_a_cache_changes_no_bit(case: str, recorded: Recorded) -> None:
    """A new tuner before each ask, and one at a time where several were asked for at once."""
    kind, events = case.split("/")[0], recorded[case]
    first = len(list(past(kind, int(case.split("/")[1]))))
    pending = [event for event in events[first:] if isinstance(event, TrialCreated)]
    tuner, known = tuner_of(kind, events[:first]), first
    for i, event in enumerate(events):
        if i < first or not isinstance(event, TrialCreated):
            continue
        if any(isinstance(each, TrialEnded) for each in events[known:i]):
            tuner, known = tuner_of(kind, events[:i]), i
        assert tuner.propose(1) == [event]
        tuner.apply(event)
    assert len({SPACES[kind].key(event.config) for event in pending}) == len(pending) >= 3


def test_more_running_trials_than_a_model_holds_change_no_bit() -> None:
    """Asked for at once, and one at a time by tuners that know the events alone."""
    events = list(past("mixed", 40))
    configs = SPACES["mixed"].sample(core.PENDING_LIMIT - 2, np.random.default_rng(1))
    first = max(event.number for event in events if isinstance(event, TrialCreated)) + 1
    events += [TrialCreated(0.0, first + i, config) for i, config in enumerate(configs)]
    asked = tuner_of("mixed", events).propose(core.NEWEST + 4)
    for i in (0, 1, 2, 3, core.NEWEST, core.NEWEST + 3):
        assert tuner_of("mixed", [*events, *asked[:i]]).propose(1) == asked[i : i + 1]
    assert len({SPACES["mixed"].key(event.config) for event in asked}) == len(asked)


@pytest.mark.parametrize("n", [core.MODEL_LIMIT - 2, 1153])
def test_a_search_goes_on_where_a_model_is_chosen_anew(n: int) -> None:
    """Past the limit of a model the observations are chosen every `SPARE`; those after are appended."""
    assert schedule.anchor(n) == schedule.anchor(n + 3), "chosen anew without a refit"
    assert n < core.MODEL_LIMIT or schedule.base(n + 1) < schedule.base(n + 2)
    events = list(past("many", n))
    tuner = tuner_of("many", events)
    for _ in range(4):
        [event] = tuner.propose(1)
        assert tuner_of("many", events).propose(1) == [event]
        for each in (event, end("many", event.number, event.config)):
            tuner.apply(each)
            events.append(each)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("cases", nargs="*", default=CASES)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    for case in arguments.cases:
        print(json.dumps([case, list(map(to_json, search(case, arguments.threads)))]))


if __name__ == "__main__":
    main()
