"""The one method of a rule that stops trials early."""

from __future__ import annotations

from typing import Protocol

from hpt.search.history import History
from hpt.search.trial import Decision


class StoppingRule(Protocol):
    """A pure function of recorded history.

    A rule may have a second method, `explain(history, number) -> Verdict | None`: why it stops the trial,
    which is recorded and shown; None where it has no more to say. Without it, the name of its class is
    recorded.
    """

    def decide(self, history: History, number: int) -> Decision:
        """Whether trial `number`, whose latest report is the last of its `reports`, should go on."""
        ...
