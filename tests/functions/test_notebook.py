"""A notebook that defines its function in a cell and tunes it."""

from __future__ import annotations

import os
from pathlib import Path

import nbclient
import nbformat
import pytest

CELLS = [
    "import hpt, os\nspace = hpt.SearchSpace([hpt.ContinuousParameter('x', 0, 1)])\nscale = 2.0",
    "def shifted(x):\n    return scale * x\n\n"
    "def train(config, report):\n    print('chatter')\n    report(0.0)\n    return shifted(config['x'])",
    "result = hpt.tune(train, space, max_jobs=3, seed=1)\n"
    "assert result.best_value == max(2 * t.config['x'] for t in result.trials)",
    "scale = 3.0\nagain = hpt.tune(train, space, max_jobs=3, seed=1, verbose=False)\n"
    "assert again.best_value == 1.5 * result.best_value",
    "hpt.tune(lambda config, report: config['x'], space, max_jobs=1, verbose=False).status",
]


def test_a_notebook_tunes_a_function_of_its_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The kernel is this interpreter, whichever kernels are installed for the user.
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "1")
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parents[2])]))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    client = nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    outputs = [cell.outputs for cell in notebook.cells]
    shown = "".join(output.text for output in outputs[2] if output.name == "stdout")
    lines = shown.rstrip("\n").split("\r")
    assert lines[1].startswith("0/3 trials") and lines[-1].startswith("3/3 trials  best objective")
    assert "chatter" not in shown
    assert outputs[0] == outputs[1] == outputs[3] == []
    assert outputs[4][0].data["text/plain"] == "'Completed'"
