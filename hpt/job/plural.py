"""Numbers and nouns that agree."""

from __future__ import annotations


def quantity(count: int, noun: str) -> str:
    """A number with its noun.

    >>> quantity(1, "training job"), quantity(2, "training job")
    ('1 training job', '2 training jobs')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
