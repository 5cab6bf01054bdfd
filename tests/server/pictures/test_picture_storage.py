"""Picture files on disk: complete or absent, and never outside `output`."""

import contextlib
import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phaseline.errors import InvalidAddress, InvalidSeries, PhaselineError
from phaseline_server.errors import UnknownPath
from phaseline_server.pictures.dress import make_dress
from phaseline_server.pictures.errors import OutsideDataDir
from phaseline_server.pictures.series import Series
from phaseline_server.pictures.sources import EncodedPicture, LocalPicture, RemotePicture
from phaseline_server.pictures.storage import Kind, Storage

DRESS = make_dress(Series("simple"), "0xabc")
KEY = ("simple", "0xabc")
LAYERS: dict[Kind, str] = {
    "data": DRESS.data_prompt,
    "title": DRESS.title_prompt,
    "terse": DRESS.terse_prompt,
    "prompt": DRESS.prompt,
    "enhanced": "better",
}
EVERYTHING = [
    "output/simple/annotated/0xabc.png",
    "output/simple/data/0xabc.txt",
    "output/simple/enhanced/0xabc.txt",
    "output/simple/generated/0xabc.png",
    "output/simple/prompt/0xabc.txt",
    "output/simple/selector/0xabc.json",
    "output/simple/terse/0xabc.txt",
    "output/simple/title/0xabc.txt",
]


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(tmp_path)


def fill(storage: Storage) -> None:
    storage.write_prompts(msgspec.structs.replace(DRESS, enhanced_prompt="better"))
    storage.write_picture("generated", *KEY, b"generated")
    storage.write_dress(DRESS)
    storage.write_picture("annotated", *KEY, b"annotated")


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


def test_every_file_has_its_documented_path(storage: Storage, tmp_path: Path) -> None:
    fill(storage)
    assert files(tmp_path) == EVERYTHING
    for kind, text in LAYERS.items():
        assert storage.path(kind, *KEY).read_text() == f"{text}\n"
    assert storage.read_dress(*KEY) == DRESS
    assert storage.annotated_exists(*KEY)
    assert storage.read_annotated(*KEY) == b"annotated"
    assert storage.read("simple/generated/0xabc.png") == b"generated"
    assert storage.path("annotated", *KEY) == tmp_path / storage.relative("annotated", *KEY)


def test_reading_a_missing_picture_creates_no_files(storage: Storage, tmp_path: Path) -> None:
    assert not storage.annotated_exists(*KEY)
    assert storage.read_annotated(*KEY) is None
    assert storage.read_dress(*KEY) is None
    assert storage.read("simple/annotated/0xabc.png") is None
    assert list(storage.gallery()) == []
    assert not storage.remove(*KEY)
    assert files(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_removal_deletes_exactly_the_files_of_one_picture(storage: Storage, tmp_path: Path) -> None:
    fill(storage)
    storage.write_picture("annotated", "simple", "0xabcd", b"other")
    assert storage.remove(*KEY)
    assert files(tmp_path) == ["output/simple/annotated/0xabcd.png"]
    assert not storage.remove(*KEY)


@pytest.mark.parametrize("damaged", [b"", b"{", b'{"series": 1}', b"\xff", b"[" * 100_000])
def test_a_damaged_dress_is_ignored(storage: Storage, damaged: bytes) -> None:
    storage.write_dress(DRESS)
    storage.path("selector", *KEY).write_bytes(damaged)
    assert storage.read_dress(*KEY) is None


def test_a_reader_sees_the_old_picture_or_the_new_one(storage: Storage) -> None:
    storage.write_picture("annotated", *KEY, b"old")
    with storage.path("annotated", *KEY).open("rb") as reader:
        storage.write_picture("annotated", *KEY, b"new and longer")
        assert reader.read() == b"old"
    assert storage.read_annotated(*KEY) == b"new and longer"


def test_the_gallery_is_newest_first_and_ignores_other_files(storage: Storage, tmp_path: Path) -> None:
    for seconds, (series, address) in enumerate([("b", "0x1"), ("a", "0x2"), ("a", "0x1")]):
        storage.write_picture("annotated", series, address, b"png")
        os.utime(storage.path("annotated", series, address), (seconds, seconds))
    storage.write_picture("generated", "c", "0x3", b"not annotated")
    folder = tmp_path / "output" / "a" / "annotated"
    for name in ("0xABC.png", "0x1.jpg", ".0x4.png.tmp", "note.txt", "0x1", "0x5"):
        (folder / name).write_bytes(b"")
    (folder / "0x6.png").mkdir()
    (folder / "0x7.png").symlink_to("/etc/hostname")
    (folder / "0x8.png").symlink_to("nowhere.png")
    (tmp_path / "output" / "no series").mkdir()
    (tmp_path / "output" / "file").write_bytes(b"")
    assert [tuple(picture) for picture in storage.gallery()] == [("a", "0x1", 2), ("a", "0x2", 1), ("b", "0x1", 0)]


def test_pictures_with_the_same_time_have_a_stable_order(storage: Storage) -> None:
    for series, address in [("b", "0x1"), ("a", "0x2"), ("a", "0x1")]:
        storage.write_picture("annotated", series, address, b"png")
        os.utime(storage.path("annotated", series, address), (5, 5))
    assert [picture[:2] for picture in storage.gallery()] == [("a", "0x1"), ("a", "0x2"), ("b", "0x1")]


# ---------------------------------------------------------------------- paths


@pytest.mark.parametrize(
    "path",
    [
        *("", "/", "..", "../secret", "simple/../../secret", "simple//x", "/etc/passwd", "simple/", "./simple"),
        *("simple/\0", "simple/\r\n", "simple/\x1b[2J", "simple/\ud800", "simple/\udcff", "simple/\u202etxt"),
        *(".scratch/x.png", "simple/annotated/.0xabc.png.tmp"),
    ],
)
def test_a_path_that_is_not_allowed_is_rejected(storage: Storage, tmp_path: Path, path: str) -> None:
    (tmp_path / "secret").write_text("secret")
    fill(storage)
    (storage.scratch.folder / "x.png").write_bytes(b"unfinished")
    with pytest.raises(UnknownPath):
        storage.read(path)


@given(st.text(st.characters() | st.sampled_from("./\\%0\0"), max_size=300))
def test_no_path_reads_anything_outside(tmp_path_factory: pytest.TempPathFactory, path: str) -> None:
    data_dir = tmp_path_factory.mktemp("paths")
    (data_dir / "secret").write_text("secret")
    storage = Storage(data_dir)
    (data_dir / "output").mkdir()
    with contextlib.suppress(UnknownPath):
        assert storage.read(path) is None


@pytest.mark.parametrize("path", ["simple", "simple/annotated", "x" * 300, "simple/annotated/0xabc.png/more"])
def test_anything_but_a_regular_file_is_none(storage: Storage, path: str) -> None:
    fill(storage)
    assert storage.read(path) is None


def test_a_named_pipe_does_not_block(storage: Storage, tmp_path: Path) -> None:
    (tmp_path / "output").mkdir()
    os.mkfifo(tmp_path / "output" / "pipe")
    assert storage.read("pipe") is None


@pytest.mark.parametrize(("series", "address"), [("..", "0x1"), ("a/b", "0x1"), ("a", "../0x1"), ("a", "0x1\0")])
def test_invalid_names_are_rejected_everywhere(storage: Storage, series: str, address: str) -> None:
    for attempt in (storage.annotated_exists, storage.read_annotated, storage.read_dress, storage.remove):
        with pytest.raises((InvalidSeries, InvalidAddress)):
            attempt(series, address)
    with pytest.raises((InvalidSeries, InvalidAddress)):
        storage.write_picture("annotated", series, address, b"")


@pytest.mark.parametrize("link", ["output/simple", "output/simple/annotated", "output/simple/annotated/0xabc.png"])
@pytest.mark.parametrize("there", [True, False], ids=["there", "dangling"])
def test_a_link_out_of_the_output_folder_is_rejected_for_reading_and_writing(
    tmp_path: Path, link: str, there: bool
) -> None:
    data_dir, outside = tmp_path / "data", tmp_path / "outside"
    path = data_dir / link
    path.parent.mkdir(parents=True)
    target = outside if path.suffix != ".png" else outside / "0xabc.png"
    if there:
        (outside / "annotated").mkdir(parents=True)
        for picture in (outside / "0xabc.png", outside / "annotated" / "0xabc.png"):
            picture.write_bytes(b"secret")
    path.symlink_to(target)
    before = files(outside) if there else []
    storage = Storage(data_dir)
    for attempt in (storage.annotated_exists, storage.read_annotated):
        with pytest.raises(OutsideDataDir, match="symbolic link"):
            attempt(*KEY)
    with pytest.raises(OutsideDataDir):
        storage.write_picture("annotated", *KEY, b"new")
    with pytest.raises(OutsideDataDir):
        storage.read("simple/annotated/0xabc.png")
    assert list(storage.gallery()) == []
    assert (files(outside) if there else []) == before
    assert all((outside / name).read_bytes() == b"secret" for name in before)


def test_removal_deletes_a_linked_file_but_not_through_a_linked_folder(tmp_path: Path) -> None:
    data_dir, outside = tmp_path / "data", tmp_path / "outside"
    outside.mkdir()
    (outside / "0xabc.png").write_bytes(b"secret")
    storage = Storage(data_dir)
    folder = data_dir / "output" / "simple" / "annotated"
    folder.mkdir(parents=True)
    (folder / "0xabc.png").symlink_to(outside / "0xabc.png")
    assert storage.remove(*KEY)
    assert not storage.annotated_exists(*KEY)
    folder.rmdir()
    folder.symlink_to(outside)
    with pytest.raises(OutsideDataDir):
        storage.remove(*KEY)
    assert (outside / "0xabc.png").read_bytes() == b"secret"


def test_a_link_inside_the_output_folder_is_followed(storage: Storage, tmp_path: Path) -> None:
    storage.write_picture("annotated", "real", "0xabc", b"png")
    (tmp_path / "output" / "simple").symlink_to("real")
    assert storage.read_annotated(*KEY) == b"png"


def test_the_output_folder_may_be_a_link(tmp_path: Path) -> None:
    data_dir, disk = tmp_path / "data", tmp_path / "disk"
    data_dir.mkdir()
    disk.mkdir()
    (data_dir / "output").symlink_to(disk)
    storage = Storage(data_dir)
    storage.write_picture("annotated", *KEY, b"png")
    assert (disk / "simple" / "annotated" / "0xabc.png").read_bytes() == b"png"
    assert storage.read_annotated(*KEY) == b"png"


def test_circular_links_are_an_error(storage: Storage, tmp_path: Path) -> None:
    folder = tmp_path / "output" / "simple" / "annotated"
    folder.mkdir(parents=True)
    (folder / "0xabc.png").symlink_to("0xabc.png")
    with pytest.raises(PhaselineError):
        storage.read_annotated(*KEY)
    assert storage.remove(*KEY)


# ---------------------------------------------------------------------- the files that a dress names


def test_a_dress_gets_the_paths_and_sources_of_its_pictures(storage: Storage) -> None:
    remote = storage.with_generated(DRESS, RemotePicture("https://user:pass@host.example/a.png?sig=secret"))
    assert (remote.download_mode, remote.image_url) == ("url", "https://host.example/a.png")
    assert remote.generated_path == "output/simple/generated/0xabc.png"
    assert storage.with_generated(DRESS, EncodedPicture("AAAA")).download_mode == "base64"
    local = storage.with_generated(DRESS, LocalPicture("/scratch/x.png"))
    assert (local.download_mode, local.image_url) == ("local", "")
    assert not local.completed
    done = storage.with_annotated(local)
    assert (done.annotated_path, done.completed) == ("output/simple/annotated/0xabc.png", True)
    assert DRESS.generated_path == ""
