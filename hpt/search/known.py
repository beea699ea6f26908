"""What a tuner knows and believes: its trials, the best of them, and what its model says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from hpt.errors import InputError
from hpt.search import recording
from hpt.search.belief import BELIEF, BY, VALUE, beliefs, predictor
from hpt.search.decider import Decider, locked
from hpt.search.history import Float64Array
from hpt.search.trial import Config, Observation, Trial


class Known(Decider):
    """The part of `Tuner` that changes nothing."""

    @property
    def trials(self) -> list[Trial]:
        """Every trial asked for, in launch order."""
        return [own(trial) for trial in sorted(self.history, key=lambda trial: trial.number)]

    @property
    def best_trial(self) -> Trial | None:
        """The trial with the best final objective, the earlier-launched of equals; None before there is one.

        Observations that were added are no trials and do not count.
        """
        return None if self._best is None else own(self._best)

    @property
    def best_config(self) -> Config | None:
        """The configuration of the best trial."""
        return None if self._best is None else dict(self._best.config)

    @property
    def best_value(self) -> float | None:
        """The objective of the best trial, in your own sign."""
        return None if self._best is None else self._best.value

    @locked
    def best(self, *, added: bool = True, by: str = VALUE) -> Observation | None:
        """The best of everything known, the earlier of equals, trials first; None before there is one.

        Parameters
        ----------
        added
            Of what was added too, not only of trials.
        by
            `value`: that of the best value, which under noise is the luckiest. `belief`: that of whose
            configuration the search believes most, its mean and deviation being those of `predict`. A
            strategy without a model, such as `Random`, is lent that of Bayesian search.

        Returns
        -------
        Observation or None
            With `believed` and `deviation` where it was chosen by belief.

        Raises
        ------
        InputError
            `by` is not known.
        """
        if recording.check_choice(by, "by", BY) == BELIEF:
            believed = self.beliefs(added=added)
            return believed[0] if believed else None
        best, other = self._best, self._best_added if added else None
        if best is None or best.value is None:
            return other and replace(other, config=dict(other.config))
        if other is not None and self._sign * other.value < self._sign * best.value:
            return replace(other, config=dict(other.config))
        noise = self._log.noise.get(best.number)
        reports = tuple(best.reports)
        return Observation(dict(best.config), best.value, noise, reports, best.status, best.number, best.id)

    @locked
    def beliefs(self, *, added: bool = True) -> list[Observation]:
        """Everything known with what the search believes of it, `believed` and `deviation`, the best first,
        of equals the earlier. Of more than 1,000 observations those of the best values.

        added: of what was added too, not only of trials.
        """
        history = self._log.snapshot()
        rows = [row for row, number in enumerate(history.observers) if added or number]
        if not rows:
            return []
        found = beliefs(predictor(self._strategy, history), history, rows)
        return [
            replace(
                history.observation(found.rows[i]),
                believed=self._sign * float(found.means[i]),
                deviation=float(found.deviations[i]),
            )
            for i in np.argsort(found.means, kind="stable")
        ]

    @locked
    def predict(
        self, configs: Sequence[Config], definition: str | None = None
    ) -> tuple[Float64Array, Float64Array]:
        """What the search believes of configurations: means and standard deviations, (m,) each, in the unit
        and sign of the objective; the deviation is that of the function, without the noise of a measurement.

        definition: in a multi-algorithm search, the definition that they are of.

        Raises:
            InputError: the strategy has no model, nothing was observed yet, or a configuration lies outside
                the space.
        """
        predict = getattr(self._strategy, "predict", None)
        if not callable(predict):
            raise InputError(
                f"the strategy {type(self._strategy).__name__} has no model to predict with; use Bayesian"
            )
        history = self._log.snapshot()
        if not len(history.y):
            raise InputError("nothing was observed yet; tell the value of a trial first")
        space = self._log.part(definition).space
        named = (definition,) if history.definitions else ()
        mean, variance = predict(history, [space.validate(config) for config in configs], *named)
        return self._sign * mean, np.sqrt(variance)


def own(trial: Trial) -> Trial:
    """The trial with a configuration that its receiver may change without changing the history."""
    return replace(trial, config=dict(trial.config))
