"""Runs one stored tuning job in a process of its own: `python -P detached.py STATE NAME`.

Started by a process that the job is to outlive; its output goes to the log it was given. A job that another
process runs, or that has ended or was deleted meanwhile, is ignored silently.
"""

import sys


def main(state: str, name: str) -> int:
    """Run the job to its end, or until SIGTERM puts its training jobs down; 1 if it failed, else 0."""
    from hpt.errors import HptError, JobNotFoundError, JobOwnedError
    from hpt.running.drive import drive
    from hpt.running.session import Session

    session = Session(state)
    try:
        if not session.load(name)[2].status.ended:
            with session.take(name) as runner:
                drive(runner)
    except (JobNotFoundError, JobOwnedError):
        pass
    except HptError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    finally:
        session.close()
    return 0


if __name__ == "__main__":
    # The package is where this file is, installed or not, whatever else Python would find under its name.
    sys.path.insert(0, __file__.removesuffix("/hpt/running/detached.py"))
    sys.exit(main(*sys.argv[1:]))
