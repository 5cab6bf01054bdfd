"""Facts about a worker's process: those that are sent, and those that never are."""

import time

import pytest

from phaseline.client.facts import FACTS, chosen
from phaseline.errors import ConfigError
from phaseline.reporting.worker_facts import Process, command_line, this_process, worker_facts

HIDDEN_IN = (
    ("curl --token s3cr3t-1 https://a", "curl --token *** https://a"),
    ("tool --password=s3cr3t-1 in.mov", "tool --password=*** in.mov"),
    ("tool --db-password s3cr3t-1 -v", "tool --db-password *** -v"),
    ("tool --apiKey s3cr3t-1", "tool --apiKey ***"),
    ("env HF_TOKEN=s3cr3t-1 python train.py", "env HF_TOKEN=*** python train.py"),
    ("tool key=s3cr3t-1", "tool key=***"),
    ("rclone copy https://ann:s3cr3t-1@box/a b", "rclone copy https://***@box/a b"),
    ("git clone https://s3cr3t-1@github.com/a/b", "git clone https://***@github.com/a/b"),
    ("psql postgres://u:p@s3cr3t-1@box/db", "psql postgres://***@box/db"),
    ("wget http://a/b?x=1&token=s3cr3t-1&y=2", "wget http://a/b?x=1&token=***&y=2"),
    ("curl -u ann:s3cr3t-1 http://a", "curl -u ann:*** http://a"),
    ("mysqldump -ps3cr3t-1 db", "mysqldump -p*** db"),
    ("/usr/bin/sshpass -p s3cr3t-1 ssh box", "/usr/bin/sshpass -p *** ssh box"),
    ("push ghp_s3cr3t-1abcdefghijklmn", "push ***"),
    ("openssl enc -pass pass:s3cr3t-1", "openssl enc -pass ***"),
)
SHOWN = (
    "ffmpeg -pass 1 -i shot.mov -crf 20 out.mp4",
    "python train.py --max-tokens 512 --tokenizer bpe --author ann",
    "rsync -a ssh://ann@box/photos /backup",
    "/usr/bin/python3 -m pytest tests/core/test_job.py",
)


@pytest.mark.parametrize(("given", "sent"), HIDDEN_IN)
def test_secrets_of_a_command_are_hidden(given: str, sent: str) -> None:
    assert command_line(tuple(given.split())) == sent


def test_secrets_within_headers_scripts_and_json_are_hidden() -> None:
    words = (
        "Authorization: Bearer s3cr3t-1",
        "curl -H 'X-Api-Key: s3cr3t-1' https://ann:s3cr3t-1@box; tool --token s3cr3t-1 && DB_PASS='s3cr3t-1 s3cr3t-1'",
        '{"user": "ann", "password": "s3cr3t-1 s3cr3t-1", "n": 3}',
        "http.extraHeader=AUTHORIZATION: basic s3cr3t-1",
    )
    for word in words:
        line = command_line(("tool", word))
        assert "s3cr3t" not in line
        assert "***" in line


@pytest.mark.parametrize("given", SHOWN)
def test_text_that_is_not_secret_is_shown(given: str) -> None:
    assert command_line(tuple(given.split())) == given


def test_a_command_is_one_line_of_a_thousand_characters() -> None:
    line = command_line(("sh", "-c", "echo a\n\x1b[31mecho b", "it's", ""))
    assert line == "sh -c 'echo a [31mecho b' 'it'\\''s' ''"
    assert len(command_line(("ls", *["a-file-name"] * 100_000))) == 1000
    assert len(command_line(("tool", "x" * 100_000))) <= 1000


def test_very_long_commands_are_processed_quickly() -> None:
    for word in ("a=" * 500_000, "a" * 10**6, "://" * 300_000, "a:b@" * 250_000, "--token " * 100_000, "'\"" * 500_000):
        began = time.perf_counter()
        command_line(("sh", "-c", word))
        assert time.perf_counter() - began < 0.1


def test_each_fact_can_be_excluded() -> None:
    process = Process(("render", "a.blend"), "ann", 4711, "/home/ann/shots/sc024/", "3.12.1", "render")
    everything = worker_facts(process)
    assert everything == {
        "command": "render a.blend", "user": "ann", "pid": 4711, "folder": "sc024", "python": "3.12.1",
        "program": "render",
    }  # fmt: skip
    for name in everything:
        assert worker_facts(process, set(FACTS) - {name}) == {key: everything[key] for key in everything if key != name}
    assert worker_facts(process, ()) == {}
    assert worker_facts(Process()) == {}, "what is unknown is not sent"


def test_the_facts_of_this_process_are_known() -> None:
    facts = worker_facts(this_process())
    assert {"command", "pid", "folder", "python"} <= facts.keys()


def test_facts_are_chosen_by_the_program_or_by_a_variable() -> None:
    everything = frozenset(FACTS)
    assert chosen(None, None) == chosen(None, "all") == chosen(True, "none") == everything
    assert chosen(False, "all") == chosen(None, "none") == chosen(None, "") == chosen((), None) == frozenset()
    assert chosen(None, " host, PID ") == chosen({"host", "pid"}, "none") == {"host", "pid"}
    assert chosen("host,pid", None) == {"host", "pid"}


@pytest.mark.parametrize("setting", ["hots", {"pidd"}, 3, ["pid", 3]])
def test_an_unknown_fact_is_an_error_that_names_the_others(setting: object) -> None:
    with pytest.raises(ConfigError, match=r"worker_facts names .*; allowed: none, all, or some of command, user"):
        chosen(setting, None)
    with pytest.raises(ConfigError, match="PROGRESS_FACTS names 'hots'"):
        chosen(None, "hots")
