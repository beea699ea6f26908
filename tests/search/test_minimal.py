"""What importing and using the library loads: nothing before it is needed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("scipy", "numba", "boto3", "botocore", "psutil", "yaml", "rich", "sqlite3", "hpt._core", "hpt._blas")

SPACE = """
space = hpt.SearchSpace([hpt.ContinuousParameter("x", 1, 2, "Logarithmic"), hpt.IntegerParameter("n", 1, 9)])
"""
ASK_AND_TELL = (
    SPACE
    + """
tuner = hpt.Tuner(space, objective="minimize", strategy="Random", seed=1)
tuner.add({"x": 1.5, "n": 3}, 1.0)
for trial in tuner.ask(8):
    tuner.report(trial.number, 0.5, 1)
    tuner.tell(trial.number, 0.25)
assert tuner.best_value == 0.25
"""
)


def loaded_after(code: str) -> set[str]:
    """The modules of a fresh interpreter that ran `code` after `import hpt`."""
    script = f"import sys\nsys.path.insert(0, {str(ROOT)!r})\nimport hpt\n{code}\n"
    script += "import json\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "code",
    ["", "dir(hpt)", "hpt.Tuner, hpt.SearchSpace, hpt.tune, hpt.Trial, hpt.InputError", SPACE, ASK_AND_TELL],
    ids=["import", "dir", "names", "space", "ask and tell"],
)
def test_nothing_heavy_is_loaded(code):
    loaded = loaded_after(code)
    assert "hpt" in loaded
    assert loaded & set(HEAVY) == set()


def test_import_alone_loads_no_module_of_the_package():
    assert {name for name in loaded_after("") if name.startswith("hpt.")} == set()


def test_the_check_can_see_what_is_loaded():
    assert "scipy" in loaded_after("import scipy")


def test_the_core_is_loaded_when_it_is_used():
    loaded = loaded_after(SPACE + 'hpt.Tuner(space, strategy="Bayesian").ask()')
    assert "hpt._core" in loaded
    assert loaded & {"numba", "boto3", "botocore"} == set()
