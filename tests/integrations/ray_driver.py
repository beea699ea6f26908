"""What `test_ray_killed` kills: an experiment of Ray Tune, started or restored.

python ray_driver.py start|restore FOLDER TRIALS
"""

import json
import os
import sys
import time
from pathlib import Path

os.environ["TUNE_GLOBAL_CHECKPOINT_S"] = "0"
os.environ["RAY_AIR_NEW_OUTPUT"] = "0"

import ray
from ray import tune

from hpt.integrations.ray import HptSearch

SPACE = {"x": tune.uniform(-5, 5), "lr": tune.loguniform(1e-4, 1), "kind": tune.choice(["a", "b"])}


def loss(config):
    return (config["x"] - 1) ** 2 + abs(config["lr"] - 0.01) + (config["kind"] == "a")


def train(config):
    time.sleep(0.3)
    with Path(config["log"]).open("a") as file:
        file.write(json.dumps(config) + "\n")
    tune.report({"loss": loss(config)})


if __name__ == "__main__":
    what, folder, trials = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    ray.init(num_cpus=1, include_dashboard=False, object_store_memory=10**8, log_to_driver=False)
    if what == "start":
        tuner = tune.Tuner(
            train,
            param_space={**SPACE, "log": str(folder / "configs")},
            tune_config=tune.TuneConfig(
                metric="loss",
                mode="min",
                num_samples=trials,
                search_alg=HptSearch(seed=1),
                max_concurrent_trials=1,
            ),
            run_config=tune.RunConfig(name="killed", storage_path=str(folder), verbose=0),
        )
    else:
        tuner = tune.Tuner.restore(str(folder / "killed"), train)
    results = tuner.fit()
    (folder / "results").write_text(json.dumps([results[k].config for k in range(len(results))]))
