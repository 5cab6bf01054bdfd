"""The content of the wheel and the sdist, and the resolved requirements."""

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email import message_from_string
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("cli/phaseline_cli", "core/phaseline", "server/phaseline_server", "tui/phaseline_tui")
MODULES = ("core/progress_reporter.py", "core/websocket_server.py")


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with the wheel and the sdist of this tree."""
    directory = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-d", str(directory)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    return directory


@pytest.fixture(scope="session")
def wheel(built: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(next(built.glob("*.whl")))


@pytest.mark.slow
def test_the_wheel_has_every_file_of_the_packages_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file()]
    files += [ROOT / module for module in MODULES if (ROOT / module).exists()]
    expected = {
        path.relative_to(ROOT).as_posix().partition("/")[2] for path in files if "__pycache__" not in path.parts
    }
    assert {name for name in wheel.namelist() if ".dist-info/" not in name} == expected
    assert {f"{package.partition('/')[2]}/py.typed" for package in PACKAGES} <= expected


@pytest.mark.slow
def test_no_source_root_becomes_a_package(wheel: zipfile.ZipFile) -> None:
    assert not {name.partition("/")[0] for name in wheel.namelist()} & {"cli", "core", "server", "tui", "tests"}


def test_the_base_install_needs_four_libraries(wheel: zipfile.ZipFile) -> None:
    metadata = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    needs = [
        Requirement(text) for text in message_from_string(wheel.read(metadata).decode()).get_all("Requires-Dist", [])
    ]
    base = {need.name for need in needs if need.marker is None}
    assert base == {"click", "msgspec", "trio", "trio-websocket"}


def test_the_programs_have_their_entries(wheel: zipfile.ZipFile) -> None:
    entries = next(name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    assert wheel.read(entries).decode().split("\n")[1:4] == [
        "phaseline = phaseline_cli.program:main",
        "progress-server = phaseline_server.cli.program:main",
        "progress-tui = phaseline_tui.cli.program:main",
    ]


def test_the_sdist_has_the_sources_and_no_leftovers(built: Path, wheel: zipfile.ZipFile) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    packaged = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert packaged <= {name.partition("/")[2] for name in names}
    assert {"LICENSE", "Makefile", "README.md", "pyproject.toml", "requirements/all.txt", "tests/conftest.py"} <= names
    assert not [
        name for name in names if re.search(r"(^|/)(\.venv|__pycache__|output|\.git)/|\.pyc$|metrics/.*json", name)
    ]


@pytest.mark.parametrize("file", ["all.txt", "dev.txt"])
class TestRequirements:
    def test_every_direct_dependency_is_pinned_to_a_version_that_it_allows(self, file: str) -> None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        extras = {
            name: [Requirement(text) for text in needs] for name, needs in project["optional-dependencies"].items()
        }

        def wanted(needs: list[Requirement]) -> list[Requirement]:
            inner = [
                more
                for need in needs
                if need.name == "phaseline"
                for name in need.extras
                for more in wanted(extras[name])
            ]
            return [need for need in needs if need.name != "phaseline"] + inner

        pinned = self.pins(file)
        for need in [Requirement(text) for text in project["dependencies"]] + wanted(extras[Path(file).stem]):
            versions = pinned[need.name.lower()]
            assert versions
            assert all(need.specifier.contains(version) for version in versions), f"{need}: {versions}"

    def test_every_pin_has_hashes_and_no_line_has_an_address_or_a_path(self, file: str) -> None:
        text = (ROOT / "requirements" / file).read_text()
        for entry in re.split(r"\n(?=\S)", text.strip()):
            assert re.match(r"[a-z0-9-]+==\S+( ; [^\\]+)? \\\n    --hash=sha256:[0-9a-f]{64}\b", entry), entry
        assert "://" not in text
        assert not re.search(r"(^|[\s=])/", text)

    def test_the_files_that_build_the_package_offline_exist(self, file: str) -> None:
        assert {"hatchling", "packaging", "pathspec", "pluggy", "trove-classifiers"} <= set(self.pins(file))

    @staticmethod
    def pins(file: str) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name, version in re.findall(
            r"^([a-z0-9-]+)==(\S+)", (ROOT / "requirements" / file).read_text(), re.MULTILINE
        ):
            found.setdefault(name, []).append(version)
        return found


def test_development_installs_the_same_versions_as_users() -> None:
    users, developers = TestRequirements.pins("all.txt"), TestRequirements.pins("dev.txt")
    assert users == {name: developers[name] for name in users}


def test_the_tests_run_on_the_versions_that_users_install() -> None:
    """Without a constraint, pip resolves `phaseline[all]` to these versions too, when they are fresh."""
    lines = (ROOT / "requirements" / "all.txt").read_text(encoding="utf-8").splitlines()
    resolved = [Requirement(line.removesuffix("\\")) for line in lines if re.match("[a-z0-9]", line)]
    here = [one for one in resolved if one.marker is None or one.marker.evaluate()]
    assert len(here) > 30
    assert {one.name: f"=={metadata.version(one.name)}" for one in here} == {
        one.name: str(one.specifier) for one in here
    }
