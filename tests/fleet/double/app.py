"""The WSGI application of the double.

What moto lacks, and this adds: refusals of calls and of capacity, allocation over pools by price and
capacity, idempotent client tokens, Spot prices and on-demand prices, quotas of the account,
interruptions with their metadata. What moto cannot do answers with a client error here, not with one of the
server, which boto3 would retry.
"""

from __future__ import annotations

import io
import json
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode
from xml.sax.saxutils import escape

from moto.server import DomainDispatcherApplication, create_backend_app

from tests.fleet.double import fleets, metadata

Environ = dict[str, Any]
Start = Callable[..., Any]

_SCOPE = re.compile(r"Credential=[^/]+/\d+/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request")


@dataclass
class Call:
    """A request to AWS."""

    service: str
    region: str
    action: str
    parameters: dict[str, Any]
    body: bytes
    environ: Environ


@dataclass
class State:
    """What the test ordered. pools are (type, zone, market) with `*` for any, the latest order first."""

    capacity: list[tuple[list[str], int | None]] = field(default_factory=list)
    prices: list[tuple[list[str], float]] = field(default_factory=list)
    refused: dict[str, dict[str, Any]] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    quotas: dict[str, float] = field(default_factory=dict)
    tokens: dict[tuple[str, str], tuple[str, bytes]] = field(default_factory=dict)
    notices: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[dict[str, Any]] = field(default_factory=list)


Answer = tuple[int, str, bytes]
"""Status, content type, body."""

EXTENSIONS: list[Callable[[Double, Call], Answer | None]] = []
"""What answers a call before the shim does; None passes it on."""


class Double:
    """moto with the shim before it."""

    def __init__(self) -> None:
        self.state, self._lock = State(), threading.RLock()
        self._moto = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ: Environ, start: Start) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path.startswith("/double/"):
            return self._respond(start, (200, "application/json", self._control(path[8:], environ)))
        if path.startswith("/imds/"):
            return self._respond(start, metadata.answer(self, environ))
        if path.startswith("/moto-api") or not (
            scope := _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
        ):
            return self._moto(environ, start)  # type: ignore[no-any-return]
        call = _call(environ, region=scope[1], service=scope[2])
        if call.action != "S3":
            self.state.calls.append(
                {"service": call.service, "action": call.action, "parameters": call.parameters}
            )
        answer = self._refusal(call)
        if answer is None:
            answer = next((found for each in EXTENSIONS if (found := each(self, call))), None)
        if answer is None:
            with self._lock:
                answer = fleets.answer(self, call)
        if answer is not None:
            return self._respond(start, self._maybe_lost(call, answer))
        return self._moto(environ, start)  # type: ignore[no-any-return]

    def _respond(self, start: Start, answer: Answer) -> list[bytes]:
        status, kind, body = answer
        start(
            f"{status} {'OK' if status < 300 else 'Error'}",
            [("Content-Type", kind), ("Content-Length", str(len(body)))],
        )
        return [body]

    def _refusal(self, call: Call) -> Answer | None:
        for name in (call.action, "*"):
            order = self.state.refused.get(name)
            if order is not None and order["times"] != 0:
                order["times"] -= 1
                return error(call, order["code"], "refused by the test", order["status"])
        return None

    def _maybe_lost(self, call: Call, answer: Answer) -> Answer:
        if call.action in self.state.lost:
            self.state.lost.remove(call.action)
            return error(call, "InternalError", "the reply was lost", 500)
        return answer

    def _control(self, what: str, environ: Environ) -> bytes:
        body = json.loads(_read(environ) or b"{}")
        reply: Any = None
        if what == "reset":
            self.state = State()
        elif what == "capacity":
            self.state.capacity.insert(0, (body["pool"], body["machines"]))
        elif what == "price":
            self.state.prices.insert(0, (body["pool"], body["dollars"]))
        elif what == "refuse":
            self.state.refused[body["action"]] = body
        elif what == "lose":
            self.state.lost.append(body["action"])
        elif what == "quota":
            self.state.quotas[body["code"]] = body["value"]
        elif what == "interrupt":
            self._interrupt(**body)
        elif what == "end":
            fleets.end(body["instance"], body["reason"])
        elif what == "calls":
            reply = self.state.calls
        return json.dumps(reply).encode()

    def _interrupt(self, instance: str, notice: float, kind: str) -> None:
        self.state.notices[instance] = {"kind": kind, "noticed": time.time(), "at": time.time() + notice}
        if kind != "rebalance":
            timer = threading.Timer(notice, fleets.end, (instance,))
            timer.daemon = True
            timer.start()

    def ask_moto(self, call: Call, parameters: dict[str, str]) -> tuple[int, bytes]:
        """What moto itself answers to a call of the same service with other parameters."""
        body = urlencode(parameters).encode()
        environ = {
            **call.environ,
            "wsgi.input": io.BytesIO(body),
            "CONTENT_LENGTH": str(len(body)),
            "CONTENT_TYPE": "application/x-www-form-urlencoded; charset=utf-8",
        }
        status: list[int] = []

        def start(line: str, headers: Any, exc_info: Any = None) -> None:
            status.append(int(line.split()[0]))

        content = b"".join(self._moto(environ, start))
        return status[0], content


def _read(environ: Environ) -> bytes:
    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def _call(environ: Environ, region: str, service: str) -> Call:
    if service == "s3":
        return Call(service, region, "S3", {}, b"", environ)
    body = _read(environ)
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    if target:
        return Call(service, region, target.rpartition(".")[2], json.loads(body or b"{}"), body, environ)
    parameters = dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
    return Call(service, region, parameters.get("Action", ""), parameters, body, environ)


def error(call: Call, code: str, message: str, status: int = 400) -> Answer:
    """An error as the service writes it."""
    if "HTTP_X_AMZ_TARGET" in call.environ:
        body = json.dumps({"__type": code, "message": message}).encode()
        return status, "application/x-amz-json-1.1", body
    one = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    if call.service == "ec2":
        xml = f"<Response><Errors>{one}</Errors><RequestID>{uuid.uuid4()}</RequestID></Response>"
    elif call.service == "s3":
        xml = one
    else:
        xml = f"<ErrorResponse>{one}</ErrorResponse>"
    return status, "text/xml", f'<?xml version="1.0"?>{xml}'.encode()
