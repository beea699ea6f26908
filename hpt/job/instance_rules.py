"""Rules about the instances of a training job (behaviour 16.5)."""

from __future__ import annotations

from collections.abc import Iterator

from hpt.job.draft import Draft
from hpt.job.instances import MOST_INSTANCES
from hpt.job.naming import Naming, Place
from hpt.job.search_rules import Broken


def number(draft: Draft, naming: Naming) -> Iterator[Broken]:
    """Each instance is a process here: a number that only a fleet of machines could run is a mistake."""
    for number, definition in enumerate(draft.definitions):
        count = definition.instance_count
        if count < 1 and not definition.instance_groups:
            yield Broken(
                Place("instance_count", number), f"{count} is no number of instances; give at least 1"
            )
        elif count > MOST_INSTANCES:
            what = f"the {count} instances of all groups are" if definition.instance_groups else f"{count} is"
            yield Broken(
                Place("instance_count", number),
                f"{what} above {MOST_INSTANCES}: each is a process on this machine, and they share its "
                "cores; use fewer",
            )


def groups(draft: Draft, naming: Naming) -> Iterator[Broken]:
    for number, definition in enumerate(draft.definitions):
        seen: set[str] = set()
        for i, group in enumerate(definition.instance_groups):
            place = Place("instance_group_name", number, i, group.name)
            if not group.name:
                yield Broken(place, "is missing; give each group a name")
            elif group.name in seen:
                yield Broken(place, f"{group.name!r} names two groups; rename one")
            elif group.count < 1:
                yield Broken(
                    place._replace(field="instance_group"),
                    f"{group.count} is no number of instances; give at least 1, or leave the group out",
                )
            seen.add(group.name)


def channels_of_groups(draft: Draft, naming: Naming) -> Iterator[Broken]:
    """A channel for a group that is not there would reach nobody, in silence."""
    for number, definition in enumerate(draft.definitions):
        known = [group.name for group in definition.instance_groups]
        has = f"the groups are {', '.join(map(repr, known))}" if known else "the training job has no groups"
        for i, channel in enumerate(definition.channels):
            for name in channel.instance_group_names:
                if name not in known:
                    yield Broken(
                        Place("instance_group_names", number, i, channel.name),
                        f"{name!r} is no group of instances: {has}; correct it, or leave it out",
                    )
