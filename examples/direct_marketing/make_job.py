"""Prints the direct-marketing job with its data taken from another folder:

    python make_job.py --data DIR > my-job.json

DIR holds train.csv.gz and validation.csv.gz (or .csv), label first, no header.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Prints the direct-marketing job for data in another folder."
    )
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with train.csv[.gz] and validation.csv[.gz]"
    )
    folder = parser.parse_args().data.resolve()
    job = json.loads((Path(__file__).parent / "job.json").read_text(encoding="utf-8"))
    for channel in job["TrainingJobDefinition"]["InputDataConfig"]:
        names = [channel["ChannelName"] + ending for ending in (".csv.gz", ".csv")]
        found = [folder / name for name in names if (folder / name).is_file()]
        if not found:
            sys.exit(f"{folder} has neither {' nor '.join(names)}; README.md says where to get the data")
        channel["DataSource"]["S3DataSource"]["S3Uri"] = str(found[0])
    print(json.dumps(job, indent=2))


if __name__ == "__main__":
    main()
