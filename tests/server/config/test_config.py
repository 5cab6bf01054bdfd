from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phaseline.errors import ConfigError
from phaseline_server.config.bind import Bind, parse_bind
from phaseline_server.config.merge import DEFAULT, load
from phaseline_server.config.settings import SETTINGS, Settings


def problems(*args: Any, **kwargs: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(*args, **kwargs)
    return str(caught.value).splitlines()


def toml(tmp_path: Path, text: str) -> str:
    path = tmp_path / "phaseline.toml"
    path.write_text(text)
    return str(path)


def test_with_nothing_given_every_setting_has_its_default() -> None:
    settings, sources = load({}, {})
    assert settings == Settings()
    assert sources == dict.fromkeys(SETTINGS, DEFAULT)


@pytest.mark.parametrize("name", SETTINGS)
def test_every_default_is_a_value_that_may_be_given(name: str) -> None:
    setting = SETTINGS[name]
    if not (setting.secret or setting.default in ("", ())):
        assert setting.convert(setting.display(setting.default)) == setting.default


def test_flags_override_variables_which_override_the_file_which_overrides_defaults(tmp_path: Path) -> None:
    file = toml(tmp_path, "painters = 2\nqueue = 2\nhistory = 2\n")
    environment = {"PHASELINE_QUEUE": "3", "PHASELINE_HISTORY": "3", "PATH": "/bin"}
    settings, sources = load({"history": "4"}, environment, file)
    seen = [(getattr(settings, name), sources[name]) for name in ("max_jobs", "painters", "queue", "history")]
    assert seen == [(10_000, DEFAULT), (2, file), (3, "PHASELINE_QUEUE"), (4, "--history")]


def test_the_file_may_be_named_by_a_variable_and_a_flag_is_stronger(tmp_path: Path) -> None:
    file = toml(tmp_path, 'log_format = "json"')
    assert load({}, {"PHASELINE_CONFIG": file}).settings.log_format == "json"
    assert load({}, {"PHASELINE_CONFIG": "/nowhere"}, file).settings.log_format == "json"


def test_native_toml_types_are_accepted(tmp_path: Path) -> None:
    file = toml(tmp_path, 'bind = ["[::1]:80", "localhost:0"]\narchive_runs = true\ndone_ttl = 1\nretention = 0.5\n')
    settings = load({}, {}, file).settings
    assert settings.bind == ("[::1]:80", "localhost:0")
    assert (settings.archive_runs, settings.done_ttl, settings.retention) == (True, 1.0, 0.5)


def test_a_list_in_a_variable_has_commas() -> None:
    assert load({}, {"PHASELINE_BIND": "a:1, b:2"}).settings.bind == ("a:1", "b:2")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("archive_runs", "TRUE", True),
        ("archive_runs", "0", False),
        ("image_url", "http://[::1]:8000/v1?api-version=2", "http://[::1]:8000/v1?api-version=2"),
        ("image_key", " sk-x\n", "sk-x"),
        ("image_url", "", ""),
        ("picture_size", "1920X1080", "1920x1080"),
        ("data_dir", "~/x", str(Path("~/x").expanduser())),
        ("retention", "0", 0.0),
    ],
)
def test_a_good_text_becomes_its_value(name: str, text: str, value: object) -> None:
    assert getattr(load({name: text}, {}).settings, name) == value


@pytest.mark.parametrize(
    ("name", "text", "allowed"),
    [
        ("painters", "0", "an integer from 1 to 256"),
        ("painters", "two", "an integer"),
        ("painters", "2.5", "an integer"),
        ("painters", "", "an integer"),
        ("done_ttl", "-1", "0 to 31622400 seconds"),
        ("done_ttl", "nan", "0 to 31622400 seconds"),
        ("done_ttl", "inf", "0 to 31622400 seconds"),
        ("archive_runs", "yes", "true or false"),
        ("provider", "dall-e", "painter or openai"),
        ("log_level", "INFO", "debug or info or warning or error"),
        ("picture_size", "1024", "WIDTHxHEIGHT"),
        ("picture_size", "1024x", "WIDTHxHEIGHT"),
        ("picture_size", "1024x1024x3", "WIDTHxHEIGHT"),
        ("picture_size", "-64x64", "WIDTHxHEIGHT"),
        ("picture_size", "63x64", "64 to 8192"),
        ("picture_size", "64x8193", "64 to 8192"),
        ("picture_size", "٦٤x٦٤", "WIDTHxHEIGHT"),
        ("bind", "8080", "host:port"),
        ("bind", "localhost", "host:port"),
        ("bind", ":8080", "host:port"),
        ("bind", "a:65536", "0 to 65535"),
        ("bind", "a:-1", "0 to 65535"),
        ("bind", "a:http", "host:port"),
        ("bind", "::1:80", "[IPv6 address]:port"),
        ("bind", "[::1]", "[IPv6 address]:port"),
        ("bind", "[localhost]:80", "[IPv6 address]:port"),
        ("bind", "http://a:80", "host:port"),
        ("bind", "a:1,,b:2", "host:port"),
        ("bind", "a:٨٠", "host:port"),
        ("bind", "a\x07b:1", "host:port"),
        ("bind", "", "host:port"),
        ("image_url", "api.openai.com/v1", "an http or https URL"),
        ("image_url", "ftp://api.openai.com", "an http or https URL"),
        ("image_url", "https://", "an http or https URL"),
        ("image_url", "https://a:99999", "an http or https URL"),
        ("image_url", "https://[::1", "an http or https URL"),
        ("chat_url", "https://me:pw@host/v1", "without user and password"),
        ("data_dir", "", "the path of a directory"),
        ("data_dir", "a\0b", "the path of a directory"),
        ("data_dir", "~nobody-of-this-name/x", "the path of a directory"),
    ],
)
def test_a_wrong_value_is_named_with_its_source_and_the_allowed_values(name: str, text: str, allowed: str) -> None:
    [line] = problems({}, {SETTINGS[name].variable: text})
    assert line.startswith(f"{name} is {text!a}")
    assert f"(from {SETTINGS[name].variable}); allowed: " in line
    assert allowed in line.partition("allowed: ")[2]


def test_an_empty_list_is_wrong(tmp_path: Path) -> None:
    [line] = problems({}, {}, toml(tmp_path, "bind = []"))
    assert line.startswith("bind is ''")


def test_a_wrong_type_in_the_file_is_wrong(tmp_path: Path) -> None:
    file = toml(tmp_path, "painters = [1]\nlog_level = 3\nbind = [1]\narchive_runs = 1979-05-27\n")
    assert [line.split()[0] for line in problems({}, {}, file)] == ["painters", "log_level", "bind", "archive_runs"]


def test_all_configuration_errors_are_reported_at_once(tmp_path: Path) -> None:
    lines = problems({"queue": "x"}, {"PHASELINE_HISTORY": "-3"}, toml(tmp_path, "painters = 0"))
    assert [line.split()[0] for line in lines] == ["painters", "history", "queue"]


def test_a_wrong_value_is_an_error_even_if_a_valid_one_overrides_it() -> None:
    assert problems({"painters": "2"}, {"PHASELINE_PAINTERS": "x"})


def test_an_unknown_variable_is_an_error_that_suggests_the_nearest() -> None:
    [line] = problems({}, {"PHASELINE_PAINTER": "2"})
    assert line == "variable 'PHASELINE_PAINTER' is unknown; did you mean PHASELINE_PAINTERS?"


def test_an_unknown_key_in_the_file_is_an_error_that_suggests_the_nearest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a message cuts long paths
    file = toml(Path(), "done-ttl = 1\n[zzz]\n")
    first, second = problems({}, {}, file)
    assert first == f"{file!a}: key 'done-ttl' is unknown; did you mean done_ttl?"
    assert "key 'zzz' is unknown; known: bind, data_dir" in second


@pytest.mark.parametrize("content", [b"painters = ", b"\xff\xfe", b"a = 1\na = 2\n"])
def test_the_error_for_an_invalid_toml_file_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.chdir(tmp_path)  # a message cuts long paths
    path = Path("x.toml")
    path.write_bytes(content)
    [line] = problems({}, {}, str(path))
    assert str(path) in line
    assert "is not TOML" in line


def test_the_error_for_a_missing_file_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a message cuts long paths
    [line] = problems({}, {"PHASELINE_CONFIG": "gone.toml"})
    assert "gone.toml" in line
    assert "No such file" in line
    assert "can't be read" in problems({}, {}, str(tmp_path))[0]
    assert problems({}, {}, "a\0b")


@pytest.mark.parametrize(("text", "value"), [("1", True), ("true", True), ("0", False)])
def test_the_archive_can_be_enabled_by_its_older_variable(text: str, value: object) -> None:
    settings, sources = load({}, {"TB_DALLE_ARCHIVE_RUNS": text})
    assert (settings.archive_runs, sources["archive_runs"]) == (value, "TB_DALLE_ARCHIVE_RUNS")


def test_our_variable_is_stronger_than_the_older_one() -> None:
    environment = {"TB_DALLE_ARCHIVE_RUNS": "1", "PHASELINE_ARCHIVE_RUNS": "0"}
    assert not load({}, environment).settings.archive_runs
    assert not load({}, dict(reversed(environment.items()))).settings.archive_runs


def test_the_older_variable_with_a_wrong_value_is_an_error() -> None:
    [line] = problems({}, {"TB_DALLE_ARCHIVE_RUNS": "on"})
    assert "(from TB_DALLE_ARCHIVE_RUNS); allowed: true or false" in line


def test_the_openai_provider_needs_an_address() -> None:
    [line] = problems({"provider": "openai"}, {})
    assert line.startswith("provider openai (from --provider) needs image_url, which is not set")
    assert load({"provider": "openai", "image_url": "http://127.0.0.1:1/v1"}, {}).settings.provider == "openai"


def test_a_secret_is_never_shown() -> None:
    settings, _ = load({"image_key": "sk-1234"}, {"PHASELINE_CHAT_KEY": "sk-5678"})
    assert settings.image_key == "sk-1234"
    shown = f"{settings!r}{settings}{settings.__rich_repr__()}"
    assert "sk-" not in shown
    assert "image_key=set (hidden)" in shown
    [line] = problems({"image_key": "sk-secret two"}, {})
    assert "secret" not in line
    assert line.startswith("image_key is invalid (hidden) (from --image-key)")


def test_the_size_of_a_picture_is_two_numbers() -> None:
    assert load({"picture_size": "640x480"}, {}).settings.pixels == (640, 480)


@pytest.mark.parametrize("text", ["127.0.0.1:0", "[::1]:80", "[fe80::1%eth0]:5100", "localhost:65535"])
def test_an_address_to_listen_on_reads_back_as_it_was_written(text: str) -> None:
    assert str(parse_bind(f" {text} ")) == text


def test_brackets_are_not_part_of_the_host() -> None:
    assert parse_bind("[::1]:80") == Bind("::1", 80)


@given(st.sampled_from(list(SETTINGS)), st.text())
def test_any_text_at_all_is_a_value_or_a_config_error(name: str, text: str) -> None:
    try:
        settings, _ = load({}, {SETTINGS[name].variable: text})
    except ConfigError as error:
        assert str(error).isprintable()  # noqa: PT017 (an error is one of two right ends)
    else:
        value = SETTINGS[name].display(getattr(settings, name))
        assert value.isprintable()
