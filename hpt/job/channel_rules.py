"""Rules about the input channels of a training job: how they reach it, and what goes together."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hpt.job.draft import Draft, DraftChannel
from hpt.job.naming import Naming, Place
from hpt.job.search_rules import Broken

AUGMENTED = "AugmentedManifestFile"
DATA_TYPES = ("S3Prefix", "ManifestFile", AUGMENTED)
_WORDS = {
    "data_type": DATA_TYPES,
    "compression": ("None", "Gzip"),
    "input_mode": ("File", "FastFile", "Pipe"),
    "record_wrapper": ("None", "RecordIO"),
    "distribution": ("FullyReplicated", "ShardedByS3Key"),
}
_MOST_ATTRIBUTES = 16


def gzip(draft: Draft, naming: Naming) -> Iterator[Broken]:
    for number, definition in enumerate(draft.definitions):
        for i, channel in enumerate(definition.channels):
            if channel.compression == "Gzip" and channel.input_mode != "Pipe":
                yield Broken(
                    Place("compression", number, i, channel.name),
                    "'Gzip' is for Pipe mode only; use None, and let the program read gzip files as they are",
                )


def repeated(draft: Draft, naming: Naming) -> Iterator[Broken]:
    for number, definition in enumerate(draft.definitions):
        seen: set[str] = set()
        for i, channel in enumerate(definition.channels):
            if channel.name in seen:
                yield Broken(
                    Place("channel_name", number, i, channel.name),
                    f"{channel.name!r} names two channels; rename one",
                )
            seen.add(channel.name)


def forms(draft: Draft, naming: Naming) -> Iterator[Broken]:
    """What the service documents of input modes, manifests and wrappers."""
    for number, definition in enumerate(draft.definitions):
        pipes = {each.name for each in definition.channels if each.input_mode == "Pipe"}
        for i, channel in enumerate(definition.channels):
            found = _form(channel)
            if found is not None:
                field, message = found
                yield Broken(Place(field, number, i, channel.name), message)
            stream = re.sub(r"_\d+\Z", "", channel.name)
            if stream != channel.name and stream in pipes:
                yield Broken(
                    Place("channel_name", number, i, channel.name),
                    f"{channel.name!r} is also the name of a FIFO of channel {stream!r}, which is in Pipe "
                    "mode; rename one",
                )


def _form(channel: DraftChannel) -> tuple[str, str] | None:
    """The field that is wrong and why, None if none is."""
    for field, words in _WORDS.items():
        value = getattr(channel, field)
        if value not in words:
            return field, f"{value!r} is not one of {', '.join(words)}; use one of them"
    pipe = channel.input_mode == "Pipe"
    if channel.record_wrapper == "RecordIO" and not pipe:
        return "record_wrapper", (
            "'RecordIO' is for Pipe mode only; use None, or files that are in RecordIO form already"
        )
    if channel.input_mode == "FastFile" and channel.data_type != "S3Prefix":
        return "data_type", (
            f"{channel.data_type!r} is not for FastFile mode; use S3Prefix, or another input mode"
        )
    names = channel.attribute_names
    if channel.data_type == AUGMENTED:
        if not pipe:
            return "data_type", (
                f"{AUGMENTED!r} is for Pipe mode only; use input mode Pipe, or a ManifestFile"
            )
        if not 1 <= len(names) <= _MOST_ATTRIBUTES or not all(isinstance(name, str) for name in names):
            return "attribute_names", (
                f"{list(names)!r} is not 1 to {_MOST_ATTRIBUTES} names of attributes, which "
                f"{AUGMENTED} needs; name what the program is to receive"
            )
    elif names:
        return "attribute_names", f"{list(names)!r} is for {AUGMENTED} only; leave it out"
    return None
