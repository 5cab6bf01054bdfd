"""The examples of the documentation run, as a reader of each page would run them."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.support.pages import RUN, Block, blocks, named
from tests.support.ports import free_port
from tests.support.servers import ROOT, environment, progress_server

SHELL: Final = frozenset({"sh", "shell", "bash"})
LANGUAGES: Final = frozenset({*SHELL, "python", "lua"})
PATIENCE_S: Final = 90
DEFAULT_PORTS: Final = ("8080", "5100")
# The states of a page's jobs at its end, by the job names of the examples.
REPORTED: Final[dict[str, dict[str, str]]] = {
    "README.md": {"backup": "active", "shot 12": "completed", "count": "active"},
    "pictures.md": {"dalle:simple:0x1234": "completed"},
    "quickstart.md": {"encode-7": "completed", "nightly-2": "completed", "nightly-3": "active"},
    "reporting.md": {
        "shot 13": "completed",
        "render": "completed",
        "shot 14": "completed",
        "job_12345": "completed",
        "job_777": "completed",
        "a": "failed",
        "twice": "active",
    },
    "run.md": {"nightly backup": "completed"},
    "stream.md": {"stream-1": "active"},
}
RUNNING: Final = [page for page in RUN if any(each.language in LANGUAGES for each in blocks(page))]


class Reader:
    """A reader who follows one page from top to bottom, in one directory, with their own home."""

    def __init__(self, directory: Path, ports: tuple[str, str], stack: ExitStack) -> None:
        self.directory, self._ports, self._stack = directory, ports, stack
        self.home = directory / "home"
        self.work = directory / "work"
        for each in (self.home, self.work, directory / "bin"):
            each.mkdir()
        curl = directory / "bin" / "curl"
        # In a page, an answer that is an error must not pass for one that was expected.
        curl.write_text(f'#!/bin/sh\nexec {shutil.which("curl")} --fail-with-body --max-time 60 "$@"\n')
        curl.chmod(0o755)
        for name in ("clients", "deploy", "examples"):
            (self.work / name).symlink_to(ROOT / name)

    @property
    def _environment(self) -> dict[str, str]:
        path = os.pathsep.join([str(self.directory / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
        return environment(
            PATH=path,
            HOME=str(self.home),
            XDG_CONFIG_HOME=str(self.home / ".config"),
            XDG_DATA_HOME=str(self.home / ".local" / "share"),
            XDG_STATE_HOME=str(self.home / ".local" / "state"),
            PHASELINE_BIND=",".join(f"127.0.0.1:{port}" for port in self._ports),
            PHASELINE_PICTURE_SIZE="64x64",
            PROGRESS_URL=f"http://127.0.0.1:{self._ports[1]}",
            LUA_PATH=f"{ROOT}/clients/lua/?.lua;;",
        )

    def _command(self, block: Block) -> list[str]:
        text = block.text
        for default, port in zip(DEFAULT_PORTS, self._ports, strict=True):
            text = re.sub(rf"(localhost|127\.0\.0\.1):{default}\b", rf"\1:{port}", text)
        if block.language == "python":
            return [sys.executable, "-c", text]
        if block.language == "lua":
            return ["lua5.1", "-e", text]
        return ["bash", "-euo", "pipefail", "-c", text]

    def follow(self, block: Block) -> None:
        """Follow the instructions of a block."""
        if block.note == "not run":
            check = ["bash", "-n", "-c", block.text]
            if block.language == "python":
                check = [sys.executable, "-c", "import ast, sys; ast.parse(sys.argv[1])", block.text]
            subprocess.run(check, check=True, timeout=PATIENCE_S)
        elif block.note == "background":
            self._stack.enter_context(self._background(block))
        else:
            done = subprocess.run(
                self._command(block),
                cwd=self.work,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=PATIENCE_S,
                check=False,
            )
            assert done.returncode == 0, f"line {block.line}:\n{block.text}\n{done.stdout}"

    def states(self) -> dict[str, str]:
        """Return the states of all jobs, by their ids and by their names."""
        jobs = httpx.get(
            f"http://127.0.0.1:{self._ports[0]}/progress/jobs", timeout=PATIENCE_S, trust_env=False, verify=False
        ).json()["jobs"]
        return {name: job["state"] for job in jobs for name in (job["job_id"], job["name"])}

    @contextmanager
    def _background(self, block: Block) -> Iterator[None]:
        """Run a block in the background; return once it has printed the expected text."""
        log = self.directory / f"background-{block.line}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                self._command(block),
                cwd=self.work,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            until = time.monotonic() + PATIENCE_S
            while not re.search(block.about, log.read_text()):
                assert process.poll() is None, f"line {block.line} ended:\n{log.read_text()}"
                assert time.monotonic() < until, f"line {block.line} did not print {block.about}:\n{log.read_text()}"
                time.sleep(0.05)
            yield
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(30)
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[tuple[str, str], Path]]:
    """Run a server for the pages that start none; return its ports (8080 and 5100 in the pages) and its data."""
    ports = (str(free_port()), str(free_port()))
    directory = tmp_path_factory.mktemp("shared")
    with progress_server(
        directory, "--picture-size", "64x64", "--bind", f"127.0.0.1:{ports[1]}", bind=f"127.0.0.1:{ports[0]}"
    ):
        yield ports, directory


@pytest.mark.slow
@pytest.mark.needs("bash", "curl", "jq", "lua5.1")
@pytest.mark.parametrize("page", named(RUNNING))
def test_every_example_of_the_page_runs(page: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    examples = [each for each in blocks(page) if each.language in LANGUAGES]
    starts = any(each.note == "background" and "progress-server" in each.text for each in examples)
    ports, data = ((str(free_port()), str(free_port())), None) if starts else request.getfixturevalue("shared")
    with ExitStack() as stack:
        reader = Reader(tmp_path, ports, stack)
        if data is not None:
            (reader.home / "phaseline").symlink_to(data)
        for each in examples:
            reader.follow(each)
        if expected := REPORTED.get(page.name):
            assert expected.items() <= reader.states().items()
