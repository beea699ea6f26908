"""What every stopping rule promises, as tests. Subclass `StoppingRuleSuite` and define `make`.

class TestMine(StoppingRuleSuite):
    def make(self):
        return MyRule()
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import fields
from math import inf, nan

import numpy as np

from hpt.search.history import History
from hpt.search.history_log import HistoryLog
from hpt.search.space import ContinuousParameter, SearchSpace
from hpt.search.stopping.base import StoppingRule
from hpt.search.trial import Decision, ObjectiveType, Report, Trial, TrialStatus, Verdict

SPACE = SearchSpace([ContinuousParameter("x", 0, 1)])


class StoppingRuleSuite:
    """The contract of `hpt.search.stopping.base.StoppingRule`.

    reports: how many reports a trial of the tests makes at most. trials: how many trials a test has.
    """

    reports = 12
    trials = 40

    def make(self) -> StoppingRule:
        """A new rule that has seen nothing."""
        raise NotImplementedError("define `make`, which makes a stopping rule")

    # -- helpers of the tests --------------------------------------------------------------------------------

    def course(
        self, seed: int, *, objective: ObjectiveType = ObjectiveType.MINIMIZE, sign: float = 1.0
    ) -> Iterator[tuple[History, int]]:
        """A history after each report of trials that run four at a time, and the number of the trial. Nothing
        is stopped, so that the course is the same for every rule."""
        log, rng = HistoryLog(SPACE, objective), np.random.default_rng(seed)
        progress: dict[int, int] = {}
        while log.last_number < self.trials or progress:
            if len(progress) < 4 and log.last_number < self.trials:
                number = log.last_number + 1
                log.create(number, {"x": float(rng.random())})
                progress[number] = 0
                continue
            number = int(rng.choice(list(progress)))
            progress[number] += 1
            level = log.running[number].config["x"] + 1 / progress[number]  # type: ignore[operator]
            value = sign * float(level)
            log.report(number, Report(float(progress[number]), nan if rng.random() < 0.02 else value))
            yield log.snapshot(), number
            if progress[number] >= self.reports or rng.random() < 0.03:
                status = TrialStatus.FAILED if rng.random() < 0.1 else TrialStatus.COMPLETED
                log.end(number, status, value)
                del progress[number]

    # -- the tests ------------------------------------------------------------------------------------------

    def test_every_answer_is_a_decision(self) -> None:
        rule = self.make()
        assert {rule.decide(history, number) for history, number in self.course(1)} <= set(Decision)

    def test_what_is_kept_between_calls_is_a_cache(self) -> None:
        rule = self.make()
        for history, number in self.course(2):
            assert rule.decide(history, number) is self.make().decide(history, number)

    def test_a_reason_is_given_for_stops_alone(self) -> None:
        """`explain`, which a rule may lack: what was reported, and a threshold that it is worse than."""
        rule = self.make()
        explain = getattr(rule, "explain", lambda history, number: None)
        for history, number in self.course(9):
            stops, verdict = rule.decide(history, number) is Decision.STOP, explain(history, number)
            if not stops:
                assert verdict is None
            elif verdict is not None:
                reports = history.trial(number).reports
                assert isinstance(verdict, Verdict) and verdict.rule
                assert verdict.report == len(reports)
                assert repr(verdict.value) == repr(reports[-1].value)  # of NaN too
                assert verdict.threshold is None or not reports[-1].value <= verdict.threshold

    def test_asking_again_changes_nothing(self) -> None:
        rule = self.make()
        for history, number in self.course(3):
            assert rule.decide(history, number) is rule.decide(history, number)

    def test_histories_may_come_in_any_order(self) -> None:
        """Earlier views of a job after later ones, and those of another job in between."""
        rule, other = self.make(), [*self.course(5)][-1]
        views = [*self.course(4)]
        forward = [rule.decide(*view) for view in views]
        rule.decide(*other)
        assert [rule.decide(*view) for view in reversed(views)] == forward[::-1]

    def test_a_minimised_objective_is_a_maximised_one_with_its_sign_changed(self) -> None:
        rule = self.make()
        turned = [rule.decide(*view) for view in self.course(6, objective=ObjectiveType.MAXIMIZE, sign=-1.0)]
        assert [rule.decide(*view) for view in self.course(6)] == turned

    def test_a_trial_without_reports_goes_on(self) -> None:
        log = HistoryLog(SPACE, ObjectiveType.MINIMIZE)
        log.create(1, {"x": 0.5})
        assert self.make().decide(log.snapshot(), 1) is Decision.CONTINUE

    def test_a_lonely_trial_goes_on_after_its_first_report(self) -> None:
        for value in (0.0, 1e300, inf, nan):
            log = HistoryLog(SPACE, ObjectiveType.MINIMIZE)
            log.create(1, {"x": 0.5})
            log.report(1, Report(1.0, value))
            assert self.make().decide(log.snapshot(), 1) is Decision.CONTINUE

    def test_a_history_is_not_changed(self) -> None:
        rule = self.make()
        for history, number in self.course(7):
            before = [_everything(trial) for trial in history]
            rule.decide(history, number)
            assert [_everything(trial) for trial in history] == before

    def test_rules_can_be_sent_to_another_process(self) -> None:
        rule, views = self.make(), [*self.course(8)]
        for view in views[: len(views) // 2]:
            rule.decide(*view)
        sent = pickle.loads(pickle.dumps(rule))
        assert [sent.decide(*view) for view in views] == [rule.decide(*view) for view in views]


def _everything(trial: Trial) -> str:
    """All fields of a trial, NaN equal to itself."""
    return repr([getattr(trial, field.name) for field in fields(trial)])
