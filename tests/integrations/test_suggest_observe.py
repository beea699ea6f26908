"""bayesmark's and HEBO's optimizers as these drive them: batches, infinite values, points of others."""

from __future__ import annotations

import math

import numpy as np
import pytest

pd = pytest.importorskip("pandas")

from hpt.integrations.bayesmark import HptBayesmark  # noqa: E402
from hpt.integrations.hebo import HptHebo  # noqa: E402

API = {
    "lr": {"type": "real", "space": "log", "range": (1e-5, 1.0)},
    "momentum": {"type": "real", "space": "logit", "range": (0.001, 0.999)},
    "shift": {"type": "real", "space": "bilog", "range": (-100.0, 1000.0)},
    "units": {"type": "int", "space": "linear", "range": (1, 50)},
    "wide": {"type": "int", "space": "bilog", "range": (-50, 500)},
    "power": {"type": "int", "space": "log", "values": (1, 2, 4, 8)},
    "kind": {"type": "cat", "values": ("relu", "tanh")},
    "bias": {"type": "bool"},
}

HEBO = [
    {"name": "x", "type": "num", "lb": -3, "ub": 3},
    {"name": "rate", "type": "pow", "lb": 1e-4, "ub": 1, "base": 10},
    {"name": "units", "type": "pow_int", "lb": 1, "ub": 256, "base": 2},
    {"name": "n", "type": "int", "lb": 1, "ub": 9},
    {"name": "layers", "type": "step_int", "lb": 4, "ub": 16, "step": 4},
    {"name": "width", "type": "int_exponent", "lb": 32, "ub": 1024, "base": 2},
    {"name": "kind", "type": "cat", "categories": ["a", "b", "c"]},
    {"name": "bias", "type": "bool"},
]


def check_of_bayesmark(point):
    """What its JointSpace asks of a suggestion."""
    assert set(point) == set(API)
    for name, each in API.items():
        if "range" in each:
            assert each["range"][0] <= point[name] <= each["range"][1]
            assert isinstance(point[name], int if each["type"] == "int" else float)
        elif "values" in each:
            assert point[name] in each["values"]
        else:
            assert isinstance(point[name], bool)


def bayesmark_loss(point):
    return (
        math.log10(point["lr"] / 1e-2) ** 2
        + (point["momentum"] - 0.9) ** 2 * 10
        + abs(point["shift"] - 10) / 100
        + abs(point["units"] - 30) / 50
        + abs(point["wide"]) / 500
        + point["power"] / 8
        + (point["kind"] != "tanh")
        + point["bias"]
    )


def run_study(optimizer, loss, calls, batch, check):
    """bayesmark's loop: a suggestion of so many points, all evaluated, all observed; a crash is infinite."""
    best, seen = math.inf, []
    for call in range(calls):
        points = optimizer.suggest(batch)
        assert len(points) == batch
        values = []
        for k, point in enumerate(points):
            check(point)
            values.append(math.inf if (call * batch + k) % 7 == 6 else loss(point))
        optimizer.observe(points, values)
        best, seen = min(best, *values), seen + points
    return best, seen


def test_a_study_of_bayesmark():
    np.random.seed(5)  # noqa: NPY002 - as bayesmark does
    best, seen = run_study(HptBayesmark(API), bayesmark_loss, 12, 4, check_of_bayesmark)
    np.random.seed(5)  # noqa: NPY002 - as bayesmark does
    again = run_study(HptBayesmark(API), bayesmark_loss, 12, 4, check_of_bayesmark)
    assert best < 1.0 and (best, seen) == again
    assert len({str(point) for point in seen}) == len(seen)
    assert HptBayesmark.get_version() != "x.x.x"


def test_points_that_were_not_suggested_and_an_exhausted_space():
    optimizer = HptBayesmark({"n": {"type": "int", "range": (1, 3)}}, seed=1)
    optimizer.observe([{"n": 2}, {"n": 9}], [0.5, np.nan])
    assert {point["n"] for point in optimizer.suggest(2)} <= {1, 2, 3}
    assert len(optimizer.suggest(5)) == 5


def hebo_loss(row):
    return (
        (row["x"] - 1) ** 2
        + math.log10(row["rate"] / 0.01) ** 2
        + math.log2(row["units"] / 32) ** 2 / 10
        + abs(row["n"] - 4) / 4
        + row["layers"] / 16
        + row["width"] / 1024
        + (row["kind"] != "b")
        + (not row["bias"])
    )


def test_a_run_of_hebo():
    optimizer = HptHebo(HEBO, scramble_seed=3)
    with pytest.raises(RuntimeError):
        _ = optimizer.best_y
    for k in range(12):
        rec = optimizer.suggest(n_suggestions=4)
        assert isinstance(rec, pd.DataFrame) and rec.shape == (4, 8)
        assert set(rec["layers"]) <= {4, 8, 12, 16} and set(rec["kind"]) <= {"a", "b", "c"}
        assert {int(math.log2(width)) for width in rec["width"]} <= set(range(5, 11))
        y = np.array([[hebo_loss(row)] for row in rec.to_dict("records")])
        y[0, 0] = np.nan if k % 3 == 2 else y[0, 0]
        optimizer.observe(rec, y)
    assert optimizer.best_y < 1.3
    assert hebo_loss(optimizer.best_x.iloc[0]) == optimizer.best_y


def test_inputs_that_hebo_fixes():
    optimizer = HptHebo(HEBO, scramble_seed=3, rand_sample=4)
    for _ in range(3):
        rec = optimizer.suggest(3, fix_input={"kind": "c", "width": 256})
        assert set(rec["kind"]) == {"c"} and set(rec["width"]) == {256}
        optimizer.observe(rec, rec["x"].to_numpy().reshape(-1, 1))
    with pytest.raises(ValueError, match="other"):
        optimizer.suggest(1, fix_input={"other": 1})


def test_the_real_design_space_of_hebo():
    space = pytest.importorskip("hebo.design_space.design_space").DesignSpace().parse(HEBO)
    optimizer = HptHebo(space, scramble_seed=1)
    rec = optimizer.suggest(4)
    numeric, choices = space.transform(rec)
    assert (
        (numeric >= space.opt_lb[: space.num_numeric]) & (numeric <= space.opt_ub[: space.num_numeric])
    ).all()
    assert choices.shape == (4, 1)


def test_the_real_joint_space_of_bayesmark(monkeypatch):
    monkeypatch.setattr(np, "float_", np.float64, raising=False)  # removed in NumPy 2
    monkeypatch.setattr(np, "unicode_", np.str_, raising=False)
    space = pytest.importorskip("bayesmark.space").JointSpace(API)
    optimizer = HptBayesmark(API, seed=1)
    for _ in range(4):
        points = optimizer.suggest(4)
        space.validate(points)
        optimizer.observe(points, [bayesmark_loss(point) for point in points])
