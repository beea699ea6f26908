"""What `--check` says about containers, and about the paths of one in a program that is none."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from hpt.errors import InputError
from hpt.executors import snapshot
from hpt.executors.own_paths import VARIABLE, names_opt_ml
from hpt.host import container_engine, namespace
from hpt.host.container_engine import OPTIONS_VARIABLE, EngineError
from hpt.job.config import TrainingJobDefinition
from hpt.job.isolation import TRAINING_BASE, elsewhere, finds_paths, runs_as_image
from hpt.running.snapshots import source_of

_WAYS_OUT = (
    "allow user namespaces on this host, run the program in an image, or have it read SAGEMAKER_BASE_DIR in "
    f"place of {TRAINING_BASE}"
)


def isolation(definition: TrainingJobDefinition, root: Path) -> Iterator[tuple[str, str]]:
    """Labels and lines: in which container the program runs, or what it finds at which path of a container.

    root: the state directory.
    """
    image, kind = definition.training_image, definition.program.kind
    as_image = runs_as_image(kind, image, definition.containers)
    if as_image is not False:
        engine = _engine()
        missing = as_image is None and (
            engine is None or container_engine.cannot_run(image, os.environ) is not None
        )
        where = "a container" if engine is None else f"a container of {engine}"
        yield "runs in", f"no container: this host does not run its image {image}" if missing else where
        if not missing:
            if definition.instance_count > 1 and (apart := container_engine.network_apart(os.environ)):
                yield (
                    "note",
                    f"its instances do not reach each other under {apart} of {OPTIONS_VARIABLE}: leave that "
                    "out, or name a network that connects them",
                )
            return
    if not finds_paths(kind):
        return
    if (choice := os.environ.get(VARIABLE, "")) not in ("", "auto", "always", "never"):
        yield "note", f"{VARIABLE} is {choice!r}, which is none of auto, always and never: auto applies"
    at = elsewhere(definition.checkpoint_local_path)
    if definition.checkpoint_uri is not None and at is not None:
        yield "finds", f"the checkpoints of its training job at {at}"
    if _names_it(definition, root):
        refusal = namespace.cannot_bind(TRAINING_BASE)
        if refusal is None:
            yield "finds", f"its training directory at {TRAINING_BASE}, which its files name"
        else:
            yield "note", f"its files name {TRAINING_BASE}, which it will not find: {refusal}; {_WAYS_OUT}"


def _engine() -> str | None:
    try:
        engine = container_engine.find(os.environ)
    except EngineError:
        return None
    return shlex.join([Path(engine[0]).name, *engine[1:]])


def _names_it(definition: TrainingJobDefinition, root: Path) -> bool:
    choice = os.environ.get(VARIABLE, "")
    if choice in ("always", "never"):
        return choice == "always"
    source = source_of(definition, root)
    try:
        if source is None or not Path(source.folder).is_dir():
            return names_opt_ml([definition.training_image])
        rows = snapshot.look(source)["files"]
    except (InputError, OSError):
        return False
    return names_opt_ml(str(Path(source.folder, row[0])) for row in rows)
