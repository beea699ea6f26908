"""What a function of `__main__` hands to processes that it spawns with `multiprocessing`."""

from __future__ import annotations

import types
from typing import Any


def pickle_main_by_value() -> None:
    """Have `multiprocessing` pickle functions and classes of `__main__` by value from now on.

    A spawned process finds them by name only where it may run the user's script again, which need not exist
    (a notebook, `python -c`) and need not be guarded by `if __name__ == "__main__":`.
    """
    from multiprocessing import reduction

    import cloudpickle

    def reducer_override(self: object, obj: Any) -> Any:
        if isinstance(obj, types.FunctionType | type) and obj.__module__ == "__main__":
            return cloudpickle.loads, (cloudpickle.dumps(obj),)
        return NotImplemented

    reduction.ForkingPickler.reducer_override = reducer_override  # type: ignore[method-assign]
