"""The next configurations as a function of what is known: for hosts that keep the trials themselves.

    configs = hpt.suggest(space, [({"x": 0.1}, 0.7), ({"x": 0.9}, 0.2)], pending=[{"x": 0.5}], seed=0)

It keeps nothing. With a `Cache` it gives the same at the cost of a tuner that is kept.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from threading import RLock
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

from hpt.errors import InputError
from hpt.search.history import History
from hpt.search.history_log import HistoryLog
from hpt.search.holding import checked_fixed, holding
from hpt.search.numbers import brief
from hpt.search.recording import Reports, checked_noise, final_value, fitted, listed_reports
from hpt.search.space import SearchSpace
from hpt.search.strategies import canonical_name, make_strategy
from hpt.search.strategies.base import Strategy, check_integer, check_space
from hpt.search.strategies.randomness import check_seed
from hpt.search.trial import Config, ObjectiveType, Observation, Report, Trial, TrialStatus, Value, parse_enum

WORKERS = 8
"""So many callers at once are kept apart by their seeds."""
KEPT = 16
"""Searches of which a cache keeps what it has."""

Fit: TypeAlias = Callable[[Config], dict[str, Value] | None]
Known: TypeAlias = Observation | Trial | tuple[Config, float] | Sequence[Any]


class Cache:
    """What calls of `suggest` leave behind for the next one: fitted models and encoded configurations.

    It changes no suggestion, only what they cost. One cache may serve any number of searches and threads; a
    copy or a pickle of it is empty.
    """

    def __init__(self) -> None:
        self._lock = RLock()
        self._entries: OrderedDict[object, _Entry] = OrderedDict()

    def __reduce__(self) -> tuple[type[Cache], tuple[()]]:
        return Cache, ()

    def __repr__(self) -> str:
        return f"<cache of {len(self._entries)} searches>"

    def _entry(self, key: object, make: Callable[[], _Entry]) -> _Entry:
        if key not in self._entries:
            self._entries[key] = make()
            if len(self._entries) > KEPT:
                self._entries.popitem(last=False)
        self._entries.move_to_end(key)
        return self._entries[key]


class _Unchanging:
    """An observation that nobody can change: it says the same only if it is the same one."""

    __slots__ = ("item",)

    def __init__(self, item: Observation) -> None:
        self.item = item

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Unchanging) and self.item is other.item

    __hash__ = None  # type: ignore[assignment]


class _Ended(NamedTuple):
    """A trial that ended, as a host knows it."""

    config: dict[str, Value]
    value: float | None
    status: TrialStatus
    noise: float | None
    reports: tuple[Report, ...]


class _Entry:
    """One search: its strategy, and a log of the observations and the failures that came so far."""

    def __init__(self, space: SearchSpace, objective: ObjectiveType, strategy: Strategy) -> None:
        self.space, self.objective, self.strategy = space, objective, strategy
        self._log = HistoryLog(space, objective)
        self._known: tuple[list[_Ended], list[_Ended]] = [], []
        self._read: list[tuple[object, _Ended | None]] = []

    def read(self, items: Iterable[Known], fit: Fit, how: object) -> list[_Ended]:
        """Observations as the log takes them. What stood at the same place in the last call is not read anew:
        that would cost more than all else. how: what `fit` depends on."""
        kept, self._read = self._read, []
        for place, item in enumerate(items):
            raw = _raw(item, how)
            if raw is not None and place < len(kept) and kept[place][0] == raw:
                self._read.append(kept[place])
            else:
                self._read.append((raw, _ended(item, fit)))
        return [each for _, each in self._read if each is not None]

    def history(self, observed: list[_Ended], failed: list[_Ended]) -> History:
        """The history of these, made longer where they begin with those of the last call."""
        given = observed, failed
        if any(new[: len(old)] != old for new, old in zip(given, self._known, strict=True)):
            self._log, self._known = HistoryLog(self.space, self.objective), ([], [])
        for new, old in zip(given, self._known, strict=True):
            for each in new[len(old) :]:
                self._take(each)
                old.append(each)
        return self._log.snapshot()

    def _take(self, each: _Ended) -> None:
        log = self._log
        number = log.last_number + 1
        log.create(number, self.space.validate(each.config))
        for report in each.reports:
            log.report(number, report)
        if each.noise is not None:
            log.state_noise(number, each.noise)
        log.end(number, each.status, each.value)


def suggest(
    space: SearchSpace,
    observations: Iterable[Known],
    *,
    pending: Iterable[Config] = (),
    failed: Iterable[Config] = (),
    fixed: Config | None = None,
    objective: str = "Minimize",
    strategy: str | Strategy = "Bayesian",
    seed: int = 0,
    count: int = 1,
    number: int | None = None,
    worker: int | None = None,
    cache: Cache | None = None,
    outside: str = "raise",
    extra: str = "raise",
    **strategy_options: Any,
) -> list[Config]:
    """The next configurations to try, a function of the arguments alone.

    Parameters
    ----------
    space
        The parameters to search over.
    observations
        What is known, in the order in which it became known: pairs of configuration and value, triples with
        the value's standard error, `Observation`s, or trials that ended. A value that is not finite means
        that the trial failed.
    pending
        Configurations that are being tried.
    failed
        Configurations that gave no value.
    fixed
        Values that the configurations have; the search chooses the others.
    objective
        `Minimize` or `Maximize`, in any case.
    strategy
        A registered name in any case, or an object with `suggest(history, count, seed)`.
    seed
        An integer below 2**64. One seed gives one batch, whoever asks. Workers that ask at once, knowing the
        same, give different ones: 0, 1, 2, ...
    count
        How many configurations.
    number
        Of the first of them, counted from 1; None: one more than all that is given here. Randomness depends
        on it, and whether a trial explores.
    worker
        Worker k gets what would come after the configurations of k others; None: the seed modulo 8. A lone
        caller with a seed of its own gives 0.
    cache
        Keeps what the next call needs too, so that it costs what a kept tuner does.
    outside
        What to do with what is given and lies outside the space: `raise`, `drop` it, or `clip` numbers.
    extra
        What to do with names that the space does not know: `raise`, or `ignore` them.
    strategy_options
        Options of a strategy given by name.

    Returns
    -------
    list
        Configurations, fewer or none when every configuration of the space was tried.

    Raises
    ------
    InputError
        An argument breaks its rule.
    """
    if not isinstance(space, SearchSpace):
        raise InputError(f"space is a {type(space).__name__}; make an hpt.SearchSpace of your parameters")
    check_integer(count, "count", 1, "ask for at least one configuration")
    check_seed(seed)
    if worker is None:
        worker = seed % WORKERS
    check_integer(worker, "worker", 0, "count workers from 0")
    fit = partial(fitted, space, outside=outside, extra=extra)
    goal = parse_enum(ObjectiveType, objective, "objective")
    held = checked_fixed(space, fixed) if fixed else {}
    lost = [_Ended(each, None, TrialStatus.FAILED, None, ()) for each in map(fit, failed) if each is not None]
    running = [each for each in map(fit, pending) if each is not None]
    cache = Cache() if cache is None else cache
    with cache._lock:
        entry = _entry(cache, space, goal, strategy, strategy_options)
        ended = entry.read(observations, fit, (outside, extra))
        observed = [each for each in ended if each.value is not None]
        lost = [each for each in ended if each.value is None] + lost
        if number is None:
            number = len(observed) + len(lost) + len(running) + 1
        check_integer(number, "number", 1, "count trials from 1")
        history = entry.history(observed, lost).with_pending(running, numbered=False)
        history.last_number = int(number) - 1
        if held:
            history = holding(history, entry.strategy, held)
        suggestions = entry.strategy.suggest(history, int(count) * (worker + 1), seed)
    return [dict(suggestion.config) for suggestion in suggestions[-int(count) :]]


def _entry(
    cache: Cache,
    space: SearchSpace,
    objective: ObjectiveType,
    strategy: str | Strategy,
    options: dict[str, Any],
) -> _Entry:
    """What the cache has of a search."""
    if isinstance(strategy, str):
        name = canonical_name(strategy)
        key: tuple[object, ...] = (space, objective, name, repr(sorted(options.items())))
        made: Callable[[], Strategy] = partial(make_strategy, name, **options)
    else:
        if options or not callable(getattr(strategy, "suggest", None)):
            raise InputError(
                f"strategy {brief(strategy)} takes no options here and needs a method suggest; give a name "
                "with options, or an object that has it"
            )
        given = strategy
        key, made = (space, objective, id(given)), lambda: given

    def make() -> _Entry:
        entry = _Entry(space, objective, made())
        check_space(entry.strategy, space)
        return entry

    return cache._entry(key, make)


def _raw(item: Known, how: object) -> object:
    """A copy of all that an observation says; equal only where it says the same. None where there is none."""
    if isinstance(item, Observation) and type(item.config) is MappingProxyType:
        return _Unchanging(item), how
    if isinstance(item, Observation):
        config = dict(item.config)
        rest = item.value, item.noise, item.status, tuple(item.reports)
        return config, rest, [type(value) for value in config.values()], how
    if isinstance(item, tuple) and item and isinstance(item[0], Mapping):
        config = dict(item[0])
        return config, item[1:], [type(value) for value in config.values()], how
    return None


def _ended(item: Known, fit: Fit) -> _Ended | None:
    """An observation as the log takes it; None where it is to be dropped."""
    noise: float | None = None
    reports: Reports = ()
    status = TrialStatus.COMPLETED
    value: object
    if isinstance(item, Observation | Trial):
        config, value, reports, status = item.config, item.value, item.reports, item.status
        noise = item.noise if isinstance(item, Observation) else None
        if not status.ended:
            raise InputError(f"{item!r} has not ended; give its configuration as pending")
    elif isinstance(item, Sequence) and not isinstance(item, str) and len(item) in (2, 3):
        config, value, noise = (*item, None)[:3]
        if value is None:
            raise InputError(f"{brief(item)} has no value; give its configuration as pending or failed")
    else:
        raise InputError(
            f"{brief(item)} is no observation; give pairs of configuration and value, or hpt.Observation"
        )
    valid, listed, error = fit(config), tuple(listed_reports(reports)), checked_noise(noise)
    final = final_value(value, status, listed)
    return None if valid is None else _Ended(valid, final, status, error, listed)
