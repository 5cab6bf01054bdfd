"""Bars of the real tqdm and rich libraries, as subscribers of a real server receive them."""

import io
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import tqdm as real
import trio
from rich.console import Console
from rich.progress import Progress

from phaseline.reporting import JobReporter, Reporter
from phaseline.reporting.rich import follow
from phaseline.reporting.tqdm import tqdm, trange
from tests.support.reporting import Message, Subscriber, run_program, subscriber, ws_url
from tests.support.servers import ServerProcess, server_process


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    async with server_process(tmp_path) as running:
        yield running


@pytest.fixture
async def watching(server: ServerProcess) -> AsyncIterator[Subscriber]:
    async with subscriber(server.url, "jobs") as found:
        yield found


@pytest.fixture
async def reporter(server: ServerProcess) -> AsyncIterator[Reporter]:
    async with Reporter(ws_url(server.url), flush_timeout=60) as made:
        yield made


def stages(messages: list[Message]) -> list[tuple[str, Any]]:
    """Return the completed stages with their counts."""
    return [(m["stage"], m["result"]["count"]) for m in messages if m["type"] == "stage_completed"]


def last_progress(messages: list[Message]) -> tuple[str, float, str]:
    progress = [(m["stage"], m["progress"], m["message"]) for m in messages if m["type"] == "job_progress"]
    return progress[-1] if progress else ("", 0, "")


@pytest.mark.parametrize("disable", [False, True])
async def test_a_tqdm_bar_is_a_phase_of_a_job(reporter: Reporter, watching: Subscriber, disable: bool) -> None:
    shown = io.StringIO()
    with reporter.job("bars", phases=["load", "render"]) as job:
        seen = list(tqdm(range(50), job=job, phase="load", file=shown, disable=disable))
        with tqdm(total=4.5, job=job, desc="render", unit="GB", file=shown, disable=disable) as bar:
            bar.update(2)
            bar.update(2.5)
    assert seen == list(range(50))
    assert ("50/50" in shown.getvalue()) is not disable
    messages = await watching.until_type("job_completed")
    assert stages(messages) == [("load", 50), ("render", 4.5)]
    assert last_progress(messages) == ("render", 100, f"4.5 of 4.5 {'it' if disable else 'GB'}")


async def test_a_single_tqdm_bar_is_a_separate_job(reporter: Reporter, watching: Subscriber) -> None:
    bar = trange(10, desc="render: ", reporter=reporter, file=io.StringIO())
    assert isinstance(bar, real.tqdm)
    assert sum(bar) == 45
    messages = await watching.until_type("job_completed")
    assert (messages[0]["name"], messages[0]["stages"]) == ("render", ["render"])
    assert stages(messages) == [("render", 10)]


async def test_a_tqdm_bar_left_early_is_cancelled_and_by_an_exception_failed(
    reporter: Reporter, watching: Subscriber
) -> None:
    for n in tqdm(range(10), desc="early", reporter=reporter, file=io.StringIO()):
        if n == 3:
            break
    await watching.until_type("job_failed")
    assert watching.messages[-1]["state"] == "cancelled"
    assert watching.messages[-1]["result"]["error"].startswith("left at ")
    with pytest.raises(OSError, match="no disk"), tqdm(total=3, desc="bad", reporter=reporter, file=io.StringIO()):
        raise OSError("no disk")
    await watching.until_type("job_failed", 2)
    result = {"error": "no disk", "error_type": "OSError"}
    assert (watching.messages[-1]["state"], watching.messages[-1]["result"]) == ("failed", result)


@pytest.mark.slow
async def test_only_the_import_has_to_change(server: ServerProcess, watching: Subscriber) -> None:
    code = "from phaseline.reporting.tqdm import tqdm\nfor _ in tqdm(range(1000), desc='work'): pass"
    done = await run_program(code, env={"PROGRESS_URL": ws_url(server.url)})
    assert b"1000/1000" in done.stderr
    messages = await watching.until_type("job_completed")
    assert stages(messages) == [("work", 1000)]


@pytest.mark.parametrize("terminal", [False, True])
async def test_the_tasks_of_a_rich_progress_are_phases(
    reporter: Reporter, watching: Subscriber, terminal: bool
) -> None:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=80)
    with (
        reporter.job("rich", phases=["load", "render"]) as job,
        Progress(console=console) as progress,
        follow(progress, job) as same,
    ):
        assert same is progress
        later = progress.add_task("[bold]render[/bold]", total=8, start=False)
        for _ in progress.track(range(30), description="load"):
            pass
        progress.start_task(later)
        progress.update(later, advance=2)
        await watching.until(lambda messages: last_progress(messages) == ("render", 25, "2 of 8"))
        progress.update(later, advance=6)
    messages = await watching.until_type("job_completed")
    assert stages(messages) == [("load", 30), ("render", 8)]


async def test_a_rich_task_ends_once_even_if_the_block_ends_during_a_sample(
    reporter: Reporter, watching: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[threading.Thread] = []
    complete = JobReporter.complete

    def slowly(job: JobReporter, phase: str, **result: Any) -> None:
        if not looks:  # the background thread, because nothing else looks before the block's end
            looks.append(threading.current_thread())
            entered.set()
            left.wait(0.5)
        complete(job, phase, **result)

    monkeypatch.setattr(JobReporter, "complete", slowly)
    entered, left = threading.Event(), threading.Event()
    with reporter.job("rich", phases=["load"]) as job, Progress(disable=True) as progress:
        with follow(progress, job):
            list(progress.track(range(3), description="load"))
            assert await trio.to_thread.run_sync(entered.wait, 60)
        left.set()
    messages = await watching.until_type("job_completed")
    assert stages(messages) == [("load", 3)]
    assert looks[0].name == "phaseline-reporter"


async def test_rich_tasks_of_unknown_length_and_odd_names_are_reported(
    reporter: Reporter, watching: Subscriber
) -> None:
    with reporter.job("rich") as job, Progress(disable=True) as progress, follow(progress, job):
        task = progress.add_task("of the [/wrong] kind", total=None)
        progress.update(task, advance=3)
    messages = await watching.until_type("job_completed")
    stage, _, text = last_progress(messages)
    assert (stage, text) == ("of the [/wrong] kind", "3")


async def test_bars_within_a_bars_loop_are_steps_of_its_job(reporter: Reporter, watching: Subscriber) -> None:
    hidden = io.StringIO()

    def batches(count: int, name: str) -> Iterator[int]:
        return iter(tqdm(range(count), desc=name, reporter=reporter, file=hidden, miniters=1, mininterval=0))

    for epoch in tqdm(range(3), desc="epochs", unit="epoch", reporter=reporter, file=hidden, miniters=1, mininterval=0):
        for batch in batches(4, "train"):
            if (epoch, batch) == (1, 2):
                # 1 of 3 epochs, and 2 of the 4 + 2 batches that the first one had
                await watching.until(
                    lambda messages: last_progress(messages)[2] == "1 of 3 epoch; train 2 of 4 it",
                )
                assert last_progress(watching.messages)[1] == pytest.approx(100 * (1 + 2 / 6) / 3, abs=0.1)
        assert sum(batches(2, "check")) == 1
    with tqdm(total=2, desc="files", reporter=reporter, file=hidden) as files:
        for _ in range(2):
            with tqdm(total=8, desc="copy", reporter=reporter, file=hidden) as copy:
                copy.update(8)
            files.update()
    messages = await watching.until_type("job_completed", 2)
    assert [message["name"] for message in messages if message["type"] == "job_started"] == ["epochs", "files"]
    assert stages(messages) == [("epochs", 3), ("files", 2)]
    progress = [m["progress"] for m in messages if m["type"] == "job_progress" and m["stage"] == "epochs"]
    assert progress == sorted(progress)


async def test_bars_side_by_side_and_bars_after_another_are_jobs(reporter: Reporter, watching: Subscriber) -> None:
    def bar(name: str) -> tqdm:
        return tqdm(total=2, desc=name, reporter=reporter, file=io.StringIO())

    one, two = bar("one"), bar("two")
    for each in (one, two):
        each.update(2)
        each.close()
    assert list(tqdm(range(2), desc="three", reporter=reporter, file=io.StringIO())) == [0, 1]
    for _ in tqdm(range(2), desc="four", reporter=reporter, file=io.StringIO()):
        thread = threading.Thread(target=lambda: list(trange(3, desc="five", reporter=reporter, file=io.StringIO())))
        thread.start()
        thread.join()
        break
    messages = await watching.until_type("job_failed")
    started = [message["name"] for message in messages if message["type"] == "job_started"]
    assert started == ["one", "two", "three", "four", "five"]
