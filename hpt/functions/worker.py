"""The training program behind `hpt.tune`: runs a pickled Python function in a process of its own.

Started by an executor as `python -m hpt.functions.worker` under the container contract. `HPT_FUNCTION` names
the pickled (function, space) pair, `HPT_FUNCTION_MAIN` the script that was `__main__` when it was pickled.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
import traceback
from collections.abc import Callable
from multiprocessing import spawn
from numbers import Real
from pathlib import Path

from hpt.job.moved import present_name

REPORT_PREFIX = "[hpt] report="
RESULT_PREFIX = "[hpt] result="


def format_number(value: object, what: str) -> str:
    """The shortest decimal of a real number that reads back to the same float.

    Raises:
        TypeError: `value` is not a real number.
    """
    if isinstance(value, bool) or not (isinstance(value, Real) or hasattr(value, "__float__")):
        raise TypeError(f"{what} is {value!r}; the objective is a real number: return or report a float")
    return repr(float(value))


def report(value: float) -> None:
    """Report one interim value of the objective; each report is one unit of progress."""
    print(f"\n{REPORT_PREFIX}{format_number(value, 'the reported value')}", flush=True)


def main() -> int:
    base = Path(os.environ["SAGEMAKER_BASE_DIR"])
    try:
        function, space = _load(Path(os.environ["HPT_FUNCTION"]), os.environ.get("HPT_FUNCTION_MAIN", ""))
        strings = json.loads((base / "input/config/hyperparameters.json").read_text(encoding="utf-8"))
        config = space.parse({parameter.name: strings[parameter.name] for parameter in space.parameters})
        reported = []

        def report_and_record(value: float) -> None:
            report(value)
            reported.append(value)

        result = function(dict(config), report_and_record)
        if result is None and not reported:
            raise TypeError("train returned None and reported nothing; return a float or call report(value)")
        if result is not None:
            print(f"\n{RESULT_PREFIX}{format_number(result, 'the returned value')}", flush=True)
    except Exception as error:
        traceback.print_exc()
        sys.stderr.flush()
        output = base / "output"
        output.mkdir(parents=True, exist_ok=True)
        (output / "failure").write_text(f"{type(error).__name__}: {error}", encoding="utf-8")
        return 1
    return 0


def _load(path: Path, main_script: str):  # type: ignore[no-untyped-def]  # whatever was pickled
    if main_script:
        # The way multiprocessing's spawn does: functions of the user's script are found in `__mp_main__`.
        spawn._fixup_main_from_path(main_script)  # type: ignore[attr-defined]
    with path.open("rb") as file:
        return _Unpickler(file).load()


class _Unpickler(pickle.Unpickler):
    """Finds classes and functions of `hpt` where they are now: the pickle may be of an earlier version."""

    def find_class(self, module: str, name: str) -> object:
        return super().find_class(present_name(module), name)


TrainFunction = Callable[[dict[str, object], Callable[[float], None]], float | None]

if __name__ == "__main__":
    sys.exit(main())
