"""The `hpt` command: its arguments and their help."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from hpt.cli import exit_codes, slots
from hpt.errors import HptError, InputError, JobOwnedError
from hpt.running.dependencies import require_jobs
from hpt.running.output import for_progress, for_results

DESCRIPTION = """\
Automatic model tuning: run many training jobs, learn from their logs, keep the best model.

A job file is a CreateHyperParameterTuningJob request as JSON, YAML or TOML. It names a training program
(a script, a program or a built-in algorithm), the ranges of its hyperparameters and the metric it prints.

  hpt train job.json         run one training job of it, once, and see what its metrics read
  hpt tune job.json          run a tuning job to its end
  hpt resume NAME            go on with a tuning job that was interrupted or killed, or lost its machine
  hpt extend NAME --max-jobs N
                             go on with a tuning job that has ended, with a larger budget
  hpt list                   every tuning job in the state directory
  hpt describe NAME          one tuning job and its best training job
  hpt trials NAME            its training jobs, best first; `hpt trials NAME 3` shows one in full
  hpt stop NAME              stop it for good
  hpt delete NAME            delete it, with its logs and models
  hpt check-metric LOG --definitions job.json
                             what its metric definitions read from a log, and near misses
  hpt simulate job.json --curves FILE
                             what a job would decide on learning curves from a table; trains nothing
  hpt fleet up fleet.toml    make a fleet of EC2 instances; then `hpt tune job.json --fleet NAME`

Ctrl-C stops the running training jobs with a grace period, and `hpt resume` goes on with the same ones; a
second Ctrl-C stops them at once. In `hpt train` it stops the training job for good. With a grace period, a
program gets SIGTERM and has 120 s to exit, or HPT_GRACE_SECONDS from the Environment of the training job's
definition.
"""


class _Parser(argparse.ArgumentParser):
    """Reports unknown arguments with its own usage and names the closest known options."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.color = False  # from Python 3.14 on it writes control characters, which `running.output` shows

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]
        options, unknown = super().parse_known_args(args, namespace)
        if unknown:
            known = [flag for action in self._actions for flag in action.option_strings]
            near = [match for argument in unknown for match in get_close_matches(argument, known, n=1)]
            hint = f"; did you mean {', '.join(near)}?" if near else ""
            self.error(f"unknown arguments: {' '.join(unknown)}{hint}")
        return options, unknown


def _add_tune_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", metavar="JOB", help="job file: .json, .yaml or .toml")
    parser.add_argument("--name", help="name of the tuning job, in place of the file's")
    parser.add_argument(
        "--strategy",
        help="bayesian, random, hyperband, randomhyperband or grid, in any case, in place of the file's",
    )
    parser.add_argument(
        "--warm-start",
        metavar="NAME",
        action="append",
        help="begin with the results of this tuning job, which has ended; may be given up to five times",
    )
    parser.add_argument(
        "--warm-start-type",
        metavar="TYPE",
        help="transfer (default): the objectives are related; identical: the objectives are the same "
        "wherever program, data and static hyperparameters are",
    )
    parser.add_argument(
        "--autotune",
        action="store_true",
        help="choose what the file leaves out: ranges around static hyperparameters, limits, early stopping",
    )
    parser.add_argument(
        "--keep-static",
        metavar="NAME",
        action="append",
        default=[],
        help="with --autotune: leave this static hyperparameter as it is; may be given several times",
    )
    slots.add_arguments(parser)
    parser.add_argument(
        "--again",
        action="store_true",
        help="if the name is taken: go on with that job if it is unfinished and described the same, else run "
        "as NAME-2, NAME-3, ...",
    )
    parser.add_argument(
        "--strict", action="store_true", help="accept exactly what SageMaker accepts: no local paths"
    )
    parser.add_argument(
        "--limits",
        choices=("local", "amt"),
        help="quotas: local (default, wide) or amt, SageMaker's own, with local paths",
    )
    parser.add_argument(
        "--extended",
        action="store_true",
        help="allow what SageMaker does not: early stopping and a warm start in a multi-algorithm job",
    )
    parser.add_argument(
        "--check", action="store_true", help="check the job file and print what it means; start nothing"
    )


def _add_extend_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--max-jobs", type=int, metavar="N", help="training jobs in all, those launched so far included"
    )
    parser.add_argument(
        "--max-runtime",
        type=float,
        metavar="SECONDS",
        help="run time in all, that used so far included; the time between end and extension does not count",
    )
    parser.add_argument("--max-parallel", type=int, metavar="N", help="training jobs at a time")


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    from hpt.cli import check_metric, executors, fleet, simulate, train, trials

    common = _Parser(add_help=False)
    common.add_argument(
        "--state", metavar="DIR", help="where jobs are kept (default: $HPT_HOME, else ~/.hpt)"
    )
    common.add_argument("--json", action="store_true", help="print the result as one JSON document on stdout")
    running = _Parser(add_help=False)
    running.add_argument("--quiet", action="store_true", help="no progress, only the result")
    named = _Parser(add_help=False)
    named.add_argument("name", metavar="NAME", help="name of a tuning job, upper or lower case")

    either = _Parser(add_help=False)
    either.add_argument("name", metavar="NAME", help="name of a tuning job or training job, in any case")

    root = _Parser(
        prog="hpt",
        description=DESCRIPTION,
        epilog=exit_codes.DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    root.add_argument("--version", action="version", version=f"hpt {_version()}")
    commands = root.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def command(name: str, help: str, *parents: _Parser) -> _Parser:
        return commands.add_parser(name, help=help, description=help, parents=[*parents, common])

    tune = command("tune", "run a tuning job from a job file to its end", running)
    _add_tune_arguments(tune)
    fleet.add_option(tune, "hand the job to this fleet, whose head runs it, and return")
    executors.add_arguments(tune)
    train.add_arguments(
        command("train", "run one training job of a job file in the foreground, and show its log", running)
    )
    check = command("check-metric", "show what metric definitions read from a sample log")
    check_metric.add_arguments(check)
    simulate.add_arguments(
        command("simulate", "run a job file on learning curves instead of programs", running)
    )
    resume = command("resume", "go on with an unfinished tuning job or training job", either, running)
    executors.add_arguments(resume, resume=True)
    extend = command("extend", "go on with a tuning job that has ended, with a larger budget", named, running)
    _add_extend_arguments(extend)
    for each in (resume, extend):
        fleet.add_option(each, "the job is one of this fleet's, whose head goes on with it; return at once")
    listed = command("list", "list the tuning jobs in the state directory")
    listed.add_argument(
        "--training-jobs", action="store_true", help="list the training jobs that belong to no tuning job"
    )
    describe = command("describe", "describe one tuning job or training job", either)
    listing = command("trials", "list the training jobs of a tuning job, best first", named)
    trials.add_arguments(listing)
    describe.add_argument(
        "--best",
        choices=["value", "belief"],
        default="value",
        help="belief: also show the training job that the search believes to be the best, and how good it is "
        "without noise: under noise the best value is the luckiest",
    )
    for each in (describe, listing):
        fleet.add_option(each, "the job is one of this fleet's")
    stop = command(
        "stop",
        "stop a tuning job or training job for good; what runs is stopped with a grace period",
        either,
        running,
    )
    stop.add_argument(
        "--no-wait", action="store_true", help="request the stop and return without waiting for it"
    )
    fleet.add_option(stop, "the job is one of this fleet's; return without waiting for it")
    delete = command("delete", "delete tuning jobs or training jobs for good, with their logs and models")
    delete.add_argument("names", metavar="NAME", nargs="+", help="names of tuning jobs or training jobs")
    delete.add_argument("--yes", action="store_true", help="do not ask")
    delete.set_defaults(quiet=False)
    fleets = commands.add_parser(
        "fleet",
        help="make, show and take down fleets of EC2 instances",
        description=fleet.DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    fleet.add_arguments(fleets, common)
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return the exit code. Errors of `hpt` are one message on stderr, no traceback."""
    sys.stdout, sys.stderr = for_results(sys.stdout), for_progress(sys.stderr)
    try:
        try:
            return _run(arguments)
        finally:
            sys.stdout.flush()  # here, where a failure can still be reported
    except HptError as error:
        from hpt.cli.hints import explain

        print(f"hpt: {explain(error)}", file=sys.stderr)
        bad_input = isinstance(error, InputError | JobOwnedError)
        return exit_codes.BAD_INPUT if bad_input else exit_codes.SURROUNDINGS
    except KeyboardInterrupt as interrupt:
        print(f"hpt: {str(interrupt) or 'interrupted'}", file=sys.stderr)
        return exit_codes.INTERRUPTED
    except OSError as error:  # not converted by a lower layer
        where = "" if error.filename is None else f"{error.filename}: "
        print(f"hpt: {where}{error.strerror or error}; fix that and try again", file=sys.stderr)
        return exit_codes.SURROUNDINGS


def _run(arguments: Sequence[str] | None) -> int:
    options = parser().parse_args(arguments)
    require_jobs(f"hpt {options.command}")
    from hpt.cli import commands

    return int(commands.COMMANDS[options.command](options))


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("hpt")
    except PackageNotFoundError:
        return "(not installed)"


if __name__ == "__main__":
    sys.exit(main())
