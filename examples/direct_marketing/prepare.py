"""Makes data/train.csv.gz, validation.csv.gz and test.csv.gz from UCI's bank-additional-full.csv:

    python prepare.py bank-additional-full.csv

The steps are those of SageMaker's direct-marketing example: two indicators are added (never contacted before;
not working), categories become one column each, what is not known before the call or belongs to the state of
the economy is dropped, rows are shuffled and split 70/20/10. Only the order of the shuffle is our own.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import random
from pathlib import Path

DROPPED = {"duration", "emp.var.rate", "cons.price.idx", "cons.conf.idx", "euribor3m", "nr.employed"}
NUMBERS = ("age", "campaign", "pdays", "previous")
NOT_WORKING = {"student", "retired", "unemployed"}
SPLIT = (("train", 0.7), ("validation", 0.9), ("test", 1.0))


def encode(rows: list[dict[str, str]]) -> list[list[str]]:
    """Rows of UCI's file as texts of numbers, the label first."""
    categories = [name for name in rows[0] if name not in DROPPED and name not in NUMBERS and name != "y"]
    columns = [(name, value) for name in categories for value in sorted({row[name] for row in rows})]
    return [
        [
            str(int(row["y"] == "yes")),
            *(row[name] for name in NUMBERS),
            str(int(row["pdays"] == "999")),
            str(int(row["job"] in NOT_WORKING)),
            *(str(int(row[name] == value)) for name, value in columns),
        ]
        for row in rows
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="Prepares UCI's bank marketing data for XGBoost.")
    parser.add_argument("source", type=Path, help="bank-additional-full.csv")
    parser.add_argument("--to", type=Path, default=Path(__file__).parent / "data", help="folder to write to")
    options = parser.parse_args()
    with options.source.open(newline="", encoding="utf-8") as file:
        rows = encode(list(csv.DictReader(file, delimiter=";")))
    random.Random(1729).shuffle(rows)
    options.to.mkdir(parents=True, exist_ok=True)
    start = 0
    for name, share in SPLIT:
        end = round(share * len(rows))
        text = "".join(",".join(row) + "\n" for row in rows[start:end])
        (options.to / f"{name}.csv.gz").write_bytes(gzip.compress(text.encode("ascii"), mtime=0))
        print(f"{options.to / name}.csv.gz: {end - start} rows, {len(rows[0]) - 1} features")
        start = end


if __name__ == "__main__":
    main()
