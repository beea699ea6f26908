"""A botocore client whose requests are answered in this process instead of being sent.

botocore emits `before-send` with the finished HTTP request; a handler that returns a response
replaces the network. Everything else, from the validation of arguments to the parsing of times and errors, is
done by botocore.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hpt.service.errors import ServiceError

_ENDPOINT = "https://{}.hpt.invalid"  # a name that RFC 2606 reserves
_TARGET = "X-Amz-Target"


Call = Callable[[str, Mapping[str, Any]], dict[str, Any]]
"""Answers a request, given the name of the operation."""


def connect(name: str, call: Call, region: str, config: Any = None) -> Any:
    """A botocore client of a service that is answered by `call`. Neither credentials nor AWS settings are
    read.

    Parameters
    ----------
    name
        The service, as botocore names it.
    call
        Answers; raises ServiceError.
    region
        The region.
    config
        A `botocore.config.Config` whose settings are kept, but for the signing.

    Returns
    -------
    botocore.client.BaseClient
        The client.
    """
    import botocore.session
    from botocore import UNSIGNED
    from botocore.config import Config

    nowhere = {"config_file": os.devnull, "credentials_file": os.devnull, "profile": None}
    session = botocore.session.Session(
        session_vars={name: (None, None, value, None) for name, value in nowhere.items()}
    )
    # An error here is usually permanent: many attempts would only delay the answer.
    settings = Config(signature_version=UNSIGNED, retries={"total_max_attempts": 2, "mode": "standard"})
    client = session.create_client(
        name,
        region_name=region,
        endpoint_url=_ENDPOINT.format(name),
        config=settings if config is None else config.merge(settings),
    )

    def answer(request: Any, **_: Any) -> Any:
        return _answer(call, request)

    client.meta.events.register(f"before-send.{name}", answer)
    return client


class _Body:
    """The answer's bytes, as botocore reads them from a connection."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self._content


def _answer(call: Call, request: Any) -> Any:
    from botocore.awsrequest import AWSResponse
    from botocore.compat import HTTPHeaders

    target = request.headers[_TARGET]
    operation = (target.decode() if isinstance(target, bytes) else target).rpartition(".")[2]
    headers = {"Content-Type": "application/x-amz-json-1.1", "x-amzn-RequestId": str(uuid.uuid4())}
    try:
        status, content = 200, call(operation, json.loads(request.body or b"{}"))
    except ServiceError as error:
        status, content = error.status, {"__type": error.code, "message": str(error)}
    body = json.dumps(content).encode()
    return AWSResponse(request.url, status, HTTPHeaders.from_dict(headers), _Body(body))
