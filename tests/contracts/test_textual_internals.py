"""The private names of other libraries that the view uses exist, and no other module uses private names."""

import ast
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from textual.app import App
from textual.screen import Screen
from textual.widget import Widget

from phaseline_tui.app.appearance import ThemedApp

ROOT = Path(__file__).resolve().parents[2] / "tui" / "phaseline_tui"
INTERNALS = ROOT / "terminal" / "textual_internals.py"


class Internals(App[None]):
    """An app whose screen was composed once."""


@pytest.fixture
def composed() -> Internals:
    return Internals()


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("textual._ansi_sequences", ("SYNC_START", "SYNC_END")),
        ("textual._compositor", ("ChopsUpdate", "CompositorUpdate")),
        ("textual_image._terminal", ("CellSize", "get_cell_size")),
    ],
)
def test_the_private_modules_have_the_used_names(module: str, names: tuple[str, ...]) -> None:
    found = importlib.import_module(module)
    assert [name for name in names if not hasattr(found, name)] == []


def test_the_driver_decodes_keys_by_a_function_of_its_module() -> None:
    from textual.drivers import linux_driver  # noqa: PLC0415

    assert "getincrementaldecoder(" in inspect.getsource(linux_driver.LinuxDriver.run_input_thread)
    assert hasattr(linux_driver, "getincrementaldecoder")


def test_the_update_has_the_attributes_that_are_read() -> None:
    from textual._compositor import ChopsUpdate  # noqa: PLC0415

    assert {"chops", "spans", "chop_ends"} <= set(inspect.signature(ChopsUpdate.__init__).parameters)
    assert list(inspect.signature(ChopsUpdate.render_segments).parameters) == ["self", "console"]


async def check(app: Internals) -> None:
    async with app.run_test():
        screen = app.screen
        assert isinstance(screen._compositor.visible_widgets, dict)
        assert screen._layout_required in {True, False}
        assert screen._repaint_required in {True, False}
        assert app._batch_count == 0
        assert app._sync_available in {True, False}
        assert app._driver is not None
        assert {"write", "flush"} <= set(dir(app._driver))
        assert callable(screen._styles_cache.set_dirty)


def test_the_objects_have_the_used_attributes(composed: Internals) -> None:
    import asyncio  # noqa: PLC0415 (this is Textual's loop)

    asyncio.run(check(composed))
    assert hasattr(Console(), "_color_system")


def test_the_app_overrides_the_method_that_textual_calls() -> None:
    assert list(inspect.signature(App._display).parameters) == ["self", "screen", "renderable"]
    assert ThemedApp._display is not App._display


@pytest.mark.slow
def test_no_other_module_uses_the_inside_of_another_library() -> None:
    """Phaseline's private names are used through `self`; those of other libraries' classes only in one module."""
    ours = {name for path in ROOT.rglob("*.py") for name in defined(ast.parse(path.read_text()))}
    theirs = {name for one in (Internals(), Screen(), Widget()) for name in dir(one) if is_private(name)}
    found = [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for path in sorted(ROOT.rglob("*.py"))
        if path != INTERNALS
        for line, name in used(ast.parse(path.read_text()))
        if "." in name or name in theirs - ours
    ]
    assert found == []


def used(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the line and name of each private module that is imported, with its dots, and each private attribute."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and "._" in (node.module or ""):
            yield node.lineno, str(node.module)
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, each.name) for each in node.names if "._" in each.name)
        elif isinstance(node, ast.Attribute) and is_private(node.attr) and ast.unparse(node) != "os._exit":
            yield node.lineno, node.attr


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def defined(tree: ast.AST) -> set[str]:
    """Return the private names that Phaseline's classes define or assign."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            found.add(node.attr)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return found
