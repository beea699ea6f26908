"""What `hpt train` passes on of a log while it is written."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from hpt.cli import live_log
from hpt.cli.live_log import LiveLog


class Log:
    def __init__(self, root: Path) -> None:
        self.path = root / "one" / "attempts" / "1" / "log"
        self.path.parent.mkdir(parents=True)
        self.stream = io.StringIO()
        self.live = LiveLog(self.stream, root)
        self.live._follow("one", 1)

    def write(self, data: bytes) -> str:
        """What is shown once the program has written this."""
        with self.path.open("ab") as file:
            file.write(data)
        self.live._read()
        return self.take()

    def take(self) -> str:
        shown = self.stream.getvalue()
        self.stream.seek(0)
        self.stream.truncate()
        return shown


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


def test_whole_lines_as_they_come(log: Log) -> None:
    log.live._read()  # there is none yet
    assert log.write(b"one\ntw") == "one\n"
    assert log.write(b"o\n\xc3") == "two\n"
    assert log.write(b"\xa9\xff\n") == "\N{LATIN SMALL LETTER E WITH ACUTE}\N{REPLACEMENT CHARACTER}\n"
    assert log.write(b"unfinished") == ""
    log.live.say("a message")
    assert log.take() == "unfinished\nhpt: a message\n"


def test_the_end_is_shown_without_its_newline(log: Log) -> None:
    assert log.write(b"one\nlast") == "one\n"
    log.live.close()
    assert log.take() == "last\n"


def test_a_progress_bar_is_shown_now_and_then(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    assert log.write(b"\r 1%\r 2%") == " 1%\n"
    assert log.write(b"\r 3%\r 4%") == ""  # within a second
    monkeypatch.setattr(live_log, "REWRITES_SECONDS", 0.0)
    assert log.write(b"\r 5%") == " 4%\n"
    assert log.write(b"\r100%\n") == "100%\n"
    assert log.write(b"with the line ends of Windows\r\n") == "with the line ends of Windows\n"


def test_what_comes_too_fast_is_skipped_and_named(log: Log) -> None:
    lines = b"".join(b"%09d\n" % i for i in range(150_000))
    shown = log.write(lines)
    assert shown.startswith("hpt: ") and f"are not shown; all of it: {log.path}\n" in shown
    assert shown.endswith("000149999\n") and len(shown) < 2 * live_log.KEPT_BYTES
    assert log.write(b"next\n") == "next\n"


def test_what_is_no_file_is_not_read(log: Log) -> None:
    log.path.mkdir()
    log.live.close()
    assert log.take() == ""
