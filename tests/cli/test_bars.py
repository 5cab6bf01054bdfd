import random

import pytest

from phaseline_cli.run.adapter import load
from phaseline_cli.run.progress import Reading
from phaseline_cli.run.reader import Reader


def read(*rows: str, argv: tuple[str, ...] = ()) -> Reader:
    reader = Reader(load(), argv)
    for time, row in enumerate(rows):
        list(reader.feed(float(time), "pty", row.encode()))
    list(reader.quiet(float(len(rows))))
    return reader


def test_a_number_that_rises_in_one_place_is_progress() -> None:
    reader = read("\rcopying  1%", "\rcopying  9%", "\rcopying 30%", "\rcopying 42%")
    assert reader.progress.now.run == 0.42
    assert reader.progress.phases == ["copying"]


def test_a_percent_that_is_printed_once_is_not_progress() -> None:
    reader = read("i16 v,h,dc,p: 36% 23%\n", "Building BVH 0%\n", "TOTAL     120    13    89%\n", "done\n")
    assert reader.progress.now.fraction is None
    assert reader.progress.now.run is None


def test_a_number_that_does_not_begin_near_zero_is_not_progress() -> None:
    reader = read(*(f"\rcpu {n}%" for n in (40, 52, 61, 70, 80)))
    assert reader.progress.now.run is None


def test_an_outer_bar_counts_rounds_and_the_inner_one_is_its_phase() -> None:
    rows = ["\r"]
    for outer in range(2):
        for inner in range(11):
            above = f"Pass: {outer * 50}%|{'#' * 20}| {outer}/2 [00:01]"
            below = f"Files: {inner * 10}%|{'#' * 20}| {inner}/10 [00:01]"
            rows.append(f"\r{above}\n\r{below}\x1b[A")
    reader = read(*rows[:-5])
    assert reader.progress.now.phase == "pass 2"
    assert reader.progress.now.fraction == 0.5
    assert reader.progress.now.run == 0.75


def test_two_bars_one_after_the_other_are_two_phases_and_the_run_is_unknown() -> None:
    first = [f"\rPacking  [{'#' * 10}{'-' * 10}]  {n}/20" for n in range(0, 21, 4)]
    second = [f"\rVerifying  [{'#' * 10}{'-' * 10}]  {n}%" for n in range(0, 61, 20)]
    reader = read(*first, "\n", *second)
    assert reader.progress.phases == ["Packing", "Verifying"]
    assert reader.progress.now.fraction == 0.6
    assert reader.progress.now.run is None


def test_osc_progress_is_used_at_once() -> None:
    assert read("\x1b]9;4;1;42\x1b\\").progress.now.run == 0.42


def test_lines_in_the_forms_of_render_farms_are_used_at_once() -> None:
    for line in ("openjd_progress: 42", "ALF_PROGRESS 42%", "TR_PROGRESS 042%", "PROGRESS: 42%"):
        assert read(f"{line}\n").progress.now.run == 0.42
    reader = read("##vso[task.setprogress value=42;]Upload\n")
    assert (reader.progress.now.run, reader.progress.now.text) == (0.42, "Upload")
    assert read("openjd_fail: no licence\n").end(1).error == "no licence"


def test_a_bar_beside_such_lines_is_ignored() -> None:
    bar = [f"\rcopying {n}%" for n in (1, 20, 30, 60)]
    assert read(*bar).progress.now.run == 0.6
    for first in ([], bar):
        now = read(*first, "\nPROGRESS: 40%\n", *bar, "\x1b]9;4;1;70\x1b\\").progress.now
        assert (now.fraction, now.run) == (0.4, 0.4)


def test_a_bar_of_the_next_program_is_used() -> None:
    reader = read("PROGRESS: 40%\n")
    reader.switch(["copy"], 1.0)
    for time, n in enumerate((1, 20, 30, 60), start=1):
        list(reader.feed(float(time), "pty", f"\rcopying {n}%".encode()))
    list(reader.quiet(9.0))
    assert reader.progress.now.run == 0.6


def test_binary_data_is_not_read_as_a_bar() -> None:
    reader = Reader(load())
    for number in range(20):
        list(reader.feed(number / 100, "stdout", random.Random(number).randbytes(65_536)))
    assert reader.progress.now == Reading()


def test_the_ratio_that_zstd_prints_as_a_percent_is_not_progress() -> None:
    reader = read("\rRead:  2.50 MiB /  10.0 MiB ==> 35%", argv=("zstd", "-19", "big"))
    assert reader.progress.now.run == 0.25


def test_a_bar_that_begins_again_is_not_full_any_more() -> None:
    bars = [f"\r{n:3}%|{'#' * (n // 10):10}| {n}/100 [00:01<00:01, 1it/s]" for n in (0, 50, 100, 0, 20, 40)]
    reader = read(*bars)
    assert (reader.progress.now.fraction, reader.progress.now.run) == (0.4, None)


def test_a_number_whose_first_step_is_as_large_as_the_others_is_progress() -> None:
    assert read(*(f"[{n} of 12] Compiling Main\n" for n in range(1, 7))).progress.now.run == 0.5
    assert read(*(f"solved {n}%\n" for n in (10, 20, 30, 40))).progress.now.run == 0.4
    assert read(*(f"load {n}%\n" for n in (40, 41, 42, 90))).progress.now.run is None


def test_a_line_whose_words_name_progress_is_used_at_once() -> None:
    for line in (
        "a.wav: 42% complete, ratio=0.5",
        "[ 42%] [ 0m03s remaining]",
        "x 42% 3.1MB/s 00:03 ETA",
        "Progress: 42%",
    ):
        assert read(f"\r{line}").progress.now.run == 0.42
    assert read("\rfree 42% remaining").progress.now.run is None


def test_the_scale_of_gdal_counts_its_tens_and_dots() -> None:
    rows = ["Input file size is 400, 300\n", *"0...10...20...30.."]
    assert read(*rows).progress.now.run == 0.35
    assert read("10...20...40").progress.now.run is None


def test_a_bar_of_one_epoch_does_not_show_how_far_the_run_is() -> None:
    for form in ("\repoch 001:  {0}%|###   | {0}/100 [00:01]", "\r   1/3   1.2G   640: {0}%|###   | {0}/100 [00:01]"):
        now = read(*(form.format(n) for n in (0, 20, 40, 60))).progress.now
        assert (now.fraction, now.run) == (0.6, None)


def test_of_two_percents_that_of_the_whole_is_used() -> None:
    assert read(*(f"\rTotal: {n}%  Chunk: {2 * n}%" for n in (1, 9, 30, 42))).progress.now.run == 0.42


def test_a_bar_without_its_own_name_is_the_run() -> None:
    for form in ("\r[-] {}% 1.2x realtime", "\rProgress: {}%", "\r2026-01-01 10:00:00 INFO [{}/100] a.jpg"):
        assert read(*(form.format(n) for n in (1, 9, 30, 42))).progress.phases == ["run"]


@pytest.mark.parametrize(
    "row", ["\rstep {0} acc: {0}0%", "\rcpu {0}0%", "\rdisk {0}0% used", "\rGPU 0 ({0}0% busy)", "\rhit rate {0}0.5 %"]
)
def test_a_percent_that_measures_something_else_is_not_progress(row: str) -> None:
    reader = read(*(row.format(number) for number in range(1, 8)))
    assert (reader.progress.now.fraction, reader.progress.phases) == (None, [])


def test_a_count_beside_a_measure_is_used() -> None:
    reader = read(*(f"\rtile {number}/10, accuracy {number}5%" for number in range(1, 6)))
    assert (reader.progress.now.run, reader.progress.phases) == (0.5, ["tile"])


def test_the_hash_of_a_layer_is_not_part_of_its_name() -> None:
    reader = read(*(f"\rpulling 6a0746a1ec1a: {number}0%" for number in range(6)))
    assert reader.progress.phases == ["pulling"]
