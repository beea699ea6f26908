"""Starts a worker: `python -u -P start.py [DESCRIPTOR]`.

`hpt` is found beside this file, so that no variable of the environment has to say where it is: whatever other
Python a function calls gets the user's environment and nothing of ours.
"""

import sys

if __name__ == "__main__":
    sys.path.insert(0, __file__.rpartition("/hpt/functions/")[0])

    from hpt.functions import worker

    sys.exit(worker.main(sys.argv))
