"""Starts a supervisor: `python -I -S start.py <attempt directory>`.

`... start.py warm <descriptor>` starts that of a warm worker, which serves one attempt after another, and
`... start.py feed <arguments>` the feeder of an attempt.

The packages are declared here without running their `__init__` files: a supervisor needs the standard
library only, and every millisecond of its start is paid once a trial. (Only imported modules have cached byte
code, so this file stays short.)
"""

import sys

if __name__ == "__main__":
    here = __file__.rpartition("/")[0]
    root = here.rpartition("/")[0]
    for name, path in (("hpt", root), ("hpt.executors", here), ("hpt.host", f"{root}/host")):
        package = type(sys)(name)
        package.__path__ = [path]
        sys.modules[name] = package

    if sys.argv[1] == "warm":
        from hpt.executors import warm_supervisor

        warm_supervisor.main(int(sys.argv[2]))

    if sys.argv[1] == "feed":
        from hpt.executors import feed

        feed.main(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))

    from hpt.executors import supervisor

    supervisor.main(sys.argv[1])
