"""Whether the machine is about to be taken away, as its provider says it.

`HPT_NOTICE` in the machine's environment names what to look at: a file, which appears when the machine leaves
(or holds the word `rebalance`), or `imds` for the metadata service of EC2 (`imds=URL` for another address).
Anything may write such a file: a hook of the cluster, a script that watches the provider.
"""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

VARIABLE = "HPT_NOTICE"
REBALANCE = "rebalance"

_IMDS = "http://169.254.169.254"
_EVERY = 2.0  # seconds between looks at the metadata service
_FILE_EVERY = 0.2
_TIMEOUT = 1.0
_TOKEN_SECONDS = 21600


class Notice:
    """What is known so far.

    leaves: it is taken away within two minutes. rebalance: that is more likely than it was; most such
    machines stay. reason: in words.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        given = environment.get(VARIABLE, "")
        kind, _, address = given.partition("=")
        self._imds = (address or _IMDS).rstrip("/") if kind == "imds" else ""
        self._file = Path(given) if given and not self._imds else None
        self._token = ""
        self._next = 0.0
        self.leaves = self.rebalance = False
        self.reason = ""

    def told(self, reason: str) -> None:
        """Something else than the machine's provider says that it leaves."""
        self.leaves, self.reason = True, reason

    def look(self) -> None:
        """Look again, unless that was done just now or nothing more can come of it."""
        now = time.monotonic()
        if now < self._next or self.leaves or not (self._imds or self._file):
            return
        self._next = now + (_EVERY if self._imds else _FILE_EVERY)
        if self._file is not None:
            self._look_at_file(self._file)
        else:
            self._look_at_service()

    def _look_at_file(self, path: Path) -> None:
        try:
            said = path.read_text(encoding="utf-8", errors="replace")[:200].strip()
        except OSError:
            return
        self.rebalance = True
        if said != REBALANCE:
            self.leaves, self.reason = True, f"the machine is being taken away: {said or 'notice'}"

    def _look_at_service(self) -> None:
        if (said := self._get("spot/instance-action")) is not None:
            self.leaves = self.rebalance = True
            self.reason = f"the Spot instance is being taken away: {said[:200]}"
        elif self._get("events/recommendations/rebalance") is not None:
            self.rebalance = True

    def _get(self, path: str) -> str | None:
        """An entry of the metadata service; None where there is none, or no service."""
        try:
            if not self._token:
                headers = {"X-aws-ec2-metadata-token-ttl-seconds": str(_TOKEN_SECONDS)}
                self._token = self._ask("api/token", headers, "PUT")
            return self._ask(f"meta-data/{path}", {"X-aws-ec2-metadata-token": self._token})
        except urllib.error.HTTPError as error:
            if error.code == 401:
                self._token = ""
            return None
        except OSError:
            return None

    def _ask(self, path: str, headers: Mapping[str, str], method: str = "GET") -> str:
        request = urllib.request.Request(f"{self._imds}/latest/{path}", headers=dict(headers), method=method)
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
            return str(answer.read().decode("utf-8", "replace"))
