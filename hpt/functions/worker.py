"""The process behind `hpt.tune`: calls a Python function for one trial, or for one after another.

An executor starts it through `start.py` under the container contract. `HPT_FUNCTION` names the file of the
function (`payload`), `HPT_RESULTS_FILE` the one that takes its values (`channel`).
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hpt.executors.outcome import NO_VALUE as EXITED_WITHOUT_VALUE
from hpt.functions import channel, payload
from hpt.functions.channel import Report, TrialStopped

NO_VALUE = "the function returned None and reported nothing; return a float or call report(value)"

LONGEST = 1000
"""Characters of a reason; what is longer is cut."""


class Functions:
    """The functions that this process has loaded: what they keep in memory stays between trials.

    path, arguments: `sys.path` and `sys.argv` as the last of them was loaded.
    """

    def __init__(self) -> None:
        self.path: list[str] = []
        self.arguments: list[str] = []
        self._loaded: dict[str, tuple[payload.TrainFunction, Any]] = {}

    def prepare(self, path: str) -> None:
        """Import what loading any function and its space needs; nothing of the function's own."""
        self._pickled(path)
        import cloudpickle  # noqa: F401

        import hpt.search.space  # noqa: F401

    def _pickled(self, path: str) -> bytes:
        added = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
        return payload.take_over(Path(path).read_bytes(), added)

    def load(self, path: str) -> tuple[payload.TrainFunction, Any]:
        """The function and its space."""
        if path not in self._loaded:
            if script := os.environ.get("HPT_FUNCTION_MAIN"):
                _run_main(script)
            function, space = payload.unpack(self._pickled(path))
            _show_as_main(function)
            self._loaded[path] = function, space
            self.path, self.arguments = list(sys.path), list(sys.argv)
        return self._loaded[path]


FUNCTIONS = Functions()


class Trial:
    """One call of the function.

    base: the training directory. results: the file of its values. function: the file of the function. wake:
    called after each report of a warm worker, where the trial can also be stopped; None: this process runs
    one trial, and SIGTERM ends it. strings: the hyperparameters by name; None: they lie in the training
    directory.
    """

    def __init__(
        self, strings: Mapping[str, str] | None = None, wake: Callable[[], object] | None = None
    ) -> None:
        """The trial that the variables of the environment describe."""
        self.base, self.results = os.environ["SAGEMAKER_BASE_DIR"], os.environ["HPT_RESULTS_FILE"]
        self.function = os.environ["HPT_FUNCTION"]
        self.strings, self.wake = strings, wake
        self.report: Report | None = None
        self._pid = os.getpid()

    def run(self) -> int:
        """Call the function, and hand in what comes of it. The exit code says whether it failed."""
        try:
            function, space = FUNCTIONS.load(self.function)
            strings = self.strings
            if strings is None:
                strings = json.loads((Path(self.base) / "input/config/hyperparameters.json").read_bytes())
            config = space.parse({parameter.name: strings[parameter.name] for parameter in space.parameters})
            self.report = Report(self.results, None if self.wake is None else self._reported)
            result = function(dict(config), self.report)
            self._end_copy()
            if result is not None:
                channel.write_result(self.results, result)
            elif not self._has_values():
                raise TypeError(NO_VALUE)
        except TrialStopped:
            return channel.STOP_CODE
        except SystemExit as error:
            self._end_copy()
            return self._exited(error)
        except BaseException as error:
            self._end_copy()
            return self._failed(described(error), error)
        return 0

    def _end_copy(self) -> None:
        """End a process that the function forked and that came out of it too: the trial is not its own."""
        if os.getpid() != self._pid:
            os._exit(0)

    def close(self) -> None:
        """Refuse further reports: the process goes on to another trial."""
        if self.report is not None:
            self.report.close()

    def _reported(self) -> None:
        """After a report: wake the tuner, and end the function if it is to stop.

        A function that handles SIGTERM itself goes on until it gets it.
        """
        import signal

        if self.wake is not None:
            self.wake()
        stops = (Path(self.results).with_name(name) for name in ("stop", "stop-now"))
        if any(stop.exists() for stop in stops) and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            raise TrialStopped

    def _has_values(self) -> bool:
        """Whether anything was reported, by whatever process."""
        try:
            return os.stat(self.results).st_size > 0  # noqa: PTH116
        except OSError:
            return False

    def _exited(self, error: SystemExit) -> int:
        """The exit code of a function that called `sys.exit`."""
        if error.code in (None, 0):
            return 0 if self._has_values() else self._failed(EXITED_WITHOUT_VALUE, error)
        if isinstance(error.code, int):
            code = error.code & 0xFF or 1
            self._failed(f"the function ended its process with exit code {code}", error)
            return code
        return self._failed(described(error), error)

    def _failed(self, reason: str, error: BaseException) -> int:
        _complain(error)
        output = Path(self.base, "output")
        try:
            output.mkdir(parents=True, exist_ok=True)
            (output / "failure").write_text(reason, encoding="utf-8", errors="backslashreplace")
        except OSError as full:
            _complain(full)
        return 1


def described(error: BaseException) -> str:
    """The type and the text of an exception, whatever the text: `ValueError: too small`."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ in ("builtins", "__main__") else f"{kind.__name__}"
    try:
        said = str(error).strip()
    except BaseException as another:  # whatever a class of the user does
        said = f"(its text cannot be shown: {type(another).__name__})"
    reason = f"{name}: {said}" if said else name
    return reason if len(reason) <= LONGEST else f"{reason[:LONGEST]}…"


def _complain(error: BaseException) -> None:
    """Write a traceback to the log, wherever the function left `sys.stderr`."""
    try:
        lines = traceback.format_exception(error)
    except BaseException:  # a class of the user whose text cannot be shown
        lines = [*traceback.format_tb(error.__traceback__), f"{described(error)}\n"]
    data = "".join(lines).encode("utf-8", "backslashreplace")
    try:
        with open(Path(os.environ["HPT_RESULTS_FILE"]).with_name("log"), "ab") as log:  # noqa: PTH123
            log.write(data)
    except (OSError, KeyError):
        sys.__stderr__ and sys.__stderr__.write(data.decode())


def _show_as_main(function: Any) -> None:
    """Let `__main__` be the module of a function that was defined there.

    Its functions and classes are found in it by pickle, and handed by value to processes that the function
    spawns: these have no `__main__` in which to find them.
    """
    import types

    main = types.ModuleType("__main__")
    inner = function
    while hasattr(inner, "func") and callable(inner.func):
        inner = inner.func
    inner = inner if hasattr(inner, "__globals__") else type(inner).__call__
    names = getattr(inner, "__globals__", {})
    if names.get("__name__") == "__main__":
        vars(main).update(names)
        from hpt.functions import spawned

        spawned.pickle_main_by_value()
    main.__dict__.pop("__file__", None)
    main.__spec__ = None
    sys.modules["__main__"] = main


def _run_main(script: str) -> None:
    """Find the functions of a script in `__mp_main__`, as earlier versions pickled them."""
    from multiprocessing import spawn

    spawn._fixup_main_from_path(script)  # type: ignore[attr-defined]
