"""What every storage promises, as tests: subclass `StorageSuite`, give it storages, and let pytest collect
it.

    class TestMine(StorageSuite):
        def open(self, directory):
            return MyStorage(directory)
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hpt.errors import InputError, JobExistsError, JobNotFoundError, JobOwnedError, LeaseLostError
from hpt.job.notes import STOP, stop_requested
from hpt.search.events import (
    AttemptCreated,
    AttemptEnded,
    AttemptOutcome,
    Event,
    JobEnded,
    JobExtended,
    JobStopRequested,
    MetricLogged,
    NoiseKnown,
    ObservationAdded,
    ParentResult,
    Reported,
    StatusChanged,
    StopDecided,
    StopReason,
    TrialCreated,
    TrialEnded,
    TrialForgotten,
    TrialIdentified,
)
from hpt.search.trial import TrialStatus
from hpt.storage.base import Lease, Storage

DOCUMENT: Mapping[str, Any] = {
    "Name": "Tune-1",
    "seed": 2**63 - 1,
    "eta": 0.1,
    "nested": {"x": [1, None, True, "ü"]},
}

EVERY_EVENT: tuple[Event, ...] = (
    ObservationAdded(1.5, {"eta": 0.3, "depth": 6, "booster": "dart", "flag": True}, 0.9),
    ParentResult(
        1.5, "old", "old-1", 0.1, {"eta": 0.3}, False, {"eta": "0.3"}, TrialStatus.STOPPED, 0.5, 0.7
    ),
    TrialCreated(2.25, 1, {"eta": 1e-300, "depth": 2**52}, "tune-001-abc", "first"),
    AttemptCreated(2.25, 1, 1),
    StatusChanged(3.0, 1, "Downloading", "line one\nline two\ttab, \x00, ü, \udcff"),
    MetricLogged(4.1, 1, 1, "validation:auc", 0.1 + 0.2, 2**40),
    MetricLogged(4.1, 1, 1, "loss", -math.inf, 2**40),
    Reported(4.2, 1, -0.0, 1.0),
    StopDecided(5.0, 1, StopReason.RULE, "MedianRule", 1, -0.0, 0.5),
    AttemptEnded(6.0, 1, 1, AttemptOutcome.EXITED, -9, "killed"),
    TrialEnded(6.0, 1, TrialStatus.STOPPED, 0.5, "Stopped", "", True),
    JobStopRequested(7.0, "MaxNumberOfTrainingJobs"),
    JobEnded(8.0, "Completed", "MaxNumberOfTrainingJobs"),
    JobExtended(9.0, 60, 2, None, 20, 1, None),
    TrialIdentified(0.0, 1, "lr=0.1"),
    NoiseKnown(0.0, 1, 0.02),
    TrialForgotten(0.0, 1),
)


def events(first: int, count: int) -> list[Event]:
    """Events that show their position: report number `first`, `first + 1`, ..."""
    return [Reported(1000.0 + i, i, i / 7, float(i)) for i in range(first, first + count)]


class StorageSuite:
    """The contract of `hpt.storage.base.Storage`."""

    def open(self, directory: Path) -> Storage:
        """A storage whose state lies in `directory`; called again with the same one, it must show the same
        state.
        """
        raise NotImplementedError

    @pytest.fixture
    def storage(self, tmp_path: Path) -> Storage:
        return self.open(tmp_path)

    def test_a_stored_job_is_read_as_it_was_given(self, storage: Storage) -> None:
        storage.create("Tune-1", DOCUMENT, 1234.5)
        record, recorded = storage.read("tUNE-1")
        assert (record.name, record.created, record.document) == ("Tune-1", 1234.5, DOCUMENT)
        assert (record.summary, record.owner_pid, record.problem, recorded) == ({}, None, None, [])

    def test_a_job_may_begin_with_events(self, storage: Storage) -> None:
        storage.create("job", {}, 1.0, events(1, 3))
        assert storage.read("job")[1] == events(1, 3)
        storage.append(storage.acquire("job"), events(4, 2), {})
        assert storage.read("job")[1] == events(1, 5)

    def test_a_name_is_taken_once_in_any_case(self, storage: Storage) -> None:
        storage.create("Tune-1", DOCUMENT, 1.0)
        with pytest.raises(JobExistsError, match="Tune-1"):
            storage.create("TUNE-1", {}, 2.0)
        assert storage.read("tune-1")[0].created == 1.0

    @pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "a\\b", "a\nb", "x" * 300])
    def test_a_name_that_is_no_directory_is_refused(self, storage: Storage, name: str) -> None:
        with pytest.raises(InputError, match="cannot name a directory"):
            storage.create(name, {}, 1.0)
        with pytest.raises(JobNotFoundError):
            storage.read(name)
        for files in (False, True):
            with pytest.raises(JobNotFoundError):
                storage.delete(name, files=files)
        assert storage.jobs() == []

    def test_an_unknown_job_is_not_found(self, storage: Storage) -> None:
        calls = (
            *(storage.read, storage.acquire, storage.notes, storage.delete),
            *(lambda name: storage.add_note(name, {}), lambda name: storage.add_note(name, STOP)),
        )
        for call in calls:
            with pytest.raises(JobNotFoundError, match="nobody"):
                call("nobody")

    def test_a_document_that_is_not_json_stores_nothing(self, storage: Storage) -> None:
        with pytest.raises(TypeError):
            storage.create("job", {"x": {1, 2}}, 1.0)
        assert storage.jobs() == []
        storage.create("job", {}, 1.0)

    def test_every_event_comes_back_exactly(self, storage: Storage) -> None:
        storage.create("job", {}, 1.0)
        lease = storage.acquire("job")
        storage.append(lease, EVERY_EVENT, {"best": 0.5})
        record, recorded = storage.read("job")
        assert recorded == list(EVERY_EVENT)
        assert math.copysign(1.0, recorded[7].value) == -1.0  # type: ignore[attr-defined]
        assert record.summary == {"best": 0.5}

    def test_events_are_read_from_any_place_on(self, storage: Storage) -> None:
        storage.create("job", {}, 1.0)
        lease = storage.acquire("job")
        storage.append(lease, events(1, 5), {})
        for after in range(7):
            assert storage.read("job", after)[1] == events(1, 5)[after:]

    def test_notes_say_which_events_came_before(self, storage: Storage) -> None:
        storage.create("job", {}, 1.0)
        assert list(storage.notes("job")) == []
        storage.add_note("JOB", {"Tag": "ü", "nested": [1, None]})
        lease = storage.acquire("job")
        assert [note.body for note in storage.notes("job")] == [{"Tag": "ü", "nested": [1, None]}]
        storage.append(lease, events(1, 3), {})
        storage.add_note("job", {"second": 2})
        notes = storage.notes("job")
        assert [(note.after, note.body) for note in notes] == [
            (0, {"Tag": "ü", "nested": [1, None]}),
            (3, {"second": 2}),
        ]
        with pytest.raises(TypeError):
            storage.add_note("job", {"x": {1}})
        storage.release(lease)
        assert list(storage.notes("job")) == list(notes)

    def test_a_note_of_another_storage_is_seen(self, storage: Storage, tmp_path: Path) -> None:
        other = self.open(tmp_path)
        storage.create("job", {}, 1.0)
        storage.acquire("job")
        try:
            other.add_note("job", {"n": 1})
        except JobNotFoundError:
            pytest.skip("this storage shares nothing with another")
        for count in range(1, 4):
            assert [note.body["n"] for note in storage.notes("job")] == list(range(1, count + 1))
            other.add_note("job", {"n": count + 1})

    def test_a_deleted_job_is_gone_and_its_name_free(self, storage: Storage) -> None:
        for created in (1.0, 2.0, 3.0):
            storage.create("Job", {}, created)
            lease = storage.acquire("job")
            storage.append(lease, events(1, 2), {"a": 1})
            storage.add_note("job", {})
            with pytest.raises(JobOwnedError):
                storage.delete("job")
            assert storage.read("job")[0].created == created
            storage.release(lease)
            storage.delete("JOB")
            with pytest.raises(JobNotFoundError):
                storage.read("job")
            assert storage.jobs() == []
        storage.create("job", {}, 4.0)
        assert (storage.read("job")[1], list(storage.notes("job"))) == ([], [])

    def test_a_job_deleted_with_its_files_is_gone_and_its_name_free(self, storage: Storage) -> None:
        storage.create("other", {}, 1.0)
        for created in (1.0, 2.0):
            storage.create("Job", {}, created)
            lease = storage.acquire("job")
            storage.append(lease, events(1, 2), {"a": 1})
            storage.add_note("job", STOP)
            with pytest.raises(JobOwnedError):
                storage.delete("job", files=True)
            storage.append(lease, events(3, 1), {"a": 2})
            storage.release(lease)
            storage.delete("JOB", files=True)
            for call in (storage.read, storage.acquire, storage.notes):
                with pytest.raises(JobNotFoundError):
                    call("job")
            with pytest.raises(JobNotFoundError):
                storage.delete("job", files=True)
            assert [job.name for job in storage.jobs()] == ["other"]

    def test_nan_comes_back(self, storage: Storage) -> None:
        storage.create("job", {}, 1.0)
        storage.append(storage.acquire("job"), [Reported(1.0, 1, math.nan, 1.0)], {})
        [event] = storage.read("job")[1]
        assert isinstance(event, Reported)
        assert math.isnan(event.value)

    def test_events_keep_their_order_over_appends(self, storage: Storage) -> None:
        storage.create("job", {}, 1.0)
        lease = storage.acquire("job")
        for start, count in ((0, 3), (3, 1), (4, 0), (4, 200)):
            storage.append(lease, events(start, count), {"count": start + count})
        record, recorded = storage.read("job")
        assert recorded == events(0, 204)
        assert record.summary == {"count": 204}

    def test_an_append_that_cannot_be_written_changes_nothing(self, storage: Storage) -> None:
        storage.create("job", {}, 1.0)
        lease = storage.acquire("job")
        storage.append(lease, events(0, 2), {"count": 2})
        with pytest.raises(TypeError):
            storage.append(lease, events(2, 2), {"x": {1}})
        no_value: Any = {1}
        with pytest.raises(TypeError):
            storage.append(lease, [*events(2, 2), ObservationAdded(1.0, {"x": no_value}, 1.0)], {})
        assert storage.read("job")[1] == events(0, 2)
        storage.append(lease, events(2, 1), {})
        assert storage.read("job")[1] == events(0, 3)

    def test_what_was_given_and_returned_is_not_shared(self, storage: Storage) -> None:
        document: dict[str, Any] = {"list": [1]}
        storage.create("job", document, 1.0)
        document["list"].append(2)
        record, _ = storage.read("job")
        record.document["list"].append(3)
        assert storage.read("job")[0].document == {"list": [1]}

    def test_a_job_has_one_owner(self, storage: Storage) -> None:
        storage.create("Job", {}, 1.0)
        lease = storage.acquire("job")
        assert storage.read("Job")[0].owner_pid == os.getpid()
        with pytest.raises(JobOwnedError, match=str(os.getpid())) as refused:
            storage.acquire("JOB")
        assert refused.value.pid == os.getpid()
        storage.append(lease, events(0, 1), {})
        storage.release(lease)
        assert storage.read("Job")[0].owner_pid is None

    def test_tokens_grow_and_fence_off_former_owners(self, storage: Storage) -> None:
        storage.create("job", {}, 1.0)
        first = storage.acquire("job")
        storage.append(first, events(0, 1), {"by": 1})
        storage.release(first)
        with pytest.raises(LeaseLostError):
            storage.append(first, events(1, 1), {"by": 1})
        second = storage.acquire("job")
        assert second.token > first.token
        with pytest.raises(LeaseLostError, match=f"{second.token}.*{first.token}"):
            storage.append(first, events(1, 1), {"by": 1})
        with pytest.raises(LeaseLostError):
            storage.append(Lease("job", second.token + 1), events(1, 1), {"by": 3})
        storage.append(second, events(1, 1), {"by": 2})
        record, recorded = storage.read("job")
        assert (record.summary, recorded) == ({"by": 2}, events(0, 2))

    def test_releasing_a_lost_lease_leaves_the_owner_alone(self, storage: Storage) -> None:
        storage.create("job", {}, 1.0)
        first = storage.acquire("job")
        storage.release(first)
        second = storage.acquire("job")
        storage.release(first)
        with pytest.raises(JobOwnedError):
            storage.acquire("job")
        storage.append(second, events(0, 1), {})
        storage.release(second)
        storage.release(second)
        storage.acquire("job")

    def test_a_stop_request_is_seen_and_stays(self, storage: Storage, tmp_path: Path) -> None:
        storage.create("Job", {}, 1.0)
        storage.create("other", {}, 1.0)
        lease = storage.acquire("Job")
        assert not stop_requested(storage.notes("job"))
        self.open(tmp_path).add_note("JOB", STOP)
        assert stop_requested(storage.notes("job"))
        storage.add_note("job", STOP)
        storage.append(lease, events(0, 1), {})
        assert stop_requested(storage.notes("job"))
        assert not stop_requested(storage.notes("other"))
        assert stop_requested(self.open(tmp_path).notes("job"))

    def test_a_note_that_repeats_the_last_one_adds_nothing(self, storage: Storage, tmp_path: Path) -> None:
        storage.create("job", {}, 1.0)
        lease = storage.acquire("job")
        for _ in range(3):
            storage.add_note("job", STOP)
            self.open(tmp_path).add_note("job", STOP)
            storage.append(lease, events(0, 1), {})
        assert [(note.after, note.body) for note in storage.notes("job")] == [(0, STOP)]
        storage.add_note("job", {"n": 1})
        storage.add_note("job", STOP)
        assert [note.body for note in storage.notes("job")] == [STOP, {"n": 1}, STOP]

    def test_notes_stay_where_they_are_as_others_come(self, storage: Storage) -> None:
        """Whoever follows them counts how many it has seen."""
        storage.create("job", {}, 1.0)
        seen: list[Any] = []
        for body in ({"n": 1}, STOP, {"n": 2}, {"n": 3}):
            storage.add_note("job", body)
            notes = storage.notes("job")
            assert [note.body for note in notes[: len(seen)]] == seen
            seen = [note.body for note in notes]
        lease = storage.acquire("job")
        storage.append(lease, events(0, 1), {})
        storage.release(lease)
        assert [note.body for note in storage.notes("job")] == seen == [{"n": 1}, STOP, {"n": 2}, {"n": 3}]

    def test_ones_own_stop_request_is_seen_at_once(self, storage: Storage) -> None:
        storage.create("job", {}, 1.0)
        assert not stop_requested(storage.notes("job"))
        storage.add_note("job", STOP)
        assert stop_requested(storage.notes("job"))

    def test_jobs_are_listed_by_name_with_their_summaries(self, storage: Storage) -> None:
        assert storage.jobs() == []
        for name in ("beta", "Alpha", "gamma"):
            storage.create(name, {"of": name}, 1.0)
        lease = storage.acquire("beta")
        storage.append(lease, EVERY_EVENT, {"status": "InProgress"})
        listed = storage.jobs()
        assert [job.name for job in listed] == ["Alpha", "beta", "gamma"]
        assert [job.document["of"] for job in listed] == ["Alpha", "beta", "gamma"]
        assert [job.summary for job in listed] == [{}, {"status": "InProgress"}, {}]
        assert [job.owner_pid for job in listed] == [None, os.getpid(), None]

    def test_another_storage_shows_the_same_state(self, storage: Storage, tmp_path: Path) -> None:
        storage.create("job", DOCUMENT, 1.0)
        lease = storage.acquire("job")
        storage.append(lease, events(0, 5), {"count": 5})
        other = self.open(tmp_path)
        assert other.read("job") == storage.read("job")
        assert other.jobs() == storage.jobs()
        with pytest.raises(JobOwnedError):
            other.acquire("job")

    def test_threads_may_share_a_storage(self, storage: Storage) -> None:
        names = [f"job-{i}" for i in range(4)]
        failures: list[BaseException] = []

        def work(name: str) -> None:
            try:
                storage.create(name, {}, 1.0)
                lease = storage.acquire(name)
                for i in range(20):
                    storage.append(lease, events(i, 1), {"count": i})
                    assert len(storage.read(name)[1]) == i + 1
                    storage.jobs()
                    assert not stop_requested(storage.notes(name))
                storage.release(lease)
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(name,)) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert [len(storage.read(name)[1]) for name in names] == [20] * 4
