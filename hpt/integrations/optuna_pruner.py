"""A pruner for Optuna's studies, by the stopping rules of `hpt`; `hpt.integrations.optuna` has it too."""

from __future__ import annotations

from typing import Any

from optuna.pruners import BasePruner
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

import hpt

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
STATUS = {TrialState.COMPLETE: "Completed", TrialState.PRUNED: "Stopped", TrialState.FAIL: "Failed"}
NOTHING = hpt.SearchSpace([hpt.Constant("all", None)])
"""A rule sees reports alone."""


class HptPruner(BasePruner):
    """Prunes by a stopping rule: `hpt.MedianRule()`, or `hpt.SuccessiveHalving(max_resource)`.

    Steps count from 0 in Optuna and resources from 1 here. A trial at the maximum resource is done and not
    pruned. What is kept between calls is a copy of the study.
    """

    def __init__(self, rule: Any = None) -> None:
        self._rule = hpt.MedianRule() if rule is None else rule
        self._studies: dict[str, tuple[hpt.Tuner, dict[int, int]]] = {}

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        if study.study_name not in self._studies:
            tuner = hpt.Tuner(NOTHING, direction(study), "Random", seed=0, stopping_rule=self._rule)
            self._studies[study.study_name] = tuner, {}
        tuner, read = self._studies[study.study_name]
        decision = hpt.Decision.CONTINUE
        for each in study.get_trials(deepcopy=False):
            if each.number != trial.number and read.get(each.number) != -1:
                self._follow(tuner, read, each)
        decision = self._follow(tuner, read, trial)
        if decision is not hpt.Decision.STOP:
            return False
        verdict = next(each for each in tuner.trials if each.id == str(trial.number)).stopped_by
        return verdict is None or verdict.threshold is not None

    def _follow(self, tuner: hpt.Tuner, read: dict[int, int], trial: FrozenTrial) -> hpt.Decision:
        """Take what is new of a trial; says whether it should go on."""
        own, known = outcome(trial), read.get(trial.number)
        if known is None:
            tuner.record({"all": None}, id=str(trial.number))
        decision = hpt.Decision.CONTINUE
        for step, value in own["reports"][known or 0 :]:
            decision = tuner.report(str(trial.number), value, step)
        read[trial.number] = len(own["reports"])
        if "status" in own:
            tuner.tell(str(trial.number), own["value"], status=own["status"])
            read[trial.number] = -1
        return decision


def direction(study: Study) -> str:
    """The objective as `hpt` calls it."""
    if len(study.directions) != 1:
        raise ValueError("hpt searches for one objective; use another sampler for a multi-objective study")
    return "Maximize" if study.direction is StudyDirection.MAXIMIZE else "Minimize"


def outcome(trial: FrozenTrial) -> dict[str, Any]:
    """What `Tuner.record` takes of a trial, besides its configuration."""
    reports = [(step + 1, value) for step, value in sorted(trial.intermediate_values.items())]
    if trial.state not in STATUS:
        return {"reports": reports}
    value = trial.value if trial.state is TrialState.COMPLETE else None
    return {"reports": reports, "status": STATUS[trial.state], "value": value}
