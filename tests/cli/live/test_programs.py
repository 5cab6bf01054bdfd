"""Real programs under `phaseline run`, in a terminal and through pipes: nothing changes, and progress is reported."""

import re
import threading
from collections.abc import Iterator
from functools import partial
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.live.programs import PROGRAMS, PYTEST, Program, make_inputs
from tests.support.commands import PHASELINE
from tests.support.ports import free_port
from tests.support.servers import progress_server
from tests.support.terminals import Ended, in_pipes, in_terminal

pytestmark = pytest.mark.slow

NEEDS = {name: pytest.mark.needs(name) for name in ("apt-get", "yt-dlp")}
WAYS = {"pipe": in_pipes, "pty": in_terminal}
_ESCAPE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in the library
        """Write no log."""


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("live") / "in"
    make_inputs(folder)
    return folder


@pytest.fixture(scope="module")
def http(inputs: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(inputs))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with progress_server(tmp_path_factory.mktemp("server"), bind=f"127.0.0.1:{free_port()}") as url:
        yield url


def unvarying(ended: Ended, program: Program) -> list[str]:
    """Return the lines that are the same in each run."""
    text = _ESCAPE.sub("", ended.printed.decode(errors="replace"))
    lines = [line.strip("\0 ") for line in re.split(r"[\r\n\x08]+", text)]
    return [line for line in lines if line and not (program.meter and re.search(program.meter, line))]


def written(folder: Path) -> dict[str, str]:
    """Return the digests of the files that a program wrote."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and ".git" not in path.parts)
    return {
        str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest()
        for path in files
        if "__pycache__" not in path.parts and not path.name.startswith(".ninja")
    }


@pytest.mark.needs("7zz", "convert", "curl", "ffmpeg", "git", "ninja", "pv", "rsync", "wget", "xz", "zstd")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", [pytest.param(name, marks=NEEDS.get(name, ())) for name in PROGRAMS])
def test_a_program_runs_unchanged_and_is_reported(
    name: str, way: str, inputs: Path, http: str, url: str, env: dict[str, str]
) -> None:
    program = PROGRAMS[name]
    argv = [word.format(http=http, **{"in": inputs}) if "{" in word else word for word in program.argv]
    env |= {"PROGRESS_URL": url, "LC_ALL": "C.UTF-8", "TERM": "xterm"}
    env["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # ours take two seconds to import
    job_id = f"{name}-{way}"
    results = []
    to_file = ["sh", "-c", 'exec "$@" > out', "sh"] if program.to_file else []
    for folder, ours in (("plain", []), ("ours", [PHASELINE, "run", "--id", job_id, "--"])):
        here = inputs.parent / f"{job_id}-{folder}"
        here.mkdir()
        (here / "test_shots.py").write_text(PYTEST)
        ended = WAYS[way]([*to_file, *ours, *argv], here, env)
        results.append((ended.code, unvarying(ended, program), written(here)))
    assert results[0] == results[1]
    assert results[0][0] == 0, results[0]
    check_report(program, way, url, job_id)


def check_report(program: Program, way: str, url: str, job_id: str) -> None:
    with httpx.Client(base_url=url, trust_env=False, verify=False, timeout=60) as client:
        status = client.get(f"/progress/job/{job_id}").json()["job_status"]
        messages = client.get(f"/progress/events?channels=job:{job_id}&limit=1000").json()["messages"]
    assert (status["state"], status["result"]) == ("completed", {"exit_code": 0})
    assert status["series"] == program.series
    seen = [message["stage"] for message in messages if message["type"] == "job_progress"]
    phases = tuple(dict.fromkeys(seen))
    if program.phases is not None:
        assert phases == program.phases[-len(phases) :], "a quick phase may be over before the first report"
        assert phases[-1:] == program.phases[-1:]
    if program.fraction and (way == "pty" or program.pipe_fraction):
        assert any(message.get("progress") for message in messages), messages
