"""Real output of installed programs, and the progress that is read from it."""

from collections.abc import Sequence
from typing import Final

import pytest

from phaseline_cli.run.adapter import load
from phaseline_cli.run.progress import Reading
from phaseline_cli.run.reader import Reader

Case = tuple[str, str, Sequence[str], Reading, str | None]
CASES: Final[dict[str, Case]] = {
    "7z": (
        "7z a out.7z data",
        "Scanning the drive:\n1 folder\n\nCreating archive: out.7z\n\n  0%\b\b\b\b    \b\b\b\b 42% + data/f1",
        ["scan", "compress"],
        Reading("compress", 0.42, 0.42),
        None,
    ),
    "apt, in a terminal": (
        "apt-get install sox",
        "Reading package lists... Done\r\n\r 0% [Working]\r45% [2 sox 1234 B/5678 kB 22%]    12.3 kB/s 5s",
        ["read lists", "download"],
        Reading("download", 0.45),
        None,
    ),
    "bats": (
        "bats t.bats",
        "1..3\nok 1 one\nnot ok 2 three fails\n# (in test file t.bats, line 4)\n",
        ["test"],
        Reading("test", 2 / 3, 2 / 3, 2, 3, "tests", "three fails"),
        "not ok 2 three fails",
    ),
    "bats in a terminal": (
        "bats t.bats",
        (
            "\x1b[34;1mt.bats\n\x1b[0m\x1b[1G   one\x1b[K\x1b[77G1/3\x1b[2G\x1b[1G \u2713 one\x1b[K\n"
            "\x1b[0m\x1b[1G   two\x1b[K\x1b[77G2/3\x1b[2G"
        ),
        ["test"],
        Reading("test", None, 1 / 3, None, None, "", "two"),
        None,
    ),
    "cargo test": (
        "cargo test",
        (
            "   Compiling crt v0.1.0 (/crt)\n     Running unittests src/lib.rs (target/debug/deps/crt-b)\n\n"
            "running 4 tests\n"
            "test tests::ig ... ignored\ntest tests::one ... ok\ntest tests::bad ... FAILED\n\n"
            "thread 'tests::bad' (17134) panicked at src/lib.rs:2:81:\nerror: test failed, to rerun pass `--lib`\n"
        ),
        ["build", "test"],
        Reading("test", 0.75, None, 3, 4, "tests", "tests::bad"),
        "thread 'tests::bad' (17134) panicked at src/lib.rs:2:81:",
    ),
    "cppcheck": (
        "cppcheck csrc",
        "Checking csrc/a1.c ...\n1/8 files checked 12% done\nChecking csrc/a2.c ...\n",
        ["check"],
        Reading("check", 0.12, 0.12, 1, 8, "files", "csrc/a2.c"),
        None,
    ),
    "ctest": (
        "ctest --test-dir build",
        (
            "    Start 1: a\n1/4 Test #1: a ................................   Passed    0.31 sec\n    Start 3: c\n"
            "2/4 Test #3: c ................................***Failed    0.00 sec\n    Start 2: b\n"
        ),
        ["test"],
        Reading("test", 0.5, 0.5, 2, 4, "tests", "b"),
        "2/4 Test #3: c ................................***Failed    0.00 sec",
    ),
    "e2fsck": (
        "e2fsck -f -C 0 fs.img",
        "Pass 1: Checking inodes, blocks, and sizes\nfs.img: |=                                                       |"
        "  1.8%   \r" + " " * 80 + "\rPass 2: Checking directory structure\n",
        ["pass 1", "pass 2"],
        Reading("pass 2", None, 1.8 / 100, None, None, "", "Checking directory structure"),
        None,
    ),
    "fdupes": (
        "fdupes -r data",
        "\rBuilding file list - \rBuilding file list \\ \rProgress [0/12] 0% \rProgress [3/12] 25% \r",
        ["list files", "compare"],
        Reading("compare", 0.25, None, 3, 12, "files"),
        None,
    ),
    "ghostscript": (
        "gs -o out.png in.pdf",
        "GPL Ghostscript 10.00.0 (2022-09-21)\nProcessing pages 1 through 8.\nPage 1\nPage 2\n",
        ["write pages"],
        Reading("write pages", 0.25, 0.25, 2, 8, "pages"),
        None,
    ),
    "genisoimage": (
        "genisoimage -o out.iso data",
        (
            "  9.47% done, estimate finish Sun Nov 29 16:50:22 2026\n"
            " 18.93% done, estimate finish Sun Nov 29 16:50:22 2026\n"
        ),
        ["write"],
        Reading("write", 0.1893, 0.1893),
        None,
    ),
    "googletest": (
        "./g",
        (
            "[==========] Running 4 tests from 2 test suites.\n[ RUN      ] A.a\n[       OK ] A.a (0 ms)\n"
            "[ RUN      ] A.b\ng.cc:3: Failure\n[  FAILED  ] A.b (0 ms)\n[ RUN      ] B.c\n[  SKIPPED ] B.c (0 ms)\n"
        ),
        ["test"],
        Reading("test", 0.75, 0.75, 3, 4, "tests", "B.c"),
        "[  FAILED  ] A.b (0 ms)",
    ),
    "hashcat": (
        "hashcat -m 0 hashes words",
        (
            "Status...........: Running\nRecovered........: 1/5 (20.00%) Digests\n"
            "Progress.........: 250000/1000000 (25.00%)\nRejected.........: 0/250000 (0.00%)\n"
        ),
        ["crack"],
        Reading("crack", 0.25, 0.25, 250000, 1000000, "candidates"),
        None,
    ),
    "make": (
        "make install",
        (
            "make[1]: Entering directory '/x/lib'\ngcc -O2 -c x.c -o x.o\nar rcs libx.a x.o\n"
            "make[1]: Leaving directory '/x/lib'\nmake[1]: Entering directory '/x/src'\ngcc -O2 -c m.c -o m.o\n"
            "gcc m.o -o app ../lib/libx.a\nmake[1]: Leaving directory '/x/src'\ninstall -d out\n"
        ),
        ["compile", "link", "install"],
        Reading("install"),
        None,
    ),
    "make, quietly": (
        "make -j8",
        "Making all in src\n  CC       a.o\n  CCLD     a\n  CC       b.o\n  CCLD     b\n",
        ["compile", "link"],
        Reading("compile", None, None, None, None, "", "src"),
        None,
    ),
    "maven": (
        "mvn package",
        (
            "[INFO] Scanning for projects...\n[INFO] Building core 1.0    [1/4]\n[INFO] Building cli 1.0     [2/4]\n"
            "[ERROR] COMPILATION ERROR : \n[ERROR] Failed to execute goal on cli\n[ERROR] -> [Help 1]\n"
        ),
        ["build"],
        Reading("build", None, 0.25, None, None, "", "cli 1.0"),
        "[ERROR] Failed to execute goal on cli",
    ),
    "mke2fs": (
        "mkfs.ext4 -F fs.img",
        (
            "Discarding device blocks:      0/307200\b\b\b\b\b\b\b\b\b\b\b\b\b      \b\b\b\b\b\bdone\n"
            "Writing inode tables:  0/38\b\b\b\b\b19/38\b\b\b\b\b"
        ),
        ["discard blocks", "write inode tables"],
        Reading("write inode tables", 0.5, None, 19, 38),
        None,
    ),
    "mksquashfs": (
        "mksquashfs data out.sq",
        (
            "Creating 4.0 filesystem on out.sq, block size 131072.\n\n"
            "\r[=======================-                       ] 414/828  50%"
        ),
        ["compress"],
        Reading("compress", 0.5, 0.5, 414, 828, "blocks"),
        None,
    ),
    "nmap": (
        "nmap --stats-every 1s host",
        (
            "Stats: 0:00:04 elapsed; 0 hosts completed (1 up), 1 undergoing SYN Stealth Scan\n"
            "SYN Stealth Scan Timing: About 51.37% done; ETC: 02:33 (0:00:04 remaining)\n"
        ),
        ["SYN Stealth Scan"],
        Reading("SYN Stealth Scan", 51.37 / 100),
        None,
    ),
    "partclone": (
        "partclone.dd -s a -o b",
        (
            "Partclone v0.3.23 http://partclone.org\n"
            "Elapsed: 00:00:01, Remaining: 00:00:03, Completed: 25.00%, Rate: 1.2GB/min,\n"
            "current block:      20480, total block:      81920, Complete:  24.00%\n"
            "open target fail b: File exists (17)\nError exit\n"
        ),
        ["copy"],
        Reading("copy", 0.25, 0.25),
        "open target fail b: File exists (17)",
    ),
    "par2": (
        "par2 create -r5 out.par2 data/f1",
        (
            "Opening: data/f1\nComputing Reed Solomon matrix.\n"
            "Constructing: 0.0%\rConstructing: done.\nProcessing: 40.8%\r"
        ),
        ["open", "construct", "process"],
        Reading("process", 0.408),
        None,
    ),
    "sphinx": (
        "sphinx-build doc _b",
        (
            "\x1b[2K\x1b[01mreading sources... \x1b[39;49;00m[ 15%] \x1b[35mp1\x1b[39;49;00m\r"
            "\x1b[2K\x1b[01mwriting output... \x1b[39;49;00m[ 46%] \x1b[32mp2\x1b[39;49;00m\r"
        ),
        ["read", "write"],
        Reading("write", 0.46, None, None, None, "", "p2"),
        None,
    ),
    "unsquashfs": (
        "unsquashfs out.sq",
        "12 inodes (828 blocks) to write\n\n\r[======|                  ] 210/840  25%",
        ["extract"],
        Reading("extract", 0.25, 0.25, 210, 840, "blocks"),
        None,
    ),
    "xorriso": (
        "xorriso -as mkisofs -o out.iso data",
        "xorriso : UPDATE :      12 files added in 1 seconds\nxorriso : UPDATE :  64.52% done\n",
        ["add files", "write"],
        Reading("write", 0.6452),
        None,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_progress_is_read_from_the_output_of_a_program(name: str) -> None:
    command, printed, phases, last, error = CASES[name]
    reader = Reader(load(), command.split())
    list(reader.feed(0.0, "pty", printed.encode()))
    list(reader.quiet(0.1))
    assert reader.progress.phases == phases
    assert reader.progress.now == last
    assert reader.end(1).error == error
