"""Messages that must not be missed, to whoever listens."""

from __future__ import annotations

import warnings
from collections.abc import Callable


def silent(message: str) -> None:
    """Say nothing: nobody listens."""


def warn(say: Callable[[str], None], message: str) -> None:
    """Say something, or issue a Python warning where nobody listens."""
    if say is silent:
        warnings.warn(message, stacklevel=2)
    else:
        say(message)
