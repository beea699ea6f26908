"""What `hpt tune --check` and `hpt describe` say about snapshots of programs, and about what a program left
beside its copy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from hpt.executors import snapshot
from hpt.executors.copies import left_behind
from hpt.job.config import JobConfig, TrainingJobDefinition
from hpt.job.plural import quantity
from hpt.job.view import TrialView
from hpt.running.snapshots import bytes_of, messages, shown, source_of, stored

_LISTED = 8
_BRIEF = 3


def labelled(label: str, lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    """The lines, the first with its label."""
    for line in lines:
        yield label, line
        label = ""


def look(definition: TrainingJobDefinition, root: Path) -> dict[str, Any] | None:
    """The manifest of a snapshot of the definition's program if it were taken now; None if there is none.

    Raises:
        InputError: the program cannot be read.
    """
    source = source_of(definition, root)
    return None if source is None else snapshot.look(source)


def planned(
    definition: TrainingJobDefinition, root: Path, manifest: Mapping[str, Any] | None
) -> Iterator[str]:
    """What that snapshot would hold, a line each."""
    source = source_of(definition, root)
    if source is None or manifest is None:
        return
    files = [f"{shown(row[0])} {bytes_of(row[2])}" for row in manifest["files"]]
    yield f"copies {_totals(manifest)} of {manifest['source']}: {_some(files, _LISTED)}"
    yield from _exceptions(manifest, manifest["left_out"], manifest["left_out_count"], _LISTED)
    if manifest["alone"]:
        yield next(messages(source, manifest))


def planned_documents(config: JobConfig, root: Path) -> list[dict[str, Any]]:
    """The same of every definition as JSON data, with all files."""
    documents = []
    for definition in config.all_definitions:
        source = source_of(definition, root)
        if source is not None:
            manifest = snapshot.look(source)
            files = [{"path": row[0], "bytes": row[2], "sha256": row[4]} for row in manifest["files"]]
            documents.append({"definition": definition.name, **_facts(manifest), "files": files})
    return documents


def taken(config: JobConfig, directory: Path) -> Iterator[str]:
    """The snapshots that a stored job runs, a line each."""
    for definition, found in stored(config, directory):
        which = "" if definition.name is None else f"{definition.name}: "
        if found is None:
            yield f"{which}{str(definition.snapshot)[:12]}, which cannot be read"
            continue
        when = datetime.fromtimestamp(found.manifest["taken"]).strftime("%Y-%m-%d %H:%M:%S")
        yield (
            f"{which}{found.digest[:12]} of {found.manifest['source']}, taken {when}: "
            f"{_totals(found.manifest)}"
        )
        left_out = snapshot.not_ignored(found.manifest)
        yield from _exceptions(found.manifest, left_out, len(left_out), _BRIEF)


def taken_documents(config: JobConfig, directory: Path) -> list[dict[str, Any]]:
    """The same as JSON data."""
    return [
        {
            "Definition": definition.name,
            "Digest": definition.snapshot,
            **({} if found is None else _described(found)),
        }
        for definition, found in stored(config, directory)
    ]


def _described(found: snapshot.Snapshot) -> dict[str, Any]:
    facts = _facts(found.manifest)
    return {
        "Directory": str(found.directory / snapshot.FILES),
        "Source": facts["source"],
        "TakenTime": found.manifest["taken"],
        "Files": len(found.manifest["files"]),
        "Bytes": found.size,
        "Shared": [{key.capitalize(): value for key, value in each.items()} for each in facts["shared"]],
        "LeftOut": [{key.capitalize(): value for key, value in each.items()} for each in facts["left_out"]],
    }


def left(trial: TrialView, directory: Path, config: JobConfig) -> tuple[Path, list[tuple[str, int]]]:
    """Where a training job worked, and which files (path, bytes) its program made or changed there."""
    place = directory / "trials" / trial.name / "ml" / "code"
    manifests = {definition.name: found for definition, found in stored(config, directory)}
    found = manifests.get(trial.definition)
    return place, left_behind(str(place), None if found is None else found.manifest)


def left_line(files: Sequence[tuple[str, int]], place: Path) -> str:
    """`model.pkl (1.2 MB) in .../ml/code`."""
    return f"{_some([f'{shown(path)} ({bytes_of(size)})' for path, size in files], _BRIEF)} in {place}"


def _facts(manifest: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "source": manifest["source"],
        "digest": manifest["digest"],
        "shared": [
            {"path": path, "target": target, "bytes": size, "why": why}
            for path, target, size, why, _ in manifest["shared"]
        ],
        "left_out": [{"path": path, "why": why} for path, why in manifest["left_out"]],
    }


def _totals(manifest: Mapping[str, Any]) -> str:
    rows = manifest["files"]
    return f"{quantity(len(rows), 'file')}, {bytes_of(sum(row[2] for row in rows))}"


def _exceptions(
    manifest: Mapping[str, Any], left_out: Sequence[Sequence[str]], count: int, most: int
) -> Iterator[str]:
    """What is shared and what is left out, of which there are `count`."""
    written = set(snapshot.changed_shared(manifest))
    shared = [
        shown(path)
        + ("" if size is None else f" {bytes_of(size)}")
        + f" ({why}{', and has been written since' if path in written else ''})"
        for path, _, size, why, _ in manifest["shared"]
    ]
    if shared:
        yield f"shares, not copied: {_some(shared, most)}"
    if left_out:
        yield f"leaves out: {_some([f'{shown(path)} ({why})' for path, why in left_out], most, count)}"


def _some(strings: Sequence[str], most: int, count: int | None = None) -> str:
    rest = (len(strings) if count is None else count) - most
    return ", ".join(strings[:most]) + (f" and {rest} more" if rest > 0 else "")
