"""What a tuning job takes of the parameters that a search may have."""

from __future__ import annotations

import math

import numpy as np
import pytest

import hpt
from hpt.errors import InputError
from hpt.job import tuning_job


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        (hpt.IntegerParameter("x", 3, 3), "min and max are both 3.*make a constant static"),
        (hpt.ContinuousParameter("x", 3, 3), r"min and max are both 3\.0"),
        (hpt.IntegerParameter("x", 0, 10, step=5), "ranges have no step"),
        (hpt.ContinuousParameter("x", 0, 1, step=0.1), "ranges have no step"),
        (hpt.OrdinalParameter("x", [1, 2]), "OrdinalParameter 'x': .*use a CategoricalParameter"),
        (hpt.Constant("x", 1), "Constant 'x': .*make it a static hyperparameter"),
        *[
            (hpt.CategoricalParameter("x", values), message)
            for values, message in [
                ([1, True, "true"], "the values True and 'true' are equal or print alike"),
                ([1, "1"], "the values 1 and '1' are equal or print alike"),
                ([None, "null"], "the values None and 'null' are equal or print alike"),
                ([1 + 2j], r"the value \(1\+2j\) is not a string, number, boolean, None or tuple of these"),
                ([b"adam"], "the value b'adam' is not a string"),
                ([{"a"}], "the value {'a'} is not a string"),
                ([np.array([1, 2])], r"the value array\(\[1, 2\]\) is not a string"),
                ([np.datetime64("2026")], "is not a string, number"),
                ([object], "is not a string, number"),
                ([(1, (math.nan,))], "is not a string, number"),
            ]
        ],
    ],
    ids=repr,
)
def test_what_a_job_does_not_take(parameter, message):
    with pytest.raises(InputError, match=message):
        tuning_job("job", program="./train.sh", space=[parameter], metric="loss", max_jobs=1)
    with pytest.raises(InputError, match=message):
        hpt.tune(len, hpt.SearchSpace([parameter]), max_jobs=1)
