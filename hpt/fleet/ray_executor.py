"""Runs training jobs on the nodes of a Ray cluster, with one agent a node (`agent.py`).

The tuner places each attempt on a node with room and records that before anything is started. What a node's
agent reports is asked for again until it came. A node that Ray calls dead, or that is silent for `lease`
seconds while the rest of the cluster answers, has lost its attempts; should it come back, they are ended
before it gets others. While the cluster itself does not answer nothing is known, and nothing is lost.
"""

from __future__ import annotations

import hashlib
import os
import time
import uuid
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from hpt.errors import BusyError, ExecutorError
from hpt.executors import record
from hpt.executors.base import AttemptKey, Exit, LogChunk, Submission, Update
from hpt.executors.contract import is_remote
from hpt.executors.order import Order
from hpt.fleet import charges, ray_options
from hpt.fleet.fetching import Fetching
from hpt.fleet.followed import Followed, check_name, reason_there
from hpt.fleet.kept_logs import KeptLogs, PrintedLogs
from hpt.fleet.link import Link
from hpt.fleet.lost_checkpoints import Left, LostCheckpoints
from hpt.fleet.nodes import Node, cannot_begin, choose, lacks, why_none
from hpt.fleet.parcels import Parcels
from hpt.fleet.placements import Placement, Placements
from hpt.fleet.ray_bridge import CANNOT_BEGIN
from hpt.fleet.sending import Sending, parcels_of
from hpt.fleet.setting import Setting
from hpt.fleet.wishes import unmet, wishes_of
from hpt.host.clock import SteadyClock
from hpt.host.private import make_directories

TAKEN_AWAY_OFTEN = 3
"""Interruptions of a training job after which it is to run where it is not taken away."""

_NAMESPACE = "hpt"
_LONG_POLL = 1.0
_GREETS_WITHIN = 60.0  # seconds for an agent to begin
_GOES_WITHIN = 2.0  # seconds for agents to hear that a tuner closes
_HEARD_WITHIN = 10.0  # seconds for which an answer of any agent says that there will be more
_JOINS_WITHIN = 15.0  # seconds that the nodes of a cluster which is just starting have
_AGAIN = 0.5  # seconds until a call that may not have arrived is made again
_SAY_EVERY = 60.0


class RayExecutor:
    """See the module, and `Setting` for what it is made for. Options: `address` of the head (`auto`: the
    cluster that runs on this host), `lease` in seconds.
    """

    def __init__(self, setting: Setting) -> None:
        """Connects to the cluster.

        Raises:
            MissingDependencyError: Ray is not installed. InputError: no such cluster, or an option is wrong.
            ExecutorError: the cluster does not answer.
        """
        options = setting.known("ray", *ray_options.OPTIONS)
        ray_options.check(options)
        self._lease = ray_options.lease(options)
        self._setting, self._root = setting, Path(setting.root).absolute()
        self._clock = setting.clock or SteadyClock.beginning_at(time.time())
        self._agent = "agent-" + hashlib.sha256(os.fsencode(self._root)).hexdigest()[:16]
        self._tuner = uuid.uuid4().hex
        self._placements = Placements(self._root)
        self._parcels = Parcels(self._root.parent)
        self._sending = Sending(self._root.parent, self._call)
        self._logs = KeptLogs(self._root, self._say)
        self._printed = PrintedLogs(self._logs, self._call)
        self._fetching = Fetching(self._root, self._call, self._fetched, self._say)
        self._lost = LostCheckpoints()
        self._nodes: dict[str, Node] = {}
        self._followed: dict[AttemptKey, Followed] = {}
        self._interrupted: dict[str, int] = {}  # how often, by the name of the training job
        self._updates: dict[AttemptKey, Update] = {}  # to be handed out
        self._last_heard = 0.0  # of any agent
        self._said: dict[str, float] = {}
        make_directories(self._root.parent)
        opening = ("open", options.get(ray_options.ADDRESS, ray_options.AUTO), _NAMESPACE)
        self._link = Link("hpt.fleet.ray_bridge", opening, self._root.parent / "ray.log")
        self._link.open()
        self._look_at_nodes()

    # -- the four methods -----------------------------------------------------------------------------------

    def submit(self, submission: Submission) -> None:
        """As `Executor.submit`. While no node has room, the attempt waits here."""
        if submission.key in self._followed:
            return
        check_name(submission)
        followed = Followed(submission, Order.of(submission), submission.log_offset)
        followed.parcels = parcels_of(self._parcels, submission)
        self._followed[submission.key] = followed
        try:
            self._advance(submission.key)
        except BaseException:
            del self._followed[submission.key]
            raise

    def poll(self) -> list[Update]:
        """As `Executor.poll`."""
        self._link.pump()
        self._look_at_nodes()
        self._give_up_silent_nodes()
        for key in list(self._followed):
            self._advance(key)
        for node in list(self._nodes.values()):
            self._ask(node)
        self._fetching.advance()
        updates, self._updates = self._updates, {}
        if (
            not updates
            and (self._followed or self._fetching)
            and time.monotonic() - self._last_heard > _HEARD_WITHIN
        ):
            self._link.check()  # agents may answer while the head of the cluster does not
        return list(updates.values())

    def stop(self, key: AttemptKey, *, now: bool = False) -> None:
        """As `Executor.stop`: asked for again until the node has heard it."""
        key = AttemptKey(*key)
        followed = self._followed.get(key)
        if followed is None:
            placement = self._placements.of(key)
            if placement is not None:
                self._link.check()
                self._call(placement.node, lambda how, result: None, "stop", tuple(key), now)
            return
        followed.stop = now or bool(followed.stop)
        followed.stop_sent = False
        self._advance(key)

    def close(self) -> None:
        """Let go of the cluster; running attempts go on. Agents that have nothing to do any more end."""
        left = {node.id for node in self._nodes.values() if node.greeted and node.alive}
        for node in list(left):
            self._call(node, lambda *_, node=node: left.discard(node), "goodbye", self._tuner)
        give_up = time.monotonic() + _GOES_WITHIN
        while left and self._link.answers and time.monotonic() < give_up:
            self._link.wait(0.1)
            self._link.pump()
        self._link.close()
        self._fetching.close()
        self._followed.clear()

    def wait(self, seconds: float) -> None:
        """Sleep until there is news, or so many seconds."""
        if not self._updates:
            self._link.wait(seconds)

    @property
    def nodes(self) -> list[Node]:
        """The nodes of the cluster as they are known here."""
        return list(self._nodes.values())

    # -- nodes ----------------------------------------------------------------------------------------------

    def _look_at_nodes(self) -> None:
        """Take over what is known of the nodes; give up what ran on dead ones."""
        if self._link.nodes is None:
            return
        rows = {row["id"]: row for row in self._link.nodes}
        for name, row in rows.items():
            if name not in self._nodes and row["alive"]:
                self._nodes[name] = Node(name)
            if name in self._nodes:
                self._nodes[name].take(row)
                self._drain(self._nodes[name], drained=row["drained"])
        for name, node in list(self._nodes.items()):
            if name not in rows and self._link.answers:
                node.alive = False
            if not node.alive:
                self._lose(node, f"node {node.address} is gone" + (f": {node.why}" if node.why else ""))
                del self._nodes[name]

    def _drain(self, node: Node, *, drained: bool) -> None:
        """Have what runs on a node that is taken out of service saved and ended, and give it nothing more."""
        if not drained or node.drained:
            return
        node.state = node.state or "leaves"
        if not node.greeted:
            return  # it is told as soon as it listens
        node.drained = True
        if node.used:
            self._say(f"node {node.address} is being drained: its training jobs go on elsewhere")

        def told(how: str, result: Any) -> None:
            node.drained = how == "done"  # or it is told again

        self._call(node.id, told, "leave", "the node is being drained")

    def _give_up_silent_nodes(self) -> None:
        """Fence nodes that do not answer, while the cluster does."""
        if not self._link.answers:
            return
        for node in self._nodes.values():
            lease = self._lease if node.greeted else max(self._lease, _GREETS_WITHIN)
            if node.used and node.silent_for() > lease:
                node.ended_there.update(key for key in node.used if self._followed[key].may_have_run)
                self._lose(node, f"node {node.address} has not answered for {lease:g} s")

    def _lose(self, node: Node, why: str) -> None:
        """What ran on a node is lost; on one that its provider may take away, it was preempted."""
        for key in list(node.used):
            if not self._withdraw(node, key):
                self._end(key, Exit("Preempted" if node.spot else "Lost", None, why, ended=self._clock()))
        node.used.clear()

    def _withdraw(self, node: Node, key: AttemptKey) -> bool:
        """Take an attempt from a node, if it is certain that nothing of it was started there."""
        followed = self._followed[key]
        if followed.may_have_run:
            return False
        self._placements.withdraw(key)
        followed.node = ""
        node.used.pop(key, None)
        return True

    def _ask(self, node: Node) -> None:
        """Have a node greet this tuner, or tell what is new."""
        if node.asking or time.monotonic() < node.again or not (node.used or node.ended_there):
            return
        node.begin_asking()
        if not node.greeted:
            self._call(node.id, lambda *came: self._greeted(node, *came), "hello", self._tuner, self._clock())
        else:
            given = (self._tuner, node.acknowledged, _LONG_POLL)
            self._call(node.id, lambda *came: self._news(node, *came), "news", *given)

    def _greeted(self, node: Node, how: str, result: Any) -> None:
        node.asking = False
        if how == "done":
            node.greeted, node.acknowledged = True, 0
            self._heard(node)
            if missing := lacks(node, result):
                self._say(missing)
        elif how == "away" or (how == "dead" and not str(result).startswith(CANNOT_BEGIN)):
            node.again = time.monotonic() + _AGAIN
        else:
            self._unusable(node, str(result))

    def _unusable(self, node: Node, why: str) -> None:
        """No agent can run there: its training jobs go elsewhere, and nothing of them was started."""
        node.refuse()
        why = cannot_begin(why.removeprefix(CANNOT_BEGIN))
        self._say(f"node {node.address} cannot be used: {why}")
        for key in list(node.used):
            if not self._withdraw(node, key):
                self._end(key, Exit("Lost", None, f"node {node.address}: {why}", ended=self._clock()))

    def _heard(self, node: Node) -> None:
        """It answers. What was given up there, and may run on, is ended before it gets anything else."""
        node.since, self._last_heard = None, time.monotonic()
        for key in node.ended_there - node.ending:
            node.ending.add(key)
            self._call(node.id, lambda how, _, key=key: node.end_came(key, how), "stop", tuple(key), True)

    def _news(self, node: Node, how: str, result: Any) -> None:
        node.asking = False
        if how == "done":
            number, updates, node.state = result
            self._heard(node)
            if number != node.acknowledged:
                node.acknowledged = number
                for update in updates:
                    self._take(node, update)
        elif how == "away":  # it may have been carried out: asked for again, while the lease goes on
            node.again = time.monotonic() + _AGAIN
        else:
            self._begin_again(node)

    def _begin_again(self, node: Node) -> None:
        """Its agent is another one: greet it, and have every attempt found again."""
        node.greeted, node.acknowledged, node.again = False, 0, time.monotonic() + _AGAIN
        for key in node.used:
            followed = self._followed[key]
            followed.sent = followed.started = followed.stop_sent = False

    def _call(self, node: str, answer: Any, method: str, *given: Any) -> None:
        self._link.call(answer, node, self._agent, self._agent, method, given)

    # -- attempts -------------------------------------------------------------------------------------------

    def _advance(self, key: AttemptKey) -> None:
        """Bring an attempt as far as it can be brought now: to a node, to its start, to its stop."""
        followed = self._followed.get(key)
        if followed is None:
            return
        if not followed.node:
            self._place(key, followed)
        if followed.refused and followed.stop is not None and followed.node in self._nodes:
            self._withdraw(self._nodes[followed.node], key)
        if not followed.node:
            if followed.stop is not None:
                reason = "stopped before the program started"
                self._end(key, Exit("Exited", None, reason, stopped=True, ended=self._clock()))
            return
        node = self._nodes.get(followed.node)
        if node is None or not node.greeted or time.monotonic() < followed.again:
            return
        if not followed.sent:
            self._send(node, key, followed)
        elif followed.started and followed.stop is not None and not followed.stop_sent:
            followed.stop_sent = True
            self._call(
                node.id, lambda *came: self._stopped(followed, *came), "stop", tuple(key), followed.stop
            )
        elif followed.started and followed.log != record.LOG:
            self._printed.look(node.id, key)

    def _place(self, key: AttemptKey, followed: Followed) -> None:
        definition = followed.submission.definition
        resources = definition.resources

        def chosen() -> Placement | None:
            followed.fresh = True
            if followed.stop is not None:
                return None
            before = self._placements.of(AttemptKey(key.name, key.attempt - 1))
            node = choose(
                self._nodes.values(),
                resources,
                wishes_of(self._setting.request, definition),
                before="" if before is None else before.node,
                avoid_spot=self._interrupted.get(key.name, 0) >= TAKEN_AWAY_OFTEN,
            )
            if node is None:
                return None
            return Placement(node.id, node.spot, node.address, charges.share_of(node), self._clock())

        followed.fresh = False
        placement = self._placements.place(key, chosen)
        if placement is None:
            followed.waits = followed.waits or time.monotonic()
            why = why_none(self._nodes.values(), resources) if self._link.answers else ""
            if why and time.monotonic() - followed.waits > _JOINS_WITHIN:
                self._say(f"training jobs wait: {why}")
            return
        if missed := unmet(self._nodes.values(), wishes_of(self._setting.request, definition)):
            self._say(missed)
        followed.node = placement.node
        node = self._nodes.get(placement.node)
        if node is None:
            outcome = "Preempted" if placement.spot else "Lost"
            why = f"node {placement.address} is no longer part of the cluster"
            self._end(key, Exit(outcome, None, why, ended=self._clock()))
            return
        node.used[key] = resources
        content = {**followed.order.content, "parallel": max(1, node.most(resources))}
        followed.order = replace(followed.order, content=content)
        self._ask(node)

    def _send(self, node: Node, key: AttemptKey, followed: Followed) -> None:
        """Have the attempt started, once its program and its data are there."""
        followed.sent = followed.ever_sent = True
        followed.refused = False

        def end(how: str, result: Any) -> None:
            followed.sent = False
            if how == "failed":
                followed.again = time.monotonic() + 10 * _AGAIN
                self._say(f"what {key.name} needs cannot be sent to node {node.address}: {result}")
            elif how != "done":
                followed.again = time.monotonic() + _AGAIN
            else:
                self._advance(key)

        digest = followed.order.program
        if digest is not None and digest not in node.programs:
            self._sending.program(node, digest, end)
            return
        for parcel in followed.parcels.values():
            if parcel.digest not in node.programs:
                self._sending.parcel(node, parcel, end)
                return
        order = replace(followed.order, log_offset=followed.offset)
        parcels = {uri: (parcel.digest, parcel.name) for uri, parcel in followed.parcels.items()}
        answer = partial(self._started, node, key, followed)
        self._call(node.id, answer, "start", self._tuner, order, parcels)

    def _started(self, node: Node, key: AttemptKey, followed: Followed, how: str, result: Any) -> None:
        if followed.ended:
            return
        if how == "done":
            followed.started = True
            self._heard(node)
        elif how == "failed" and (isinstance(result, BusyError) or not isinstance(result, ExecutorError)):
            followed.sent, followed.again, followed.refused = False, time.monotonic() + _AGAIN, True
            if not isinstance(result, BusyError):
                self._say(f"{key.name} cannot be started on node {node.address} now: {result}")
        elif how == "failed" and "say hello first" in str(result):
            self._begin_again(node)
        elif how == "failed":
            self._end(key, Exit("Lost", None, f"node {node.address}: {result}", ended=self._clock()))
        else:
            followed.sent, followed.again = False, time.monotonic() + _AGAIN
            if how == "dead":
                self._begin_again(node)

    def _stopped(self, followed: Followed, how: str, result: Any) -> None:
        if how != "done":
            followed.stop_sent, followed.again = False, time.monotonic() + _AGAIN

    def _end(self, key: AttemptKey, end: Exit) -> None:
        """The attempt has ended as far as this tuner is concerned."""
        followed = self._followed[key]
        missed = LogChunk(followed.offset, b"")
        if end.outcome != "Exited" and followed.may_have_run:
            left = self._left_on_store(key, followed)
            end = replace(end, checkpoint=left.covered)
            if left.log:  # printed while no tuner listened, or just before the machine went away
                followed.offset += len(left.log)
                missed = LogChunk(missed.start, left.log, [(followed.offset, self._clock())])
                end = replace(end, log=self._logs.keep(key, missed, followed.log))
        end = self._forget(key, end)
        self._printed.forget(key)
        pending = self._updates.pop(key, None)
        if pending is not None:
            times = [*pending.log.times, *missed.times]
            missed = LogChunk(pending.log.start, pending.log.data + missed.data, times)
        self._updates[key] = Update(key, "Ended", missed, end, {} if pending is None else pending.times)

    def _left_on_store(self, key: AttemptKey, followed: Followed, here: int | None = None) -> Left:
        """What the next attempt goes on from. here: what the node says of its own disk, if it is not gone."""
        content = followed.order.content
        if not is_remote(content["checkpoint_uri"] or ""):
            return Left(here)
        try:
            return self._lost.take_over(content, followed.offset)
        except Exception as error:
            self._say(f"the checkpoints of {key.name} cannot be looked at: {error}; its reports count anew")
            return Left(None)

    def _fetched(self, update: Update) -> None:
        """What an attempt left is here, as far as it will be: its end is told, its log if that was not."""
        pending = self._updates.get(update.key)
        if pending is not None:
            update = replace(pending, phase="Ended", exit=update.exit)
        else:
            update = replace(update, log=LogChunk(update.log.start + len(update.log.data), b""))
        self._updates[update.key] = update

    def _forget(self, key: AttemptKey, end: Exit) -> Exit:
        """Follow it no more; its end, with what it costs."""
        followed = self._followed.pop(key)
        followed.ended = True
        if followed.node in self._nodes:
            self._nodes[followed.node].used.pop(key, None)
        if end.outcome == "Preempted":
            self._interrupted[key.name] = self._interrupted.get(key.name, 0) + 1
        return replace(end, charged=charges.charged(followed, self._placements.of(key), end.ended))

    def _take(self, node: Node, update: Update) -> None:
        """News of an attempt, unless that was given up there. Its log is kept here too."""
        followed = self._followed.get(update.key)
        if followed is None or followed.node != node.id or update.log.start > followed.offset:
            return
        known = followed.offset - update.log.start  # handed out by a call whose answer was repeated
        times = [each for each in update.log.times if each[0] > followed.offset]
        chunk = LogChunk(followed.offset, update.log.data[known:], times)
        followed.offset += len(chunk.data)
        followed.times |= update.times
        end = update.exit
        log = self._logs.keep(update.key, chunk, followed.log)
        if end is not None:
            if end.outcome != "Exited":  # what its node has may not be what it goes on from on another
                end = replace(
                    end, checkpoint=self._left_on_store(update.key, followed, end.checkpoint).covered
                )
            end = self._forget(update.key, replace(end, log=log, reason=reason_there(end, node.address)))
        update = replace(update, log=chunk, exit=end)
        self._updates[update.key] = replace(update, phase="Uploading", exit=None) if end else update
        if end is not None and followed.log != record.LOG:
            self._printed.finish(node.id, update.key, partial(self._fetched, update))
        elif not self._fetching.begin(node, followed.order.content, update):
            self._updates[update.key] = update

    def _say(self, message: str) -> None:
        """Tell the user, not more often than once a minute."""
        now = time.monotonic()
        if now - self._said.get(message, -_SAY_EVERY) >= _SAY_EVERY:
            self._said[message] = now
            self._setting.say(message)
