"""Trains a linear model on several machines at once: each has its part of the data, and gradients are summed
over sockets (an allreduce), so that all take the same steps.

It reads what SageMaker's framework containers set: SM_HOSTS, SM_CURRENT_HOST, MASTER_PORT, SM_MODEL_DIR. Run
by hand, without these, it is one machine.
"""

import argparse
import json
import os
import socket
import struct
import time
from pathlib import Path

import numpy as np

PATIENCE = 60.0  # seconds for the other machines to appear


class Ring:
    """The machines in a circle: each sends to the next and receives from the one before it."""

    def __init__(self, hosts: list[str], own: str, port: int) -> None:
        self.size, self.rank = len(hosts), hosts.index(own)
        if self.size == 1:
            return
        with socket.create_server((own, port)) as server:  # the machine's own name, not all addresses
            self.next = self._connect(hosts[(self.rank + 1) % self.size], port)
            server.settimeout(PATIENCE)
            self.before, _ = server.accept()
        for each in (self.next, self.before):
            each.settimeout(PATIENCE)
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @staticmethod
    def _connect(host: str, port: int) -> socket.socket:
        """Names resolve, and servers listen, possibly some seconds after the start."""
        give_up = time.monotonic() + PATIENCE
        while True:
            try:
                return socket.create_connection((host, port), timeout=PATIENCE)
            except OSError:
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.05)

    def sum(self, values: np.ndarray) -> np.ndarray:
        """The sum over all machines, the same bits on each: first partial sums go round, then the whole."""
        if self.size == 1:
            return values
        if self.rank > 0:
            values = self._receive() + values
        self._send(values)  # what the last machine sends is the whole
        if self.rank < self.size - 1:
            values = self._receive()
            if self.rank < self.size - 2:
                self._send(values)
        return values

    def _send(self, values: np.ndarray) -> None:
        data = values.astype("<f8").tobytes()
        self.next.sendall(struct.pack("<q", len(data)) + data)

    def _receive(self) -> np.ndarray:
        (size,) = struct.unpack("<q", self._exactly(8))
        return np.frombuffer(self._exactly(size), "<f8")

    def _exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            part = self.before.recv(size - len(data))
            if not part:
                raise ConnectionError("the machine before this one is gone")
            data += part
        return bytes(data)


def make_data(rows: int, columns: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of features and labels 0 or 1, with a tenth of the labels turned round."""
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(rows, columns)) * np.geomspace(1, 0.1, columns)
    y = (x @ draw.normal(size=columns) > 0).astype(float)
    return x, np.where(draw.random(rows) < 0.1, 1 - y, y)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--learning_rate", type=float, default=0.5)
    parser.add_argument("--momentum", type=float, default=0.9)
    parser.add_argument("--l2", type=float, default=1e-4)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--rows", type=int, default=20_000)
    options, _ = parser.parse_known_args()

    hosts = json.loads(os.environ.get("SM_HOSTS", '["localhost"]'))
    own = os.environ.get("SM_CURRENT_HOST", hosts[0])
    ring = Ring(hosts, own, int(os.environ.get("MASTER_PORT", "29500")))
    print(f"{own} is {ring.rank + 1} of {ring.size}", flush=True)

    x, y = make_data(options.rows, 30, seed=1)
    split = options.rows * 4 // 5
    x_test, y_test = x[split:], y[split:]
    x, y = x[:split][ring.rank :: ring.size], y[:split][ring.rank :: ring.size]  # this machine's part

    weights, velocity = np.zeros(30), np.zeros(30)
    for epoch in range(1, options.epochs + 1):
        for _ in range(5):
            p = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
            gradient = ring.sum(x.T @ (p - y)) / split + options.l2 * weights
            velocity = options.momentum * velocity - options.learning_rate * gradient
            weights = weights + velocity
        part = slice(ring.rank, None, ring.size)
        right = np.array([np.sum((x_test[part] @ weights > 0) == y_test[part]), len(y_test[part])], float)
        right, rows = ring.sum(right)
        if ring.rank == 0:  # one machine prints the metric
            print(f"epoch {epoch} accuracy={right / rows:.5f}", flush=True)

    if ring.rank == 0:  # and one writes the model
        np.save(Path(os.environ.get("SM_MODEL_DIR", ".")) / "weights.npy", weights)
    print(f"{own} took {options.epochs * 5} steps with {len(x)} rows", flush=True)


if __name__ == "__main__":
    main()
