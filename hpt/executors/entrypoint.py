"""The entry point and arguments that a training job names, in place of its program's (behaviour 16.1).

Standard library only: the supervisor imports this.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def is_given(spec: Mapping[str, Any]) -> bool:
    """Whether a training job names an entry point or arguments."""
    return bool(spec.get("entrypoint") or spec.get("arguments"))


def command(spec: Mapping[str, Any], program: Sequence[str]) -> list[str]:
    """What runs: the entry point, else the program, with the arguments.

    The working directory is `code/`, so that the entry point finds the program beside it. Its first word may
    be the name of a command on the PATH.

    >>> command({"entrypoint": ["/bin/sh", "run.sh"], "arguments": ["--fast"]}, ["/code/train.py"])
    ['/bin/sh', 'run.sh', '--fast']
    """
    words = list(spec.get("entrypoint") or program)
    if spec.get("entrypoint"):
        words[0] = _found(words[0], spec)
    return [*words, *(spec.get("arguments") or ())]


def _found(word: str, spec: Mapping[str, Any]) -> str:
    """The path of a command; the word itself where none is found."""
    if "/" in word:
        return word
    path = spec["environment"].get("PATH") or os.environ.get("PATH") or _PATH
    for folder in path.split(":"):
        place = os.path.join(folder or ".", word)
        if os.path.isfile(place) and os.access(place, os.X_OK):
            return place
    return word
