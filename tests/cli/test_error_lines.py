"""The line with the error, among the last lines of programs that fail."""

from typing import Final

import pytest

from phaseline_cli.run.adapter import load
from phaseline_cli.run.reader import Reader

CASES: Final = [
    ("x", ("Unknown option 'limit-rate'\nTry `x --help'\n"), "Unknown option 'limit-rate'"),
    (
        "java -jar x",
        (
            "starting\n"
            'Exception in thread "main" java.lang.NullPointerException: foo is null\n'
            "\tat Foo.bar(Foo.java:12)\n"
            "Caused by: java.io.IOException: disk\n"
            "\t... 12 more\n"
        ),
        'Exception in thread "main" java.lang.NullPointerException: foo is null',
    ),
    (
        "./rust",
        ("thread 'main' panicked at src/main.rs:2:5:\nindex out of bounds\nnote: run with `RUST_BACKTRACE=1`\n"),
        "thread 'main' panicked at src/main.rs:2:5:",
    ),
    (
        "./cpp",
        (
            "terminate called after throwing an instance of 'std::runtime_error'\n"
            "  what():  bad frame 12\n"
            "Aborted (core dumped)\n"
        ),
        "what():  bad frame 12",
    ),
    ("perl x.pl", ("working\nno input at x.pl line 3.\n"), "no input at x.pl line 3."),
    (
        "ruby x.rb",
        ("x.rb:1:in `foo': boom (RuntimeError)\n\tfrom x.rb:3:in `<main>'\n"),
        "x.rb:1:in `foo': boom (RuntimeError)",
    ),
    (
        "icoFoam",
        ('\n\n--> FOAM FATAL ERROR: \nCannot find file "points"\n\n    From function foo\nFOAM exiting\n'),
        'Cannot find file "points"',
    ),
    (
        "gmx mdrun",
        (
            "-------------------------------------------------------\n"
            "Program:     gmx mdrun, version 2022\n"
            "Source file: src/x.cpp (line 12)\n"
            "\n"
            "Fatal error:\n"
            "The system is exploding\n"
            "\n"
            "For more information\n"
        ),
        "The system is exploding",
    ),
    (
        "ssh host",
        "ssh: connect to host x port 22: Connection refused\n",
        "ssh: connect to host x port 22: Connection refused",
    ),
    (
        "scp a b:",
        ("big.bin   45%\rclient_loop: send disconnect: Broken pipe\nlost connection\n"),
        "client_loop: send disconnect: Broken pipe",
    ),
    ("gzip -t x", "gzip: x.gz: unexpected end of file\n", "gzip: x.gz: unexpected end of file"),
    ("gzip -t x", ("\ngzip: x.gz: not in gzip format\n"), "gzip: x.gz: not in gzip format"),
    (
        "unzip x",
        (
            "Archive:  x.zip\n"
            "  End-of-central-directory signature not found.  Either this file is not\n"
            "  a zipfile\n"
            "unzip:  cannot find zipfile directory in one of x.zip\n"
        ),
        "unzip:  cannot find zipfile directory in one of x.zip",
    ),
    (
        "aria2c x",
        (
            "\n"
            "11/28 12:00:00 [\x1b[1;31mERROR\x1b[0m] CUID#7 - Download aborted. URI=http://x\n"
            "Exception: [x.cc:1] errorCode=3 Resource not found\n"
        ),
        "Exception: [x.cc:1] errorCode=3 Resource not found",
    ),
    (
        "hashcat x",
        ("hashcat (v6.2.6) starting\n\nHashfile 'x' on line 1 (abc): Token length exception\nNo hashes loaded.\n"),
        "Hashfile 'x' on line 1 (abc): Token length exception",
    ),
    (
        "bash x.sh",
        "x.sh: line 3:  1234 Segmentation fault      (core dumped) ./foo\n",
        "x.sh: line 3:  1234 Segmentation fault      (core dumped) ./foo",
    ),
    (
        "mount x",
        "mount: /mnt: wrong fs type, bad option, bad superblock on /dev/loop0\n",
        "mount: /mnt: wrong fs type, bad option, bad superblock on /dev/loop0",
    ),
    (
        "gradle build",
        (
            "FAILURE: Build failed with an exception.\n"
            "\n"
            "* What went wrong:\n"
            "Execution failed for task ':compileJava'.\n"
            "> Compilation failed; see the compiler error output\n"
            "\n"
            "BUILD FAILED in 1s\n"
        ),
        "Execution failed for task ':compileJava'.",
    ),
    ("go build", "./x.go:3:2: undefined: foo\n", "./x.go:3:2: undefined: foo"),
    (
        "pdflatex x",
        ("! Undefined control sequence.\nl.3 \\foo\nNo pages of output.\n"),
        "! Undefined control sequence.",
    ),
    (
        "jest",
        ("FAIL ./a.test.js\n  ● adds\n    expect(received).toBe(expected)\nTests:       1 failed, 3 total\n"),
        "FAIL ./a.test.js",
    ),
    (
        "tool x",
        "bad magic number in super-block while trying to open fs.img\n",
        "bad magic number in super-block while trying to open fs.img",
    ),
    (
        "make",
        ("cat: x: No such file or directory\nmake: *** [Makefile:2: all] Error 1\n"),
        "cat: x: No such file or directory",
    ),
    (
        "make",
        (
            "/usr/bin/ld: a.o: undefined reference to `foo'\n"
            "collect2: error: ld returned 1 exit status\n"
            "make: *** [a] Error 1\n"
        ),
        "/usr/bin/ld: a.o: undefined reference to `foo'",
    ),
    (
        "lightgbm config=x",
        "[LightGBM] [Fatal] Data file x doesn't exist.\n",
        "[LightGBM] [Fatal] Data file x doesn't exist.",
    ),
]


@pytest.mark.parametrize(("command", "printed", "line"), CASES)
def test_the_error_line_is_found(command: str, printed: str, line: str) -> None:
    reader = Reader(load(), command.split())
    list(reader.feed(0.0, "stderr", printed.encode()))
    assert reader.end(1).error == line
