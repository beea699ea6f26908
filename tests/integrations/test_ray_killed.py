"""An experiment of Ray Tune whose driver and all that it started are killed, and that is restored."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("ray.tune")

from hpt.integrations.ray import HptSearch
from tests.integrations.ray_driver import SPACE, loss

DRIVER = Path(__file__).with_name("ray_driver.py")
TRIALS = 9


def start(what, folder):
    log = (folder / f"{what}.log").open("w")
    root = str(Path(__file__).parents[2])
    return subprocess.Popen(
        [sys.executable, str(DRIVER), what, str(folder), str(TRIALS)],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        env={**os.environ, "PYTHONPATH": root},
        start_new_session=True,
    )


def suggestions():
    """What a search that nobody kills suggests."""
    search, made = HptSearch(SPACE, "loss", "min", seed=1), []
    for k in range(TRIALS):
        config = search.suggest(f"t{k}")
        made.append(config)
        result = {"loss": loss(config), "training_iteration": 1}
        search.on_trial_result(f"t{k}", result)
        search.on_trial_complete(f"t{k}", result)
    return made


def test_a_killed_experiment_goes_on_with_the_same_suggestions(tmp_path):
    configs = tmp_path / "configs"
    driver = start("start", tmp_path)
    try:
        deadline = time.monotonic() + 300
        while not configs.exists() or len(configs.read_text().splitlines()) < 5:
            assert driver.poll() is None and time.monotonic() < deadline, (tmp_path / "start.log").read_text()
            time.sleep(0.1)
    finally:
        os.killpg(driver.pid, signal.SIGKILL)
        driver.wait()
    assert not (tmp_path / "results").exists()
    driver = start("restore", tmp_path)
    try:
        assert driver.wait(timeout=300) == 0, (tmp_path / "restore.log").read_text()
    finally:
        if driver.poll() is None:
            os.killpg(driver.pid, signal.SIGKILL)
    asked = [json.loads(line) for line in configs.read_text().splitlines()]
    for config in asked:
        del config["log"]
    once = [
        config for k, config in enumerate(asked) if config not in asked[:k]
    ]  # what ran at the kill runs again
    assert once == suggestions()
    assert len(json.loads((tmp_path / "results").read_text())) == TRIALS
