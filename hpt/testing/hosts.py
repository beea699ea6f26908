"""What a tuner promises to a host that embeds it, as tests. Subclass `HostSuite` and define `make`.

class TestMine(HostSuite):
    def make(self):
        return hpt.Tuner(SPACE, strategy=MyStrategy(), seed=1)

    def restore(self, state):
        return hpt.Tuner.restore(state, strategy=MyStrategy())
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import inf, isfinite, nan
from typing import Any

import numpy as np
import pytest

from hpt.errors import InputError, TrialStateError, UnknownTrialError
from hpt.search.trial import Config, Decision, Observation, TrialStatus
from hpt.search.tuner import Tuner


class HostSuite:
    """Trials that the host made, ids, late news, withdrawn trials, and a state that goes through JSON.

    histories: how many random histories are tried. steps: of each.
    """

    histories = 10
    steps = 25

    def make(self) -> Tuner:
        """A new tuner; always the same one."""
        raise NotImplementedError("define `make`, which makes a tuner")

    def restore(self, state: Mapping[str, Any]) -> Tuner:
        """The tuner of a state."""
        return Tuner.restore(state)

    # -- helpers of the tests --------------------------------------------------------------------------------

    def configs(self, count: int, seed: int = 0) -> list[Config]:
        """Configurations that a host may try."""
        return self.make().space.sample(count, np.random.default_rng(seed))

    def through_json(self, tuner: Tuner) -> Tuner:
        """The tuner as another process would have it: its state is JSON without extensions."""
        return self.restore(json.loads(json.dumps(tuner.state(), allow_nan=False)))

    # -- trials of the host ----------------------------------------------------------------------------------

    def test_recorded_trials_take_the_next_numbers(self) -> None:
        tuner, (a, b, c, d) = self.make(), self.configs(4)
        recorded = [
            tuner.record(a),
            tuner.record(b, value=0.5),
            tuner.record(c, value=0.25, status="Stopped", reports={1: 0.75, 2: 0.25}),
            tuner.record(d, status="Failed"),
        ]
        assert [trial.number for trial in recorded if trial] == [1, 2, 3, 4]
        expected = [TrialStatus.IN_PROGRESS, TrialStatus.COMPLETED, TrialStatus.STOPPED, TrialStatus.FAILED]
        assert [trial.status for trial in recorded if trial] == expected
        assert [trial.config for trial in tuner.trials] == [a, b, c, d]
        assert [len(part) for part in (tuner.history.pending, tuner.history.y, tuner.history.failed)] == [
            1,
            2,
            1,
        ]
        assert [(report.resource, report.value) for report in tuner.trials[2].reports] == [
            (1, 0.75),
            (2, 0.25),
        ]
        assert [trial.number for trial in tuner.ask()] == [5]

    def test_a_search_of_recorded_trials_is_the_search_that_asked_for_them(self) -> None:
        asked, recorded = self.make(), self.make()
        for value in (0.5, 0.25, 0.75, nan, 0.125):
            [trial] = asked.ask()
            asked.tell(trial.number, value)
            recorded.record(trial.config, value=value)
        assert [trial.config for trial in asked.ask(2)] == [trial.config for trial in recorded.ask(2)]

    @pytest.mark.parametrize("value", [nan, inf, -inf])
    def test_a_value_that_is_not_finite_means_failed(self, value: float) -> None:
        tuner, [config] = self.make(), self.configs(1)
        trial = tuner.record(config, value=value)
        assert trial is not None and trial.value is None and tuner.best() is None
        assert len(tuner.history.failed) == 1

    def test_what_lies_outside_is_raised_or_dropped(self) -> None:
        tuner, [config] = self.make(), self.configs(1)
        name = next(iter(config))
        before = tuner.state()
        lacking = {each: value for each, value in config.items() if each != name}
        wrong: Any
        for wrong in ({**config, name: object()}, lacking):
            with pytest.raises(InputError, match=repr(name)):
                tuner.record(wrong, value=0.5)
            assert tuner.record(wrong, value=0.5, outside="drop") is None
        with pytest.raises(InputError, match="host_only"):
            tuner.record({**config, "host_only": 1}, value=0.5, outside="drop")
        assert tuner.state() == before
        assert tuner.record({**config, "host_only": 1}, value=0.5, extra="ignore") is not None
        assert tuner.trials[0].config == config

    def test_the_best_of_everything_known(self) -> None:
        tuner, (a, b, c) = self.make(), self.configs(3)
        better, worse = (0.9, 0.1) if tuner.objective == "Maximize" else (0.1, 0.9)
        assert tuner.best() is None
        tuner.add(a, better)
        assert tuner.best() == Observation(a, better)
        assert tuner.best(added=False) is None
        tuner.record(b, id="b", value=worse, noise=0.5)
        assert tuner.best() == Observation(a, better)
        assert tuner.best(added=False) == Observation(b, worse, noise=0.5, number=1, id="b")
        tuner.record(c, value=better)
        found = tuner.best()
        assert found is not None and found.number == 2

    def test_the_best_by_belief(self) -> None:
        tuner, (a, b, c) = self.make(), self.configs(3)
        assert tuner.best(by="belief") is None
        with pytest.raises(InputError, match="'luck' is not known"):
            tuner.best(by="luck")
        tuner.record(c, value=nan)
        assert tuner.best(by="belief") is None
        better, worse = (0.9, 0.1) if tuner.objective == "Maximize" else (0.1, 0.9)
        tuner.record(a, value=worse, noise=0.01)
        tuner.add(b, better, noise=0.01)
        found, own = tuner.best(by="belief"), tuner.best(by="belief", added=False)
        assert found is not None and (found.config, found.value, found.noise) == (b, better, 0.01)
        assert own is not None and (own.config, own.number) == (a, 2)
        assert found.believed is not None and isfinite(found.believed)
        assert found.deviation is not None and found.deviation >= 0
        assert self.through_json(tuner).best(by="belief") == found

    # -- ids -------------------------------------------------------------------------------------------------

    def test_a_trial_is_known_by_its_number_and_by_its_id(self) -> None:
        tuner, [config] = self.make(), self.configs(1)
        first, second = tuner.ask(2, ids=["one", ("two", 2)])
        tuner.record(config, id="mine")
        assert (first.id, second.id, tuner.trials[2].id) == ("one", ("two", 2), "mine")
        assert tuner.report("one", 0.5, 1) in Decision
        tuner.tell(("two", 2), 0.25)
        tuner.tell("one", status="Stopped")
        tuner.tell(3, 0.75)
        assert [trial.value for trial in tuner.trials] == [0.5, 0.25, 0.75]
        assert [trial.id for trial in tuner.trials] == ["one", ("two", 2), "mine"]

    def test_ids_are_no_numbers_and_are_not_given_twice(self) -> None:
        tuner, (a, b) = self.make(), self.configs(2)
        tuner.record(a, id="taken")
        wrong: Any
        taken: Any
        unknown: Any
        for wrong in (["taken"], ["one", "two"], [3], [1.5], [True], [[]], [None]):
            with pytest.raises(InputError):
                tuner.ask(ids=wrong)
        for taken in ("taken", 3, []):
            with pytest.raises(InputError, match="id"):
                tuner.record(b, id=taken)
        assert len(tuner.trials) == 1
        for unknown in ("other", 2, 0, None, [], True):
            with pytest.raises(UnknownTrialError):
                tuner.tell(unknown, 0.5)

    # -- late news and withdrawn trials ----------------------------------------------------------------------

    def test_late_news_is_raised_or_ignored(self) -> None:
        tuner = self.make()
        tuner.ask(2, ids=["a", "b"])
        tuner.tell("a", 0.5)
        tuner.forget("b")
        before = tuner.state()
        calls: list[tuple[Any, ...]] = [(tuner.tell, 0.9), (tuner.report, 0.9, 1), (tuner.forget,)]
        for trial in ("a", "b", 1, 2):
            for call, *rest in calls:
                with pytest.raises(TrialStateError):
                    call(trial, *rest)
                assert call(trial, *rest, late="ignore") in (None, Decision.STOP)
            with pytest.raises(InputError, match="late"):
                tuner.tell(trial, 0.9, late="maybe")
        assert tuner.state() == before
        with pytest.raises(UnknownTrialError):
            tuner.tell("c", 0.5, late="ignore")

    def test_a_forgotten_trial_leaves_no_trace_but_its_number(self) -> None:
        tuner, other = self.make(), self.make()
        [trial] = tuner.ask()
        early = tuner.history
        tuner.report(trial.number, 0.5, 1)
        tuner.forget(trial.number)
        assert (tuner.trials, len(tuner.history), tuner.history.distinct) == ([], 0, 0)
        assert not tuner.history.contains(trial.config)
        assert early.contains(trial.config) and [each.number for each in early.running] == [1]
        other.ask()
        assert tuner.ask()[0].number == 2
        tuner.record(trial.config, id="again", value=0.5)
        assert tuner.trials[-1].config == trial.config

    def test_an_id_may_be_used_again_once_its_trial_is_forgotten(self) -> None:
        tuner = self.make()
        tuner.ask(ids=["a"])
        tuner.forget("a")
        [trial] = tuner.ask(ids=["a"])
        tuner.tell("a", 0.5)
        assert [(each.number, each.value) for each in tuner.trials] == [(trial.number, 0.5)]
        assert self.through_json(tuner).trials == tuner.trials

    def test_pending_elsewhere_is_not_proposed_and_not_kept(self) -> None:
        tuner = self.make()
        [first] = self.make().ask()
        [trial] = tuner.ask(pending=[first.config])
        assert trial.config != first.config
        assert trial.number == 1 and len(tuner.history.pending) == 1

    # -- state -----------------------------------------------------------------------------------------------

    def test_a_restored_tuner_goes_on_the_same_at_any_point(self) -> None:
        for seed in range(self.histories):
            self.history(seed)

    def history(self, seed: int) -> None:
        """A random history, beside a plain list of what must be known; at random points the tuner is replaced
        by the one restored from its state."""
        rng, tuner, known = np.random.default_rng(seed), self.make(), _Known()
        for step in range(self.steps):
            if rng.random() < 0.2 or step == self.steps - 1:
                restored = self.through_json(tuner)
                assert restored.state() == tuner.state()
                count = 1 + int(rng.integers(3))
                assert restored.propose(count) == tuner.propose(count)
                assert repr(restored.best()) == repr(tuner.best())
                tuner = restored
            self.step(tuner, known, rng, f"{seed}-{step}")
            known.check(tuner)

    def step(self, tuner: Tuner, known: _Known, rng: np.random.Generator, name: str) -> None:
        """One random thing that a host does."""
        [config] = tuner.space.sample(1, rng)
        value = float(rng.choice([rng.random(), nan, -inf])) if rng.random() < 0.2 else float(rng.random())
        noise = float(rng.random()) if rng.random() < 0.3 else None
        running = sorted(known.running)
        number = running[int(rng.integers(len(running)))] if running else 0
        trial = known.running[number] or number if running else 0
        what = int(rng.integers(8 if running else 4))
        if what == 0:
            ids = [f"{name}-a", f"{name}-b"] if rng.random() < 0.5 else None
            pending = [config] if rng.random() < 0.3 else []
            for each in tuner.ask(2, ids=ids, pending=pending):
                known.running[each.number] = each.id
        elif what in (1, 2):
            own = name if rng.random() < 0.5 else None
            status = str(rng.choice(["Completed", "Stopped", "Failed", "InProgress"]))
            given = None if status == "InProgress" else value
            reports = [(k + 1, float(rng.random())) for k in range(int(rng.integers(3)))]
            recorded = tuner.record(config, id=own, value=given, status=status, reports=reports, noise=noise)
            assert recorded is not None
            if given is None:
                known.running[recorded.number] = own
            else:
                known.end(recorded.number, value if status != "Failed" else nan)
        elif what == 3:
            if isfinite(value):
                tuner.add(config, value, noise=noise)
                known.added.append(value)
        elif what in (4, 5):
            status = str(rng.choice(["Completed", "Stopped", "Failed"]))
            tuner.tell(trial, value, status=status, noise=noise)
            tuner.tell(trial, value, status=status, late="ignore")
            known.end(number, value if status != "Failed" else nan)
        elif what == 6:
            tuner.report(trial, value, 1.0 + float(rng.integers(5)))
        else:
            tuner.forget(trial)
            tuner.report(trial, value, 1.0, late="ignore")
            del known.running[number]


class _Known:
    """What a host knows of its trials, as plain as can be."""

    def __init__(self) -> None:
        self.running: dict[int, Any] = {}
        self.ended: list[tuple[int, float]] = []
        self.added: list[float] = []

    def end(self, number: int, value: float) -> None:
        self.running.pop(number, None)
        self.ended.append((number, value))

    def check(self, tuner: Tuner) -> None:
        history = tuner.history
        usable = [value for _, value in self.ended if isfinite(value)] + self.added
        assert [trial.number for trial in history.running] == sorted(self.running)
        assert [trial.number for trial in history.ended] == [number for number, _ in self.ended]
        assert len(history.failed) == len(self.ended) + len(self.added) - len(usable)
        sign = -1.0 if tuner.objective == "Maximize" else 1.0
        assert sorted(history.y.tolist()) == sorted(sign * value for value in usable)
        best = tuner.best()
        assert (None if best is None else sign * best.value) == min(history.y.tolist(), default=None)
