"""Hyperparameters arrive as strings: rules turn them into values, every broken rule reported at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Protocol, TypeVar

from hpt.algorithms.container import UserError, counted

OBJECTIVE_KEY = "_tuning_objective_metric"
"""The key under which a tuning job hands its objective to every training job."""


class Rule(Protocol):
    """How one hyperparameter is read. `read` raises ValueError with the rule's wording."""

    @property
    def name(self) -> str: ...
    def read(self, text: str) -> object: ...


@dataclass(frozen=True, slots=True)
class Integer:
    """An integer in [low, high]."""

    name: str
    low: int
    high: int | None = None

    def read(self, text: str) -> int:
        rule = f"must be an integer of at least {self.low}"
        if self.high is not None:
            rule = f"must be an integer from {self.low} to {self.high}"
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
    """One of a fixed set of strings."""

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
    """Another rule, or `auto`, which reads as None: as if it were not given."""

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
class StringList:
    """Strings separated by commas, brackets and quotes allowed: `auc,error` or `['auc', 'error']`."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseSettings:
    """What every program has. A field is named as its hyperparameter, where it is one and nothing more.

    target: the tuning objective if the program prints it, else None. warnings: lines for the log.
    """

    target: str | None = None
    warnings: tuple[str, ...] = ()


S = TypeVar("S", bound=BaseSettings)


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

    def string(self, name: str, default: str = "") -> str:
        value = self.values.get(name, default)
        assert isinstance(value, str)
        return value

    def strings(self, name: str) -> tuple[str, ...]:
        value = self.values.get(name, ())
        assert isinstance(value, tuple)
        return value

    def chosen(self, rules: Iterable[Rule]) -> dict[str, object]:
        """The values of these hyperparameters, as far as they are given or have defaults."""
        return {rule.name: self.values[rule.name] for rule in rules if rule.name in self.values}

    def require(self, names: Mapping[str, str]) -> None:
        """Notes each of `names` (with what it means) that is not given."""
        for name, meaning in names.items():
            if name not in self.values and not any(error.startswith(f"{name}:") for error in self.errors):
                self.errors.append(f"{name}: is required ({meaning})")

    def finish(self) -> None:
        """Raises UserError with every message if there are any."""
        count = len(self.errors)
        if count:
            raise UserError("\n".join([f"{counted(count, 'hyperparameter error')}:", *self.errors]))

    def build(self, kind: type[S], **values: object) -> S:
        """Settings: each field as `values` say, else as the hyperparameter of its name, else its default."""
        given = {item.name: self.values[item.name] for item in fields(kind) if item.name in self.values}
        shared = {"target": self.target, "warnings": tuple(self.warnings)}
        return kind(**{**shared, **given, **values})  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """The hyperparameters of an algorithm.

    title: its name in messages. prints: whether it prints the metric of a name. defaults: those that are
    needed before settings are built; the others are the defaults of their fields. aliases: canonical names by
    other ones. retired: names known to SageMaker's container that mean nothing here; reported, then ignored.
    """

    title: str
    prints: Callable[[str], object]
    rules: tuple[Rule, ...]
    defaults: Mapping[str, object] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    retired: Collection[str] = ()

    def read(self, given: Mapping[str, str]) -> Reading:
        """Reads the flat map of strings as it stands in `hyperparameters.json`."""
        values, errors, unknown = self._values(given)
        warnings = []
        retired = [name for name in unknown if name in self.retired]
        strange = [name for name in unknown if name not in self.retired]
        if retired:
            warnings.append(f"without effect here: {', '.join(retired)}")
        if strange:
            warnings.append(f"hyperparameters {self.title} does not know are ignored: {', '.join(strange)}")
        target = given.get(OBJECTIVE_KEY) or None
        if target is not None and not self.prints(target):
            warnings.append(
                f"the tuning objective {target!r} is not a metric {self.title} prints by that name"
            )
            target = None
        return Reading({**self.defaults, **values}, errors, warnings, target)

    def _values(self, given: Mapping[str, str]) -> tuple[dict[str, object], list[str], list[str]]:
        """(values by canonical name, messages of broken rules, names without a rule)."""
        rules = {rule.name: rule for rule in self.rules}
        values: dict[str, object] = {}
        errors: list[str] = []
        unknown: list[str] = []
        spelt: dict[str, str] = {}
        for spelling, text in given.items():
            name = self.aliases.get(spelling, spelling)
            if name not in rules:
                unknown += [spelling] if spelling != OBJECTIVE_KEY else []
                continue
            if name in spelt:
                errors.append(f"{spelling}: is another name of {spelt[name]}, which is given too; keep one")
                continue
            spelt[name] = spelling
            try:
                value = rules[name].read(text)
            except ValueError as error:
                errors.append(f"{spelling}: {text!r} {error}")
            else:
                if value is not None:
                    values[name] = value
        return values, errors, unknown
