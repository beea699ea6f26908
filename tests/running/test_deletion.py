"""`Session.delete`: what it refuses, and what is left to the jobs that began with a deleted one."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

import hpt
from hpt.errors import InputError, JobNotFoundError, JobOwnedError
from hpt.executors.record import LOCK
from hpt.job.warm_start import WarmStart, WarmStartType
from hpt.running.session import Session
from tests.running.simulated import SPACE  # noqa: F401
