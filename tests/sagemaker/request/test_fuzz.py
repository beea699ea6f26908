"""Ten thousand damaged job files: each is read, or refused with a message that people can read."""

from __future__ import annotations

import copy
import json
import random
import re
import resource
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from hpt.errors import InputError
from hpt.sagemaker.request.job_file import load_job_file
from hpt.sagemaker.request.parse import read_request
from tests.sagemaker.request.test_job_file import JSON, TOML

REQUEST: dict[str, Any] = json.loads(JSON)
OUR_WORDS = re.compile(
    r"SourceText|Draft[A-Z]|NoneType|FieldError|MISSING|Facts|_Word|<class|object at 0x|Traceback|\bdict\b"
)
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, 1e308, 2**31, 2**63, 10**400, float(10**300)),
    *("", "x", "\x00", "\x1b[2J", "x" * 3000, "{ROLE_ARN}", "NaN", "1e999", "-1", "s3://", "é", "../x", "."),
    *(
        [],
        {},
        [[]],
        [None],
        [1, 2],
        {"x": 1},
        {"ROLE_ARN": None},
        {"": {}},
        [{}] * 50,
        {str(i): i for i in range(300)},
    ),
)
SPLICES = (
    *(
        "[" * 2000,
        "{" * 2000,
        '{"a":' * 500,
        "- " * 500,
        "a." * 500,
        "a: &a [*a]",
        "*a",
        "&a",
        "!!int",
        "!x ",
    ),
    *(
        "NaN",
        "1" * 5000,
        "0x" + "f" * 5000,
        "1e99999",
        '"',
        "'",
        "\\",
        "\\ud800",
        "\n",
        "\t",
        "\r",
        "\x00",
        "\x1b",
    ),
    *(
        "---\n",
        "null",
        "~",
        "<<: ",
        "[[x]]\n",
        "=",
        "1979-05-27",
        "\ufeff",
        "\u2028",
        ": ",
        ", ",
        "# ",
        "''' ",
    ),
)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all parts of JSON data."""
    paths = [path] if path else []
    entries = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, inner in entries:
        paths += leaves(inner, (*path, key))
    return paths


PATHS = leaves(REQUEST)


def damaged_request(random_: random.Random) -> dict[str, Any]:
    request = copy.deepcopy(REQUEST)
    for _ in range(random_.randint(1, 3)):
        *above, last = random_.choice(PATHS)
        part: Any = request
        try:
            for key in above:
                part = part[key]
            match random_.randrange(4):
                case 0:
                    del part[last]
                case 1 if isinstance(part, dict):
                    part[str(last) + random_.choice(["", "s", "\x1b", "x" * 2000])] = part.pop(last)
                case _:
                    part[last] = random_.choice(ODD)
        except (KeyError, IndexError, TypeError):
            pass
    return request


def damaged_text(random_: random.Random, text: str) -> str:
    for _ in range(random_.randint(1, 3)):
        at = random_.randrange(len(text) + 1)
        text = text[:at] + random_.choice(SPLICES) + text[at + random_.choice([0, 0, 1, 5, 50]) :]
    return text


def try_file(file: Path) -> str:
    """What a job file comes to."""
    try:
        request, base = load_job_file(file)
    except InputError as error:
        message = str(error).replace(str(file), "")
        assert len(message) < 1500 and OUR_WORDS.search(message) is None, message
        return "unreadable"
    try:
        read_request(request, base_dir=base, check_paths=False)
    except InputError as error:
        message = str(error)
        assert len(message) < 50_000 and message.count("\n") <= 21, message
        found = OUR_WORDS.search(message)
        assert found is None, message
        return "refused"
    return "read"


@pytest.mark.slow
@pytest.mark.parametrize(("suffix", "count"), [("json", 4000), ("yaml", 3000), ("toml", 3000)])
def test_job_files(tmp_path: Path, suffix: str, count: int) -> None:
    random_ = random.Random(suffix)
    text = {"json": JSON, "yaml": yaml.safe_dump(REQUEST), "toml": TOML}[suffix]
    file = tmp_path / f"job.{suffix}"
    outcomes = {"unreadable": 0, "refused": 0, "read": 0}
    began, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    slowest = 0.0
    for turn in range(count):
        if suffix != "toml" and turn % 2:
            file.write_text(json.dumps(damaged_request(random_)), encoding="utf-8", errors="replace")
        else:
            file.write_text(damaged_text(random_, text), encoding="utf-8", errors="replace")
        start = time.process_time()
        outcomes[try_file(file)] += 1
        slowest = max(slowest, time.process_time() - start)
    assert min(outcomes.values()) > 20, outcomes
    assert slowest < 2
    assert time.process_time() - began < 120
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500 * 1024
