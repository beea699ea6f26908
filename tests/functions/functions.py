"""Functions to tune, in a module that imports next to nothing: each trial imports it in its own process."""

from __future__ import annotations

import math
import random
import time


def quadratic(config, report):  # type: ignore[no-untyped-def]
    return -(config["x"] ** 2) - (config["kind"] == "bad")


def reports_then_returns(config, report):  # type: ignore[no-untyped-def]
    report(1.0)
    report(2.0)
    return 5.0


def only_reports(config, report):  # type: ignore[no-untyped-def]
    print("chatter", end="")  # an unfinished line of the function's own
    report(1.0)
    report(0.5)


def some_fail(config, report):  # type: ignore[no-untyped-def]
    if config["kind"] == "bad":
        raise RuntimeError("out of crackers")
    return 1.0


def not_a_number(config, report):  # type: ignore[no-untyped-def]
    return math.nan if config["kind"] == "bad" else 1.0


def fails(config, report):  # type: ignore[no-untyped-def]
    raise RuntimeError("out of cheese")


def returns_text(config, report):  # type: ignore[no-untyped-def]
    return "0.9"


def says_nothing(config: dict[str, object], report: object) -> None:
    pass


def slow(config, report):  # type: ignore[no-untyped-def]
    for epoch in range(1, 28):
        report(config["x"] + 1 / epoch)
        time.sleep(0.1)


def quick(config, report):  # type: ignore[no-untyped-def]
    return 0.5


def typed(config, report):  # type: ignore[no-untyped-def]
    return 1.0 if config["kind"] is None else float(sum(config["kind"]))


def noisy(config, report):  # type: ignore[no-untyped-def]
    return config["x"] + 0.2 * (config["kind"] == "bad") + random.gauss(0, 0.1)
