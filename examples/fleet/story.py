"""Makes a fleet, runs a job on it and takes it down, all on this machine: AWS is a double.

    python examples/fleet/story.py

The commands are those that one would type; they talk to moto's server behind a shim (`tests/fleet/double`),
which plays EC2, S3, IAM, prices and quotas. The head's unit is a process of this machine. AWS is not reached.
It takes about two minutes, and needs what the tests need (`pip install -e '.[test]'`). Ctrl-C ends it and
all that it started.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from tests.fleet.double.control import Control  # noqa: E402

HPT = (sys.executable, "-m", "hpt.cli.main")


def hpt(*words: str) -> None:
    print(f"\n$ hpt {' '.join(words)}", flush=True)
    if code := subprocess.run([*HPT, *words], check=False).returncode:
        raise SystemExit(f"the story ends here: this command failed with exit code {code}")


def answer(*words: str) -> dict[str, object]:
    done = subprocess.run([*HPT, *words, "--json"], check=True, stdout=subprocess.PIPE)
    found: dict[str, object] = json.loads(done.stdout)
    return found


def play_head(control: Control, place: Path) -> subprocess.Popen[bytes]:
    """The unit that the script of the head's launch template would start."""
    head = answer("fleet", "status", "search")["Head"]
    assert isinstance(head, dict)
    address = f"{control.endpoint}/imds/{head['InstanceId']}"
    with (place / "head.log").open("wb") as log:
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "hpt.fleet.ec2.head", "s3://bucket/tuning/search/"),
                *("--work", str(place / "head"), "--keep-seconds", "2"),
            ],
            env={**os.environ, "AWS_EC2_METADATA_SERVICE_ENDPOINT": address},
            stdout=log,
            stderr=log,
        )


def main() -> None:
    missing = [name for name in ("boto3", "flask_cors", "moto", "sklearn") if find_spec(name) is None]
    if missing:
        raise SystemExit(
            f"{', '.join(missing)}: not installed; run: {sys.executable} -m pip install -e '.[test]'"
        )
    with tempfile.TemporaryDirectory(prefix="hpt-") as folder, Control() as control:
        place = Path(folder)
        os.environ |= {**control.variables(place), "HPT_HOME": str(place / "laptop")}
        import boto3

        boto3.client("s3").create_bucket(Bucket="bucket")
        hpt("fleet", "up", str(HERE / "fleet.toml"))
        head = play_head(control, place)
        try:
            tell(head, place)
        finally:
            head.terminate()
            head.wait()


def tell(head: subprocess.Popen[bytes], place: Path) -> None:
    """The rest of the story, once there is a head."""
    hpt("tune", str(HERE.parent / "mlp" / "job.json"), "--name", "mlp", "--fleet", "search")
    time.sleep(20)
    hpt("fleet", "status", "search")
    while answer("fleet", "status", "search")["TuningJobs"] in ({}, {"mlp": "Unfinished"}):
        if head.poll() is not None:
            raise SystemExit(f"the head has ended; it said:\n{(place / 'head.log').read_text()[-2000:]}")
        time.sleep(2)
    hpt("describe", "mlp", "--fleet", "search")
    hpt("fleet", "down", "search")
    head.wait(60)
    print(f"\nwhat the head said:\n{(place / 'head.log').read_text()}")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that nothing stays behind then either
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("interrupted; the double of AWS is gone, with all that was made in it")
