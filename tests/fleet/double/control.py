"""Drives the double from a test: what has capacity, what is refused, what is interrupted."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[3]


class Control:
    """A double in a process of its own. endpoint: its URL."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fleet.double"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert self._process.stdout is not None
        self.endpoint = f"http://127.0.0.1:{self._process.stdout.readline().strip()}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def variables(self, tmp_path: Path) -> dict[str, str]:
        """What makes boto3 use it, and nothing else."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": str(tmp_path / "none"),
            "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def _post(self, what: str, **body: Any) -> Any:
        request = urllib.request.Request(
            f"{self.endpoint}/double/{what}", data=json.dumps(body).encode(), method="POST"
        )
        with urllib.request.urlopen(request) as reply:
            return json.load(reply)

    def reset(self) -> None:
        urllib.request.urlopen(
            urllib.request.Request(f"{self.endpoint}/moto-api/reset", method="POST")
        ).close()
        self._post("reset")

    def capacity(self, machines: int | None, *, type: str = "*", zone: str = "*", market: str = "*") -> None:
        """How many machines pools have left; None for any number. Later calls come before earlier ones."""
        self._post("capacity", machines=machines, pool=[type, zone, market])

    def price(self, dollars: float, *, type: str = "*", zone: str = "*", market: str = "*") -> None:
        self._post("price", dollars=dollars, pool=[type, zone, market])

    def refuse(self, action: str, code: str, *, times: int = -1, status: int = 400) -> None:
        """Answer an action (`CreateFleet`; `S3` for S3; `*`) with an error, so many times; -1: always."""
        self._post("refuse", action=action, code=code, times=times, status=status)

    def allow(self, action: str) -> None:
        """Take `refuse` back."""
        self._post("refuse", action=action, code="", times=0, status=400)

    def lose_reply(self, action: str) -> None:
        """Do what the next such call asks, and answer with an error of the server."""
        self._post("lose", action=action)

    def quota(self, code: str, value: float) -> None:
        self._post("quota", code=code, value=value)

    def interrupt(self, instance: str, *, notice: float = 120.0, kind: str = "terminate") -> None:
        """The machine learns of its end now, and ends after `notice` seconds. kind: `rebalance` for a
        recommendation, after which nothing ends."""
        self._post("interrupt", instance=instance, notice=notice, kind=kind)

    def end(self, instance: str, reason: str) -> None:
        """The machine ends now, for a reason such as `Client.InternalError: Client error on launch`."""
        self._post("end", instance=instance, reason=reason)

    def calls(self) -> list[dict[str, Any]]:
        """Every call so far: service, action and parameters."""
        return self._post("calls")  # type: ignore[no-any-return]
