"""The choice of the data directory, by the installed program and by its rule."""

import json
import stat
import subprocess
from pathlib import Path

import pytest
import trio

from phaseline_server.access.grant import Scope
from phaseline_server.access.tokens import TokenFile
from phaseline_server.config.data_dir import default_data_dir
from tests.support.servers import SERVER, environment


async def started(folder: Path, *flags: str, **env: str) -> list[str]:
    """Start a server in `folder`, return its output until it listens, and end it."""
    process = await trio.lowlevel.open_process(
        [*SERVER, "--bind", "127.0.0.1:0", *flags], stderr=subprocess.PIPE, cwd=folder, env=environment(**env)
    )
    assert process.stderr is not None
    written = b""
    try:
        with trio.fail_after(60):
            while b"listening" not in written:
                chunk = await process.stderr.receive_some()
                assert chunk, written.decode()
                written += chunk
            process.terminate()
            assert await process.wait() == 0
    finally:
        process.kill()
        await process.wait()
        await process.stderr.aclose()
    return written.decode().splitlines()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.slow
async def test_a_server_without_a_data_directory_keeps_its_data_in_the_users_home(tmp_path: Path) -> None:
    here, home = tmp_path / "here", tmp_path / "home"
    here.mkdir()
    data = home / "share" / "phaseline"
    first, *_ = await started(here, XDG_DATA_HOME=str(home / "share"))
    assert first == f"data in {data}; choose another directory with --data-dir"
    assert list(here.iterdir()) == []
    assert (data / "journal.sqlite3").is_file()
    assert (mode(data), mode(data.parent)) == (0o700, 0o700)


@pytest.mark.slow
async def test_a_server_uses_the_current_directory_that_holds_its_data(tmp_path: Path) -> None:
    here, home = tmp_path / "here", tmp_path / "home"
    await started(tmp_path, "--data-dir", str(here), XDG_DATA_HOME=str(home))
    first, *_ = await started(here, "--log-format", "json", XDG_DATA_HOME=str(home))
    entry = json.loads(first)
    assert (entry["event"], entry["path"]) == ("data directory", str(here))
    assert not home.exists()


@pytest.mark.slow
async def test_a_data_directory_whose_parent_exists_is_made_for_its_user_only(tmp_path: Path) -> None:
    lines = await started(tmp_path, "--data-dir", "new", "--log-level", "error")
    assert [line.partition(" http")[0] for line in lines] == ["listening on"]
    assert mode(tmp_path / "new") == 0o700


async def test_a_token_created_before_the_first_start_is_valid(tmp_path: Path) -> None:
    made = await trio.run_process(
        [*SERVER, "token", "create", "--scope", "read"],
        cwd=tmp_path,
        env=environment(XDG_DATA_HOME=str(tmp_path / "home")),
        capture_stdout=True,
        capture_stderr=True,
    )
    assert made.stdout.startswith(b"phl_")
    assert [token.scope for token in TokenFile(tmp_path / "home" / "phaseline").read() or ()] == [Scope.READ]


@pytest.mark.parametrize(
    "file",
    [
        "journal.sqlite3",
        "tokens.json",
        "metrics/progress_phase_stats.json",
        "series/own.json",
        "output/simple/annotated/0x1.png",
    ],
)
def test_each_of_a_servers_files_marks_its_directory(tmp_path: Path, file: str) -> None:
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).touch()
    assert default_data_dir({"XDG_DATA_HOME": "/data"}, tmp_path) == tmp_path


def test_folders_of_other_programs_mark_nothing(tmp_path: Path) -> None:
    for name in ("output/report", "series", "metrics"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "metrics" / "README.md").touch()
    assert default_data_dir({"XDG_DATA_HOME": "/data"}, tmp_path) == Path("/data/phaseline")
    assert default_data_dir({"XDG_DATA_HOME": "data", "HOME": "/me"}, tmp_path) == Path("/me/.local/share/phaseline")
    assert default_data_dir({"HOME": "/me"}, tmp_path / "gone") == Path("/me/.local/share/phaseline")
