"""The process between a tuner and a Ray cluster: `python -m hpt.fleet.ray_bridge DESCRIPTOR`.

Ray ends the process that it is in when the cluster's head is lost, so it is in this one and not in the
tuner's. It holds no state: whatever it is asked, the tuner can ask another one.

Messages are tuples. From the tuner: ("open", address, namespace), then ("call", number, node, agent, root,
method, arguments). To the tuner: ("open", facts) or ("refused", kind, message), ("nodes", rows) every second,
and for each call (number, "done", result), (number, "failed", error), (number, "away", why), which may or
may not have been carried out, or (number, "dead", why): that agent is no more.
"""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from multiprocessing.connection import Connection
from typing import Any

from hpt.errors import ExecutorError, HptError
from hpt.fleet.package import pack

LOOK_EVERY = 1.0
"""Seconds between looks at the nodes."""

CPU, GPU = "CPU", "GPU"

CANNOT_BEGIN = "it cannot begin: "
"""Before the error of an agent that ends while it is made; what follows is Python's line about it."""

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class Bridge:
    """Carries calls to agents, which it makes as detached actors where there are none."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._agents: dict[tuple[str, str], Any] = {}
        self._namespace = ""
        self._package: tuple[str, Any] | None = None  # digest and reference of the archive of this hpt

    def run(self) -> None:
        """Until the tuner closes its end, or Ray ends this process."""
        try:
            _, address, namespace = self._connection.recv()
            if not self._open(address, namespace):
                return
            while True:
                _, number, *call = self._connection.recv()
                self._call(number, *call)
        except (EOFError, OSError):
            pass

    def _send(self, message: tuple[Any, ...]) -> None:
        with self._lock:
            try:
                self._connection.send(message)
            except OSError:  # nobody is left to hear it
                os._exit(0)

    def _open(self, address: str, namespace: str) -> bool:
        import ray

        self._namespace = namespace
        try:
            ray.init(
                address=address, namespace=namespace, log_to_driver=False, logging_level="ERROR",
                configure_logging=False,
            )  # fmt: skip
        except Exception as error:
            self._send(("refused", type(error).__name__, _first_lines(error, 8)))
            return False
        version = ".".join(map(str, sys.version_info[:3]))
        self._send(("open", {"ray": ray.__version__, "python": version}))
        threading.Thread(target=self._watch, daemon=True).start()
        return True

    def _watch(self) -> None:
        import ray

        while True:
            drained = _drained()
            rows = [
                {
                    "id": node["NodeID"],
                    "alive": node["Alive"],
                    "address": node["NodeManagerAddress"],
                    "cpus": node["Resources"].get(CPU, 0.0),
                    "gpus": node["Resources"].get(GPU, 0.0),
                    "labels": dict(node.get("Labels") or {}),
                    "drained": node["NodeID"] in drained,
                    "why": node.get("DeathReasonMessage") or "",
                }
                for node in ray.nodes()
            ]
            self._send(("nodes", rows))
            time.sleep(LOOK_EVERY)

    def _call(
        self, number: int, node: str, agent: str, root: str, method: str, given: tuple[Any, ...]
    ) -> None:
        try:
            handle = self._agents.get((node, agent)) or self._agent(node, agent, root)
            future = handle.call.remote(method, given).future()
        except Exception as error:
            self._answer(number, (node, agent), error)
            return
        future.add_done_callback(lambda done: self._finish(number, (node, agent), done))

    def _agent(self, node: str, agent: str, root: str) -> Any:
        import ray

        from hpt.fleet import ray_seed

        ray.cloudpickle.register_pickle_by_value(ray_seed)  # no hpt may be there, or another one
        if self._package is None:
            package = pack()
            self._package = package.digest, ray.put(package.archive)
        digest, archive = self._package
        name = f"{agent}/{node}"
        made = (
            ray.remote(ray_seed.Seed)
            .options(
                name=f"{name}/{digest[:16]}",
                namespace=self._namespace,
                lifetime="detached",
                get_if_exists=True,
                num_cpus=0,
                max_restarts=0,
                max_concurrency=16,
                label_selector={"ray.io/node-id": node},
            )
            .remote(digest, [archive], root, name)
        )
        self._agents[node, agent] = made
        return made

    def _finish(self, number: int, key: tuple[str, str], done: Any) -> None:
        try:
            result = done.result()
        except Exception as error:
            self._answer(number, key, error)
        else:
            self._send((number, "done", result))

    def _answer(self, number: int, key: tuple[str, str], error: Exception) -> None:
        from ray import exceptions

        cause = getattr(error, "cause", None)
        if isinstance(error, exceptions.ActorUnavailableError):
            self._send((number, "away", _first_lines(error)))
        elif isinstance(error, exceptions.RayActorError):
            self._agents.pop(key, None)
            made = "creation task" not in str(error)  # Ray's words
            why = _first_lines(error) if made else CANNOT_BEGIN + _last_line(error)
            self._send((number, "dead", why))
        elif isinstance(cause, HptError):
            self._send((number, "failed", cause))
        elif isinstance(error, exceptions.RayTaskError):
            self._send((number, "failed", ExecutorError(_last_line(error))))
        else:
            self._send((number, "away", _first_lines(error)))


def _drained() -> set[str]:
    """The nodes that are being taken out of service, as by `ray drain-node`."""
    from ray._private.state import state

    look = getattr(state, "get_draining_nodes", None)  # not part of Ray's public interface
    return set() if look is None else set(look())


def _first_lines(error: Exception, count: int = 3) -> str:
    return " ".join(_lines(error)[:count])[:600] or type(error).__name__


def _last_line(error: Exception) -> str:
    lines = _lines(error)
    return (lines[-1] if lines else type(error).__name__)[:600]


def _lines(error: Exception) -> list[str]:
    return [line.strip() for line in _COLOURS.sub("", str(error)).splitlines() if line.strip()]


if __name__ == "__main__":
    Bridge(Connection(int(sys.argv[1]))).run()
    os._exit(0)  # Ray's own farewell may wait for a head that is gone
