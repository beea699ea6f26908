"""Starts a worker: `python -u -P start.py` one that runs one trial, `... start.py DESCRIPTOR` a warm one.

`hpt` is found beside this file, so that no variable of the environment has to say where it is: whatever other
Python a function calls gets the user's environment and nothing of ours.
"""

import sys

if __name__ == "__main__":
    sys.path.insert(0, __file__.rpartition("/hpt/functions/")[0])

    from hpt.functions import warm, worker

    sys.exit(warm.serve(int(sys.argv[1])) if len(sys.argv) > 1 else worker.Trial().run())
