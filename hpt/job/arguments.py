"""Validation of the arguments of `tuning_job`, all of them at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from hpt.errors import InputError, ValidationError, Violation
from hpt.job.rules import INVALID
from hpt.search.numbers import check_count

T = TypeVar("T")


class Arguments:
    """Reads arguments one by one, and collects their errors until all are read."""

    def __init__(self) -> None:
        self.violations: list[Violation] = []

    def read(self, path: str, make: Callable[[], T]) -> T | None:
        """The value that `make` reads; None if it raises InputError."""
        try:
            return make()
        except InputError as error:
            self.violations.append(Violation(INVALID, path, "argument", str(error)))
            return None

    def check(self, path: str, check: Callable[..., None], *arguments: object) -> None:
        """Record the error that a check of an argument raises."""
        self.read(path, lambda: check(*arguments))

    def check_counts(self, **counts: int | None) -> None:
        """Check that each count by name is an integer of at least 1 or None."""
        for name, count in counts.items():
            if count is not None:
                self.check(name, check_count, name, count)

    def refuse(self) -> None:
        """Raises ValidationError with all recorded errors."""
        if self.violations:
            raise ValidationError(self.violations)
