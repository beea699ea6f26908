"""Which directories a program that is no container sees at the paths of one: its training directory at
`/opt/ml`, and its checkpoints at a `LocalPath` elsewhere (behaviour 16.2).

Standard library only: the supervisor imports this.
"""

from __future__ import annotations

import os

from hpt.executors import contract

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

VARIABLE = "HPT_OPT_ML"
"""`auto`: programs that name `/opt/ml` find their training directory there. `always`: every program of the
user's does. `never`: none does. Anything else is `auto`."""

_NAMED = contract.CONTAINER_BASE.encode()
_LARGEST_FILE = 1 << 21
_MOST_BYTES = 1 << 26


def binds(base: str, spec: Mapping[str, Any], command: list[str], choice: str) -> list[tuple[str, str]]:
    """Directories, and the paths at which the program finds them. Those it cannot do without come first.

    Parameters
    ----------
    base
        The training directory, with the program in it.
    spec
        What to run (`hpt.executors.order.Order.on`).
    command
        The program's command.
    choice
        What the variable of this module says.

    Raises
    ------
    contract.ContractError
        The path for checkpoints would hide what the program needs.
    """
    found = []
    at = spec.get("checkpoints_at")
    if at is not None:
        needed = (base, spec["interpreter"], *(word for word in command if word.startswith("/")))
        hidden = next((path for path in needed if path.startswith(f"{at}/")), None)
        if hidden is not None:
            raise contract.ContractError(
                f"checkpoints at {at} would hide {hidden} from the program; choose another LocalPath"
            )
        found.append((contract.checkpoint_store(base, spec), at))
    if spec.get("finds_paths") and choice != "never":
        named = spec.get("names_opt_ml")
        if choice == "always" or (_names_it(base, command) if named is None else named):
            found.append((base, contract.CONTAINER_BASE))
    return found


def _names_it(base: str, command: list[str]) -> bool:
    code = os.path.join(base, "code")
    files = (os.path.join(place, name) for place, _, names in os.walk(code) for name in names)
    program = [command[-1]] if command and os.path.isabs(command[-1]) else []
    return names_opt_ml([*program, *files])


def names_opt_ml(paths: Iterable[str]) -> bool:
    """Whether one of the files holds the string `/opt/ml`. Large files are left out: programs are small."""
    left = _MOST_BYTES
    for path in paths:
        try:
            with open(path, "rb", opener=_open) as file:
                content = file.read(_LARGEST_FILE + 1)
        except OSError:
            continue
        left -= len(content)
        if len(content) <= _LARGEST_FILE and _NAMED in content:
            return True
        if left < 0:
            return False
    return False


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)  # a FIFO may be among them
