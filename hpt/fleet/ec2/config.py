"""What a fleet is: `FleetConfig`, as a file `fleet.toml` describes it."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, cast

from hpt.errors import InputError

_NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_BUCKET = re.compile(
    r"s3://([a-z0-9](?:[a-z0-9-]|\.(?!\.)){1,61}[a-z0-9])(?:/((?:[\w.=-]+/)*[\w.=-]*))?", re.ASCII
)
"""A `*` or `?` would widen the policies that name the place, and a quote end the strings of scripts."""
_REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d")
_TYPE = re.compile(r"[a-z][a-z0-9-]*\.[a-z0-9-]+")
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d)")
_IMAGE = re.compile(r"ami-[0-9a-f]{8,17}|ssm:/[A-Za-z0-9/_.-]+")
_SUBNET = re.compile(r"subnet-[0-9a-f]{8,17}")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LONGEST_NAME = 24  # names of roles have 64 characters, of which the region and the part take the rest
_MOST_BYTES = 1 << 20
_MOST_SETUP = 8192  # user data has 16 KiB

EXECUTORS = "ray", "local"
"""By which a head runs training jobs: on its nodes, or on itself."""

AL2023 = "ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
"""The image of Amazon Linux 2023 of the day that the fleet is made."""


@dataclass(frozen=True, slots=True)
class HeadConfig:
    """The machine that runs the tuner.

    instance_type: always on demand. executor: by which `hpt tune` runs training jobs there. idle_seconds:
    without a job for so long, it takes all machines down, itself the last.
    """

    instance_type: str = "t3.small"
    executor: str = "ray"
    idle_seconds: float = 3600.0


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """The machines that run training jobs.

    instance_types: how many training jobs each type takes at a time. on_demand: so many of the slots are not
    Spot. on_demand_after_seconds: without Spot capacity for so long, the rest is asked for on demand too;
    None: never. subnets: () for the default ones of every zone. image: as an ID, or as `ssm:` and the name
    of a parameter. setup: lines of a shell script that run as root before the node joins. python: the
    interpreter that `hpt` is installed for, by default of the version of this one. idle_seconds: a node
    without a training job for so long is terminated if it is not wanted. without_head_seconds: a node that
    does not hear of the head for so long shuts itself down.
    """

    instance_types: Mapping[str, int]
    on_demand: int = 0
    on_demand_after_seconds: float | None = None
    subnets: tuple[str, ...] = ()
    image: str = AL2023
    disk_gib: int = 50
    setup: str = ""
    python: str = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    idle_seconds: float = 300.0
    without_head_seconds: float = 900.0


@dataclass(frozen=True, slots=True)
class FleetConfig:
    """A fleet.

    bucket, prefix: where its files lie; the prefix ends with the fleet's name and `/`. slots: the most
    training jobs at a time. budget: US dollars at which nothing more is launched and all is stopped; None:
    no ceiling. expires_seconds: after so long the fleet may be taken down by anybody who cleans up. data:
    prefixes on S3 that training jobs may read besides. environment: the path of an archive that machines run
    from (`environment.py`), on the host where the fleet is made; None: they install packages.
    """

    name: str
    bucket: str
    prefix: str
    region: str
    slots: int
    nodes: NodeConfig
    head: HeadConfig = HeadConfig()
    budget: float | None = None
    expires_seconds: float | None = None
    data: tuple[str, ...] = ()
    environment: str | None = None

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"

    def to_json(self) -> str:
        """As the head reads it."""
        return json.dumps(asdict(self), indent=1, sort_keys=True)

    @staticmethod
    def from_json(text: str) -> FleetConfig:
        """What `to_json` wrote; members of a later version are ignored, others have defaults."""
        content = json.loads(text)
        nodes, head = _known(NodeConfig, content["nodes"]), _known(HeadConfig, content["head"])
        nodes["subnets"] = tuple(nodes.get("subnets", ()))
        top = _known(FleetConfig, content)
        top |= {"nodes": NodeConfig(**nodes), "head": HeadConfig(**head), "data": tuple(top.get("data", ()))}
        return FleetConfig(**top)


def _known(kind: type, content: Mapping[str, Any]) -> dict[str, Any]:
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in content.items() if name in names}


def check_name(name: str) -> str:
    """The name of a fleet, if it is one. Raises InputError."""
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        raise InputError(
            f"{name!r} is no name of a fleet; use at most {_LONGEST_NAME} lower-case letters, "
            "digits and single "
            "hyphens, the first a letter"
        )
    return name


def check_region(region: str) -> str:
    """The region, if it looks like one. Raises InputError."""
    if not _REGION.fullmatch(region):
        raise InputError(f"{region!r} is no AWS region; write one such as us-east-1")
    return region


def split_bucket(uri: str, name: str) -> tuple[str, str]:
    """The bucket and the fleet's own prefix in it, of `s3://BUCKET/PREFIX`. Raises InputError."""
    found = _BUCKET.fullmatch(uri)
    if found is None or {".", ".."} & set((found[2] or "").split("/")):
        raise InputError(
            f"{uri!r} is no place on S3; write s3://BUCKET or s3://BUCKET/PREFIX, BUCKET of lower-case "
            "letters, digits, hyphens and periods, PREFIX of letters, digits and -_.=/"
        )
    above = (found[2] or "").strip("/")
    return found[1], f"{above}/{name}/" if above else f"{name}/"


def load_fleet_file(path: Path, *, region: str | None = None) -> FleetConfig:
    """The fleet that a file describes.

    region: what holds if the file names none.

    Raises:
        InputError: the file cannot be read, or what it says cannot be; the message names the key.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        raise InputError(f"fleet file {path} does not exist; correct the path") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder; name the fleet file in it") from None
    except OSError as error:
        raise InputError(f"fleet file {path} cannot be read: {error.strerror}") from error
    if len(data) > _MOST_BYTES:
        raise InputError(f"{path} is larger than 1 MiB; write a fleet file in TOML")
    try:
        content = tomllib.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not valid UTF-8 ({error.reason}); save it as UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not valid TOML: {error}") from None
    try:
        return read_fleet(content, region=region, folder=path.parent)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def read_fleet(
    content: Mapping[str, Any], *, region: str | None = None, folder: Path | None = None
) -> FleetConfig:
    """The fleet that the content of a fleet file describes. Raises InputError, with the key.

    folder: from which its paths are relative ones; None: the working directory.
    """
    top = _Table("", content)
    name = top.take("name", _checked(str, check_name))
    bucket, prefix = top.take("bucket", _checked(str, lambda uri: split_bucket(uri, name)))
    found = top.take("region", _checked(str, check_region), region)
    if found is None:
        raise InputError("region is missing; write region = 'us-east-1', or set AWS_DEFAULT_REGION")
    config = FleetConfig(
        name=name,
        bucket=bucket,
        prefix=prefix,
        region=found,
        slots=top.take("slots", _integer(1, 100_000)),
        budget=top.take("budget", _dollars, None),
        expires_seconds=top.take("expires", _span, None),
        data=top.take("data", _places, ()),
        environment=top.take("environment", _checked(str, lambda path: _path(path, folder)), None),
        head=_head(top.table("head")),
        nodes=_nodes(top.table("nodes", required=True)),
    )
    top.end()
    if config.nodes.on_demand > config.slots:
        raise InputError(
            f"nodes.on_demand is {config.nodes.on_demand}, above slots, {config.slots}; lower it "
            "or raise slots"
        )
    return config


def _path(path: str, folder: Path | None) -> str:
    if path.startswith("s3://"):
        raise InputError(f"{path!r} is on S3; write the path of a file here, which is uploaded once")
    return str((folder or Path()) / Path(path).expanduser())


def _head(table: _Table) -> HeadConfig:
    usual = HeadConfig()
    head = HeadConfig(
        table.take("instance_type", _instance_type, usual.instance_type),
        table.take("executor", _executor, usual.executor),
        table.take("idle", _span, usual.idle_seconds),
    )
    table.end()
    return head


def _executor(value: Any) -> str:
    if value not in EXECUTORS:
        raise InputError(f"{value!r} does not run training jobs of fleets; use one of {', '.join(EXECUTORS)}")
    return str(value)


def _nodes(table: _Table) -> NodeConfig:
    usual = NodeConfig({})
    nodes = NodeConfig(
        instance_types=table.take("instance_types", _instance_types),
        on_demand=table.take("on_demand", _integer(0, 100_000), 0),
        on_demand_after_seconds=table.take("on_demand_after", _span, None),
        subnets=table.take("subnets", _strings(_SUBNET, "subnet-..."), ()),
        image=table.take("image", _image, usual.image),
        disk_gib=table.take("disk", _integer(8, 16384), usual.disk_gib),
        setup=table.take("setup", _setup, ""),
        python=table.take("python", _checked(str, _python), usual.python),
        idle_seconds=table.take("idle", _span, usual.idle_seconds),
        without_head_seconds=table.take("without_head", _span, usual.without_head_seconds),
    )
    table.end()
    return nodes


T = TypeVar("T")
_REQUIRED: Any = object()


class _Table:
    """A table of the file, from which each key is taken once; what is left is unknown."""

    def __init__(self, path: str, content: Mapping[str, Any]) -> None:
        self._path, self._left, self._known = path, dict(content), list[str]()

    def _key(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key

    def take(self, key: str, read: Callable[[Any], T], default: Any = _REQUIRED) -> T:
        self._known.append(key)
        if key not in self._left:
            if default is _REQUIRED:
                near = get_close_matches(key, self._left, n=1)
                hint = f"; is {near[0]!r} meant for it?" if near else "; add it"
                raise InputError(f"{self._key(key)} is missing{hint}")
            return cast(T, default)
        try:
            return read(self._left.pop(key))
        except InputError as error:
            raise InputError(f"{self._key(key)}: {error}") from None

    def table(self, key: str, *, required: bool = False) -> _Table:
        content = self.take(key, _checked(dict, dict), _REQUIRED if required else {})
        return _Table(self._key(key), content)

    def end(self) -> None:
        for key in self._left:
            near = get_close_matches(key, self._known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(self._known)}"
            raise InputError(f"{self._key(key)} is not known; {_elsewhere(key, self._path) or hint}")


def _elsewhere(key: str, path: str) -> str:
    """Where a key belongs that stands in another table; "" if it belongs nowhere. In TOML all that follows
    `[nodes]` is part of it, up to the next such line.
    """
    for table, keys in _KEYS.items():
        if key in keys and table != path:
            return f"write it below [{table}]" if table else "write it above the first line such as [nodes]"
    return ""


_KEYS = {
    "": ("name", "bucket", "region", "slots", "budget", "expires", "data"),
    "nodes": (
        *("instance_types", "on_demand", "on_demand_after", "subnets", "image", "disk", "setup", "python"),
        *("idle", "without_head"),
    ),
    "head": ("instance_type", "executor"),
}


_KINDS: dict[type, str] = {str: "a string", dict: "a table"}


def _checked(kind: type, check: Callable[[Any], T]) -> Callable[[Any], T]:
    def read(value: Any) -> T:
        if value == "":
            raise InputError("it is empty; write one")
        if not isinstance(value, kind):
            raise InputError(f"{value!r} is not {_KINDS[kind]}; write one")
        return check(value)

    return read


def _integer(low: int, high: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise InputError(f"{value!r} is no integer from {low} to {high}; write one")
        return value

    return read


def _dollars(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < 1e9:
        raise InputError(f"{value!r} is no amount of US dollars above 0; write one, such as 25.0")
    return float(value)


def _span(value: Any) -> float:
    found = _SPAN.fullmatch(value) if isinstance(value, str) else None
    if found is None or not 1 <= float(found[1]) * _SECONDS[found[2]] <= 366 * 86400:
        raise InputError(
            f"{value!r} is no time from 1s to 366d; write one such as '90s', '15m', '12h' or '2d'"
        )
    return float(found[1]) * _SECONDS[found[2]]


def _strings(pattern: re.Pattern[str], form: str) -> Callable[[Any], tuple[str, ...]]:
    def read(value: Any) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise InputError(f"{value!r} is no array; write ['{form}']")
        for each in value:
            if not isinstance(each, str) or not pattern.fullmatch(each):
                raise InputError(f"{each!r} does not have the form {form}; correct it")
        return tuple(dict.fromkeys(value))

    return read


def _places(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise InputError(f"{value!r} is no array; write ['s3://BUCKET/PREFIX']")
    check = _checked(str, lambda uri: split_bucket(uri, ""))
    for each in value:
        check(each)
    return tuple(dict.fromkeys(value))


def _instance_type(value: Any) -> str:
    if isinstance(value, str) and value.startswith("ml."):
        plain = value.removeprefix("ml.")
        raise InputError(f"{value!r} is a name of SageMaker's; write the EC2 type, {plain!r}")
    if not isinstance(value, str) or not _TYPE.fullmatch(value):
        raise InputError(f"{value!r} is no EC2 instance type; write one such as 'c5.xlarge'")
    return value


def _instance_types(value: Any) -> dict[str, int]:
    if isinstance(value, list) and value:
        value = {_instance_type(each): 1 for each in value}
    if not isinstance(value, dict) or not value:
        raise InputError(
            f"{value!r} names no instance types; write how many training jobs each takes at a time, such as "
            "{ 'c5.xlarge' = 2, 'm5.xlarge' = 2 }"
        )
    for name, slots in value.items():
        if not _TYPE.fullmatch(name) and (place := _elsewhere(name, "nodes.instance_types")):
            raise InputError(f"{name!r} stands among the instance types; {place}")
        if isinstance(slots, dict):  # TOML takes c5.xlarge for a key in a table
            raise InputError(
                f'{name}.{next(iter(slots), "")} has no quotes; write "{name}.{next(iter(slots), "")}"'
            )
        _instance_type(name)
        try:
            _integer(1, 999)(slots)  # as weights of a fleet
        except InputError as error:
            raise InputError(f"{name}: {error}") from None
    return dict(value)


def _image(value: Any) -> str:
    if not isinstance(value, str) or not _IMAGE.fullmatch(value):
        raise InputError(f"{value!r} is no image; write ami-... or ssm:/NAME/OF/A/PARAMETER")
    return value


def _setup(value: Any) -> str:
    if not isinstance(value, str):
        raise InputError("it is not a string; write the lines of a shell script in triple quotes")
    if len(value.encode()) > _MOST_SETUP:
        raise InputError(
            f"it has {len(value.encode())} bytes, above {_MOST_SETUP}; put the files on S3 and fetch them"
        )
    if "\0" in value:
        raise InputError("it has a zero byte; remove it")
    return value


def _python(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_./+-]+", value):
        raise InputError(f"{value!r} is no interpreter; write its name or path, such as 'python3.11'")
    return value
