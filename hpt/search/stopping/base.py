"""The one method of a rule that stops trials early."""

from __future__ import annotations

from typing import Protocol

from hpt.search.history import History
from hpt.search.trial import Decision


class StoppingRule(Protocol):
    """A pure function of recorded history."""

    def decide(self, history: History, number: int) -> Decision:
        """Whether trial `number`, whose latest report is the last of its `reports`, should go on."""
        ...
