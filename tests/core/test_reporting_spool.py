"""The spool: kept, dropped and held records, and its file on bad disks or with invalid content."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from phaseline.errors import TooMany, UnknownJob
from phaseline.model.events import ErrorOccurred, JobCompleted, JobProgress, JobStarted, PhaseCompleted, PhotoInfo
from phaseline.reporting.delivery.inbox import Inbox
from phaseline.reporting.delivery.known import KnownJobs
from phaseline.reporting.delivery.outbox import Outbox
from phaseline.reporting.delivery.spool import Spool
from phaseline.reporting.delivery.thinning import thinned
from phaseline.reporting.record import Record, encoded
from tests.support.disks import files_at_most


def started(job: str = "a") -> Record:
    return encoded(JobStarted(job_id=job))


def progress(phase: str, percent: float, job: str = "a") -> Record:
    return encoded(JobProgress(job_id=job, phase=phase, progress=percent))


def info(n: int, job: str = "a", size: int = 0) -> Record:
    return encoded(PhotoInfo(job_id=job, data={"n": n, "x": "x" * size}))


def completed(job: str = "a") -> Record:
    return encoded(JobCompleted(job_id=job))


def kinds(records: list[Record]) -> list[str]:
    return [record.kind for record in records]


# ---------------------------------------------------------------------------------------------------- in memory


def test_only_the_first_and_the_latest_progress_of_a_phase_wait_each_with_its_own_time() -> None:
    spool = Spool("p", 100)
    first, latest = progress("one", 1), progress("one", 4)
    for record in (started(), first, progress("one", 2), progress("one", 3, "b"), latest):
        spool.add(record)
    dates = first.at, latest.at
    sent = spool.send(10)
    assert kinds(sent) == ["job_started", "job_progress", "job_progress", "job_progress"]
    assert [record.number for record in sent] == [1, 2, 4, 5]
    assert (sent[1].at, sent[3].at) == dates


def test_progress_that_the_background_thread_reads_late_keeps_its_own_time() -> None:
    inbox, spool = Inbox(100, lambda: None), Spool("p", 100)
    spool.add(started())
    for at in range(1, 10):
        record = progress("one", 10 * at)
        record.at = float(at)
        inbox.put(record)
        if at in {4, 6}:
            for item in inbox.take(progress=True):
                assert isinstance(item, Record)
                spool.add(item)
        if at == 5:
            spool.send(10)
    for item in inbox.take(progress=True):
        assert isinstance(item, Record)
        spool.add(item)
    # The start of the phase has been sent, so of the other records only the latest is kept.
    assert [record.at for record in spool.in_flight.values()][1:] == [1, 4]
    assert [record.at for record in spool.send(10)] == [9]


def test_progress_before_another_report_of_the_job_is_kept() -> None:
    spool = Spool("p", 100)
    for record in (progress("one", 1), info(1), progress("one", 2), progress("two", 1), progress("two", 2)):
        spool.add(record)
    assert kinds(spool.numbered()) == ["job_progress", "photo_info", *["job_progress"] * 3]


def test_progress_in_flight_is_not_replaced() -> None:
    spool = Spool("p", 100)
    spool.add(progress("one", 1))
    [first] = spool.send(1)
    spool.add(progress("one", 2))
    assert [record.number for record in spool.numbered()] == [first.number, 2]
    spool.rewind()
    assert [record.number for record in spool.numbered()] == [1, 2]


def test_progress_is_replaced_during_repeated_attempts_to_connect() -> None:
    spool = Spool("p", 100)
    for percent in range(5):
        spool.add(progress("one", percent))
        spool.rewind()
    assert [record.number for record in spool.numbered()] == [1, 5]


def test_a_full_spool_drops_the_least_important_reports_first() -> None:
    records = [
        started(),
        progress("one", 1),
        info(1),
        progress("one", 2),
        progress("two", 1),
        info(2),
        completed(),
    ]
    assert thinned(records, 8) == [records[0], *records[2:]]
    assert thinned(records, 6) == [records[0], records[2], records[5], records[6]]
    assert thinned(records, 4) == [records[0], records[5], records[6]]
    assert thinned(records, 1) == [records[0], records[6]]


def test_large_records_use_more_of_the_spool() -> None:
    spool = Spool("p", 40)
    for n in range(4):
        spool.add(info(n, size=9 * 1024))
    assert spool.dropped == 0
    spool.add(info(4))
    assert (spool.dropped, len(spool)) == (2, 3)


def test_a_held_job_delays_only_its_own_reports() -> None:
    box = Outbox(Spool("p", 100))
    box.add([started(), info(1), info(2, "b"), info(3)])
    box.spool.send(3)
    assert box.refuse(1, TooMany.code, "full", 10.0) is None
    assert box.refuse(2, UnknownJob.code, "not known", 10.0) is None
    box.acknowledge(3)
    box.add([progress("one", 1), progress("one", 2), info(4, "b")])
    assert [(record.job_id, record.kind) for record in box.spool.send(9)] == [("b", "photo_info")]
    assert kinds(box.spool.held) == ["job_started", "photo_info", "photo_info", "job_progress", "job_progress"]
    assert box.release_at == 11.0
    box.release()
    sent = box.spool.send(9)
    assert kinds(sent) == ["job_started", "photo_info", "photo_info", "job_progress", "job_progress"]
    assert min(record.number for record in sent) > 5


def test_a_job_started_by_others_sends_one_record_until_it_is_accepted() -> None:
    spool = Spool("p", 100)
    for record in (info(1), info(2), completed(), started("b"), info(1, "b")):
        spool.add(record)
    assert [record.number for record in spool.send(9)] == [1]
    assert spool.send(9) == []
    spool.rewind()
    assert [record.number for record in spool.send(9)] == [1]
    spool.settle(1, accepted=True)
    assert [record.number for record in spool.send(9)] == [2, 3, 4, 5]


def test_held_reports_are_released_with_the_reports_sent_with_them() -> None:
    box = Outbox(Spool("p", 100))
    box.add([started(), info(1), completed()])
    box.spool.send(2)
    box.refuse(1, TooMany.code, "full", 10.0)
    assert not box.is_due(11.0)
    box.refuse(2, UnknownJob.code, "not known", 12.0)
    assert box.is_due(13.0)
    box.release()
    assert kinds(box.spool.send(9)) == ["job_started", "photo_info", "job_completed"]


def test_an_unknown_job_is_waited_for_three_times() -> None:
    box = Outbox(Spool("p", 100))
    box.add([info(1)])
    pauses = []
    now = 0.0
    while True:
        [record] = box.spool.send(1)
        if box.refuse(record.number, UnknownJob.code, "not known", now) is not None:
            break
        pauses.append(box.release_at - now)
        now = box.release_at
        box.release()
    assert pauses == [0.25, 0.5, 1.0]
    assert not len(box.spool)


def test_a_flush_waits_for_earlier_reports_only() -> None:
    spool = Spool("p", 100)
    spool.add(started())
    order = spool.order
    spool.add(info(1))
    assert not spool.delivered(order)
    spool.send(2)
    spool.settle(1, accepted=True)
    assert spool.delivered(order)
    assert not spool.delivered(spool.order)


# ---------------------------------------------------------------------------------------------------- known jobs


def test_a_job_is_described_by_the_fewest_records() -> None:
    known = KnownJobs()
    for record in (
        started(),
        *(progress("one", n) for n in range(5)),
        encoded(PhaseCompleted(job_id="a", phase="one")),
        *(progress("two", n) for n in range(5)),
        info(1),
        *(progress("one", n) for n in range(5, 9)),
        *(progress("two", n) for n in range(5, 9)),
        encoded(ErrorOccurred(job_id="a", error_type="odd", text="x")),
        started("b"),
        completed("b"),
        progress("one", 1, "nobody began this one"),
    ):
        known.note(record)
    records = known.records()
    assert [(record.kind, record.phase) for record in records] == [
        ("job_started", None),
        ("job_progress", "one"),
        ("job_progress", "two"),
        ("photo_info", None),
        ("job_progress", "one"),
        ("job_progress", "two"),
        ("job_progress", "two"),
        ("error_occurred", None),
    ]
    assert all(record.again and not record.number for record in records)


def test_the_stored_data_of_a_job_is_bounded() -> None:
    known = KnownJobs()
    known.note(started())
    for n in range(1000):
        known.note(progress(("one", "two")[n % 2], n % 100))
        known.note(info(n))
    records = known.records()
    assert len(records) == 1 + 4 + 50
    assert b'"n":999' in records[-1].body


# ---------------------------------------------------------------------------------------------------- on disk


def crashed(box: Outbox, directory: Path) -> Outbox:
    os.close(box.fd)
    [found] = Outbox.adopted(directory, 100)
    return found


def numbers(box: Outbox) -> list[tuple[int, str]]:
    return [(record.number, record.kind) for record in box.spool.numbered()]


def test_a_file_with_a_partial_last_line_is_read_up_to_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    box = Outbox.own("p", 100, tmp_path)
    box.add([started(), info(1), info(2)])
    [file] = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-40])
    found = crashed(box, tmp_path)
    assert numbers(found) == [(1, "job_started"), (2, "photo_info")]
    assert "1 lines of" in caplog.text


def test_an_invalid_spool_file_is_logged_and_removed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "strange.spool").write_bytes(b"\x00\xff nonsense\n{}\nknown {}\n")
    [found] = Outbox.adopted(tmp_path, 100)
    assert "can't read 3 lines" in caplog.text
    assert not len(found.spool)
    found.close()
    assert not list(tmp_path.iterdir())


def test_a_full_disk_only_loses_the_file_and_recovers(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    box = Outbox.own("p", 100, tmp_path)
    box.add([started()])
    with files_at_most(500):
        box.add([info(n, size=200) for n in range(5)])
        box.add([info(5)])
        assert len(box.spool) == 7
    assert len(caplog.records) == 1
    assert os.strerror(errno.EFBIG) in caplog.text
    box.add([completed()])
    found = crashed(box, tmp_path)
    assert [kind for _, kind in numbers(found)] == ["job_started", *["photo_info"] * 6, "job_completed"]


def test_held_reports_survive_a_crash_with_new_numbers(tmp_path: Path) -> None:
    box = Outbox.own("p", 100, tmp_path)
    box.add([started(), info(1), info(2, "b")])
    box.spool.send(3)
    box.refuse(1, TooMany.code, "full", 0.0)
    box.refuse(2, UnknownJob.code, "not known", 0.0)
    box.acknowledge(3)
    box.add([info(3)])
    found = crashed(box, tmp_path)
    # Above 3, the server's latest number: it would take a lower one for a report that it has recorded.
    assert numbers(found) == [(4, "job_started"), (5, "photo_info"), (6, "photo_info")]


def test_the_file_stays_small_while_everything_is_delivered(tmp_path: Path) -> None:
    box = Outbox.own("p", 10_000, tmp_path)
    box.add([started()])
    largest = 0
    for n in range(5000):
        box.add([info(n, size=300)])
        for record in box.spool.send(9):
            box.acknowledge(record.number)
        if n % 100 == 0:
            largest = max(largest, os.fstat(box.fd).st_size)
    assert largest < 400_000
    found: Any = crashed(box, tmp_path)
    assert len(found.spool) == 0
    assert len(found.spool.known) == 1
