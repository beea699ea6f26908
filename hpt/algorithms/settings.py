"""Hyperparameters arrive as texts: rules turn them into values, every broken rule reported at once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from hpt.algorithms.container import UserError

OBJECTIVE_KEY = "_tuning_objective_metric"
"""The key under which a tuning job hands its objective to every training job."""


class Rule(Protocol):
    """How one hyperparameter is read. `read` raises ValueError with the rule's text."""

    @property
    def name(self) -> str: ...
    def read(self, text: str) -> object: ...


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number in [low, high]."""

    name: str
    low: int
    high: int | None = None

    def read(self, text: str) -> int:
        rule = f"must be a whole number of at least {self.low}"
        if self.high is not None:
            rule = f"must be a whole number from {self.low} to {self.high}"
        try:
            # "6.0" is what a tuner that only knows reals would send.
            value = int(text) if not float(text).is_integer() else int(float(text))
        except (ValueError, OverflowError):
            raise ValueError(rule) from None
        if value < self.low or (self.high is not None and value > self.high):
            raise ValueError(rule)
        return value


@dataclass(frozen=True, slots=True)
class Real:
    """A finite number between low and high; an open end is itself not allowed."""

    name: str
    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False

    def read(self, text: str) -> float:
        left = "(" if self.open_low or math.isinf(self.low) else "["
        right = ")" if self.open_high or math.isinf(self.high) else "]"
        rule = f"must be a number in {left}{self.low:g}, {self.high:g}{right}"
        try:
            value = float(text)
        except ValueError:
            raise ValueError(rule) from None
        too_low = value < self.low or (self.open_low and value == self.low)
        too_high = value > self.high or (self.open_high and value == self.high)
        if not math.isfinite(value) or too_low or too_high:
            raise ValueError(rule)
        return value


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a fixed set of texts."""

    name: str
    options: tuple[str, ...]

    def read(self, text: str) -> str:
        if text.strip() not in self.options:
            raise ValueError(f"must be one of {', '.join(self.options)}")
        return text.strip()


@dataclass(frozen=True, slots=True)
class Switch:
    """True or false, spelt as in JSON, in Python or as 1 and 0."""

    name: str

    def read(self, text: str) -> bool:
        word = text.strip().lower()
        if word not in ("true", "false", "1", "0"):
            raise ValueError("must be true or false")
        return word in ("true", "1")


@dataclass(frozen=True, slots=True)
class Auto:
    """Another rule, or `auto`, which reads as None."""

    rule: Rule

    @property
    def name(self) -> str:
        return self.rule.name

    def read(self, text: str) -> object:
        if text.strip().lower() == "auto":
            return None
        try:
            return self.rule.read(text)
        except ValueError as error:
            raise ValueError(f"{error}, or auto") from None


@dataclass(frozen=True, slots=True)
class TextList:
    """Texts separated by commas, brackets and quotes allowed: `auc,error` or `['auc', 'error']`."""

    name: str
    options: tuple[str, ...] = ()

    def read(self, text: str) -> tuple[str, ...]:
        items = tuple(
            item.strip().strip("'\"") for item in text.strip().strip("[]()").split(",") if item.strip()
        )
        if not items:
            raise ValueError("must name at least one value")
        for item in items:
            if self.options and item not in self.options:
                raise ValueError(f"{item!r} must be one of {', '.join(self.options)}")
        return items


def read_settings(
    texts: Mapping[str, str], rules: Iterable[Rule], aliases: Mapping[str, str]
) -> tuple[dict[str, object], list[str], list[str]]:
    """Reads every hyperparameter for which there is a rule.

    Returns (values by canonical name, messages of broken rules, names nothing is known of).
    """
    by_name = {rule.name: rule for rule in rules}
    values: dict[str, object] = {}
    errors: list[str] = []
    unknown: list[str] = []
    spelt: dict[str, str] = {}
    for given, text in texts.items():
        name = aliases.get(given, given)
        if name not in by_name:
            unknown.append(given)
            continue
        if name in spelt:
            errors.append(f"{given}: is another name of {spelt[name]}, which is given too; keep one")
            continue
        spelt[name] = given
        try:
            values[name] = by_name[name].read(text)
        except ValueError as error:
            errors.append(f"{given}: {text!r} {error}")
    return values, errors, unknown


@dataclass(frozen=True, slots=True)
class Reading:
    """Hyperparameters as far as each can be judged by itself.

    values: by canonical name, defaults filled in. errors: messages of broken rules; a program adds those of
    its own. warnings: lines for the log. target: the tuning objective if the program prints it, else None.
    """

    values: dict[str, object]
    errors: list[str]
    warnings: list[str]
    target: str | None

    def integer(self, name: str) -> int:
        value = self.values[name]
        assert isinstance(value, int)
        return value

    def real(self, name: str) -> float:
        value = self.values[name]
        assert isinstance(value, int | float)
        return value

    def require(self, names: Mapping[str, str]) -> None:
        """Notes each of `names` (with what it means) that is not given."""
        for name, meaning in names.items():
            if name not in self.values and not any(error.startswith(f"{name}:") for error in self.errors):
                self.errors.append(f"{name}: is required ({meaning})")

    def finish(self) -> None:
        """Raises UserError with every message if there are any."""
        count = len(self.errors)
        if count:
            raise UserError("\n".join([f"{count} hyperparameter error{'s' * (count > 1)}:", *self.errors]))


def read_all(
    texts: Mapping[str, str],
    rules: Iterable[Rule],
    *,
    title: str,
    metrics: Iterable[str],
    defaults: Mapping[str, object] | None = None,
    aliases: Mapping[str, str] | None = None,
    retired: Iterable[str] = (),
) -> Reading:
    """Reads the flat map of texts of the algorithm called `title`, which prints `metrics`.

    `retired` names are known to SageMaker's container and mean nothing here: said once, then ignored.
    """
    known = {name: text for name, text in texts.items() if name != OBJECTIVE_KEY}
    values, errors, unknown = read_settings(known, rules, aliases or {})
    warnings = []
    idle = [name for name in unknown if name in set(retired)]
    strange = [name for name in unknown if name not in set(retired)]
    if idle:
        warnings.append(f"without effect here: {', '.join(idle)}")
    if strange:
        warnings.append(f"hyperparameters {title} does not know are ignored: {', '.join(strange)}")
    target = texts.get(OBJECTIVE_KEY) or None
    if target is not None and target not in metrics:
        warnings.append(f"the tuning objective {target!r} is not a metric {title} prints by that name")
        target = None
    return Reading({**(defaults or {}), **values}, errors, warnings, target)
