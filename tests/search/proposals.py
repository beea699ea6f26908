"""What searches propose, as a table: the same seeds give the same proposals, to the bit, in every version.

    python -m tests.search.proposals         after a change that is meant to change proposals: write the table
    python -m tests.search.proposals --add   on another machine: check the table, add this platform's hashes

The last bits of a proposal depend on the kernels of the BLAS, the vector instructions, the C library and the
compiler. `platform_key` names these; the table has exact hashes for each platform it was written on. On any
other one the first proposals of each search are compared as numbers.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy
import threadpoolctl

import hpt
import hpt.search.trial
from hpt import CategoricalParameter, ContinuousParameter, IntegerParameter, SearchSpace
from hpt.search.stopping.median import MedianRule
from hpt.search.strategies.bayesian import BayesianStrategy
from hpt.search.strategies.hyperband import HyperbandStrategy
from hpt.search.strategies.model_hyperband import ModelHyperbandStrategy
from hpt.search.strategies.multi_algorithm import MultiAlgorithmHyperband

TABLE = Path(__file__).with_name("proposals.json")
FIRST = 12
"""So many proposals of each search stand in the table as numbers."""
DIGITS = 10
"""Significant digits of these numbers."""
OF_POINTS, OF_MODELS = 1e-9, 1e-3
"""By which numbers may differ from platform to platform, as a share of them. An acquisition is flat at its
maximum: with other BLAS kernels, a proposal after a thousand observations has been 5e-5 off."""

PLAIN = SearchSpace([ContinuousParameter(name, -1, 1, "Linear") for name in ("x", "y", "z")])
MIXED = SearchSpace(
    [
        ContinuousParameter("rate", 1e-5, 1, "Logarithmic"),
        ContinuousParameter("momentum", 0.5, 0.999, "ReverseLogarithmic"),
        IntegerParameter("units", 1, 4000, "Logarithmic"),
        IntegerParameter("depth", 1, 9, "Linear"),
        CategoricalParameter("kind", ["a", "b", "c"]),
    ]
)
AUTO = SearchSpace(
    [
        ContinuousParameter("rate", 1e-5, 1),
        ContinuousParameter("x", 0, 1, "Linear"),
        IntegerParameter("units", 1, 4000),
    ]
)
FINITE = SearchSpace([CategoricalParameter("kind", ["a", "b", "c"]), IntegerParameter("depth", 1, 6)])
VALUES = SearchSpace(
    [CategoricalParameter("kind", ["a", "b"]), CategoricalParameter("depth", ["2", "4", "8"])]
)
SEVERAL = {"mixed": MIXED, "plain": PLAIN, "finite": FINITE}


def objective(config: hpt.search.trial.Config, best: float = 0.3) -> float:
    """To be minimised; of sums, products and quotients alone, which every machine rounds the same way."""
    value = 0.0
    for name, scale in (("x", 1.0), ("y", 1.3), ("z", 0.7)):
        if name in config:
            value += scale * (float(config[name]) - best) * (float(config[name]) - best)
    if "rate" in config:  # least at 1e-3, and nearly alike in decades above and below
        ratio = float(config["rate"]) / 1e-3
        value += 1.0 - 4.0 * ratio / ((1.0 + ratio) * (1.0 + ratio))
    if "units" in config:
        ratio = int(config["units"]) / 200
        value += 1.0 - 4.0 * ratio / ((1.0 + ratio) * (1.0 + ratio))
    if "momentum" in config:
        value += (float(config["momentum"]) - 0.95) * (float(config["momentum"]) - 0.95)
    if "depth" in config:
        value += 0.05 * (int(config["depth"]) - 4) * (int(config["depth"]) - 4)
    if "kind" in config:
        value += 0.2 * "abc".index(str(config["kind"]))
    return value


def search(
    tuner: hpt.Tuner,
    trials: int,
    *,
    batch: int = 1,
    running: int = 0,
    fails: Callable[[hpt.Trial], bool] = lambda trial: False,
    reports: int = 0,
    sign: float = 1.0,
) -> list[list[Any]]:
    """What a tuner proposes, and where it stops trials.

    Parameters
    ----------
    tuner : hpt.Tuner
        With nothing asked yet.
    trials : int
        How many to ask for at most; fewer where the space is exhausted.
    batch, running : int
        So many are asked for at once, and so many stay running when the next are asked for.
    fails : callable
        Whether a trial fails.
    reports : int
        Values a trial reports as it trains, all running trials in turn.
    sign : float
        -1 for a tuner that maximises.

    Returns
    -------
    list of [number, definition, config, reports made]
        In launch order.
    """
    asked: list[hpt.Trial] = []
    pending: list[hpt.Trial] = []
    steps: dict[int, int] = {}
    exhausted = False
    while (not exhausted and len(asked) < trials) or pending:
        if not exhausted and len(asked) < trials:
            wanted = min(batch, trials - len(asked))
            fresh = tuner.ask(wanted)
            exhausted = len(fresh) < wanted
            asked, pending = asked + fresh, pending + fresh
        while pending and (len(pending) > running or exhausted or len(asked) >= trials):
            trial = pending.pop(0)
            final = sign * objective(trial.config)
            made = steps.setdefault(trial.number, 0)
            if made < reports:
                steps[trial.number] = made + 1
                value = final + sign / (made + 1)
                if tuner.report(trial.number, value, made + 1) is hpt.Decision.STOP:
                    tuner.tell(trial.number, status="Stopped")
                else:
                    pending.append(trial)
            elif fails(trial):
                tuner.tell(trial.number, status="Failed")
            else:
                tuner.tell(trial.number, final)
    return [[trial.number, trial.definition, dict(trial.config), steps[trial.number]] for trial in asked]


def _bad(trial: hpt.Trial) -> bool:
    return trial.number % 7 == 3 or float(trial.config.get("momentum", 0)) > 0.99


def _with_observations(tuner: hpt.Tuner, count: int, source: str | None, best: float) -> hpt.Tuner:
    """The tuner with observations on a fixed lattice."""
    for i in range(1, count + 1):
        share = [(i * step % 97) / 97 for step in (31, 47, 61)]
        config = {"rate": 1e-5 + share[0] ** 4, "x": share[1], "units": 1 + int(3999 * share[2] ** 3)}
        if tuner.space is PLAIN:
            config = {name: 2 * value - 1 for name, value in zip("xyz", share, strict=True)}
        tuner.add(config, (10 if source else 1) * objective(config, best), source=source)
    return tuner


def _tuner(space: Any, strategy: Any = "Bayesian", goal: str = "Minimize", **options: Any) -> hpt.Tuner:
    return hpt.Tuner(space, goal, strategy, **{"seed": 7, **options})


CASES: dict[str, Callable[[], list[list[Any]]]] = {
    "random/plain": lambda: search(_tuner(PLAIN, "Random"), 60),
    "random/mixed": lambda: search(_tuner(MIXED, "Random", seed=2**63 + 5), 60, batch=7),
    "random/auto": lambda: search(_tuner(AUTO, "Random", seed=0), 60),
    "random/exhausted": lambda: search(_tuner(FINITE, "Random"), 30, batch=4, running=2),
    "random/several": lambda: search(_tuner(SEVERAL, "Random"), 40, batch=2),
    "random/median": lambda: search(
        _tuner(PLAIN, "Random", stopping_rule=MedianRule(min_trials=5)), 40, batch=3, running=3, reports=8
    ),
    "grid": lambda: search(_tuner(VALUES, "Grid"), 10, batch=4),
    "grid/several": lambda: search(_tuner({"one": VALUES, "two": VALUES}, "Grid"), 20),
    "hyperband": lambda: search(_tuner(MIXED, HyperbandStrategy(27)), 60, batch=4, running=4, reports=27),
    "hyperband/brackets": lambda: search(
        _tuner(PLAIN, HyperbandStrategy(27, 2, eta=2.5, brackets=3, seed=3)), 60, running=6, reports=27
    ),
    "hyperband/several": lambda: search(
        _tuner(SEVERAL, MultiAlgorithmHyperband(lambda: HyperbandStrategy(9))), 40, running=3, reports=9
    ),
    "hyperband/model": lambda: search(
        _tuner(MIXED, ModelHyperbandStrategy(27)), 25, batch=2, running=3, reports=27
    ),
    "hyperband/model/several": lambda: search(
        _tuner({"mixed": MIXED, "plain": PLAIN}, MultiAlgorithmHyperband(lambda: ModelHyperbandStrategy(9))),
        24,
        running=3,
        reports=9,
    ),
    "bayesian/plain": lambda: search(_tuner(PLAIN), 70),
    "bayesian/maximize": lambda: search(_tuner(PLAIN, goal="Maximize", seed=1), 20, sign=-1.0),
    "bayesian/mixed": lambda: search(_tuner(MIXED), 60),
    "bayesian/batches": lambda: search(_tuner(MIXED, seed=8), 56, batch=4, running=3),
    "bayesian/failures": lambda: search(_tuner(MIXED, seed=9), 40, running=1, fails=_bad),
    "bayesian/auto": lambda: search(_tuner(AUTO), 60),
    "bayesian/exhausted": lambda: search(_tuner(FINITE), 30, batch=2, running=1),
    "bayesian/added": lambda: search(_with_observations(_tuner(PLAIN), 30, None, 0.3), 8),
    "bayesian/transfer": lambda: search(_with_observations(_tuner(AUTO), 40, "last year", 0.35), 24),
    "bayesian/median": lambda: search(
        _tuner(PLAIN, stopping_rule=MedianRule.for_jobs(20)), 20, running=2, reports=6
    ),
    "bayesian/several": lambda: search(_tuner(SEVERAL), 50, batch=2, running=1),
    "bayesian/options": lambda: search(
        _tuner(PLAIN, BayesianStrategy(acquisition="UCB", warping=False, first=4, samples=2, threads=2)), 14
    ),
    "bayesian/subset": lambda: search(_with_observations(_tuner(PLAIN), 1003, None, 0.3), 2),
}


def encoded(proposals: Sequence[Any]) -> str:
    """Proposals as JSON, every float as its shortest exact decimal."""
    return json.dumps(proposals, sort_keys=True, separators=(",", ":"))


def digest(proposals: Sequence[Any]) -> str:
    """A hash in which every bit of the proposals counts."""
    return hashlib.sha256(encoded(proposals).encode()).hexdigest()[:32]


def platform_key() -> str:
    """What the last bits depend on: BLAS kernels, vector instructions, C library, compiler, versions."""
    core = _core_file()
    blas = next(
        (
            f"{entry['internal_api']} {entry['version']} {entry.get('architecture')}"
            for entry in threadpoolctl.threadpool_info()
            if entry["user_api"] == "blas" and "scipy" in Path(entry["filepath"]).parent.name
        ),
        "unknown BLAS",
    )
    vectors = np.show_config(mode="dicts").get("SIMD Extensions", {}).get("found", [])
    compilers = re.findall(rb"GCC: \([^)]*\) [\d.]+|clang version [\d.]+", core.read_bytes())
    parts = [
        platform.machine(),
        blas,
        f"scipy {scipy.__version__}",
        f"numpy {np.__version__} {vectors[-1] if vectors else 'baseline'}",
        " ".join(platform.libc_ver()),
        " ".join(sorted({each.decode() for each in compilers})) or "unknown compiler",
    ]
    return ", ".join(parts)


def _core_file() -> Path:
    """The compiled core, with SciPy's BLAS loaded beside it."""
    import hpt._blas
    import hpt._core

    return Path(hpt._core.__file__)


def rounded(proposals: Sequence[Any]) -> list[Any]:
    """The first proposals, their floats to `DIGITS` digits."""
    return [
        [
            number,
            definition,
            {
                name: float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
                for name, value in config.items()
            },
            reports,
        ]
        for number, definition, config, reports in proposals[:FIRST]
    ]


def differences(case: str, proposals: Sequence[Any], table: dict[str, Any]) -> Iterator[str]:
    """Where the first proposals are not those of the table, as far as numbers show."""
    tolerance = OF_MODELS if "bayesian" in case or "model" in case else OF_POINTS
    entry = table["searches"][case]
    if len(proposals) != entry["proposals"]:
        yield f"{case}: {len(proposals)} proposals where there were {entry['proposals']}"
    for found, known in zip(rounded(proposals), entry["first"], strict=False):
        same = found[:2] == known[:2] and found[3] == known[3] and found[2].keys() == known[2].keys()
        for name, value in known[2].items():
            if isinstance(value, float):
                same = same and abs(found[2][name] - value) <= tolerance * max(abs(value), 1e-3)
            else:
                same = same and found[2][name] == value
        if not same:
            yield f"{case}: {encoded(found)} where there was {encoded(known)}"
            return


def read_table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads(TABLE.read_text(encoding="utf-8"))
    return table


def write_table(*, add: bool) -> None:
    found = {case: run() for case, run in CASES.items()}
    hashes = {case: digest(proposals) for case, proposals in found.items()}
    if add:
        table = read_table()
        wrong = [line for case in CASES for line in differences(case, found[case], table)]
        if wrong:
            raise SystemExit("\n".join(["these searches propose something else:", *wrong]))
        table["platforms"][platform_key()] = hashes
    else:
        table = {
            "platforms": {platform_key(): hashes},
            "searches": {
                case: {"proposals": len(proposals), "first": rounded(proposals)}
                for case, proposals in found.items()
            },
        }
    parts = [
        '{\n"platforms": ' + json.dumps(table["platforms"], indent=1) + ",",
        '"searches": {',
        ",\n".join(
            f"{json.dumps(case)}: "
            + json.dumps({"proposals": entry["proposals"]})[:-1]
            + ', "first": [\n'
            + ",\n".join(encoded(each) for each in entry["first"])
            + "]}"
            for case, entry in table["searches"].items()
        ),
        "}\n}\n",
    ]
    TABLE.write_text("\n".join(parts), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--add", action="store_true", help="keep the table and add this platform to it")
    write_table(add=parser.parse_args().add)
    print(f"{TABLE.name}: {len(CASES)} searches, {platform_key()}")


if __name__ == "__main__":
    main()
