"""The arrows of docs/design.md, checked in the source itself."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "edullama"
FOUNDATION = {"recipe", "records", "manifest", "errors", "progress", "health"}
NOUNS = {"lectures", "dataset", "llm", "endpoint", "evaluation"}
MAY_IMPORT = {
    "errors": set(),
    "records": set(),
    "manifest": set(),
    "progress": set(),
    "health": {"records"},
    "recipe": set(),
    "recipe_file": {"recipe", "errors"},
    "files": {"errors", "manifest"},
    "store": {"files", *FOUNDATION},
    "cache": {"records"},
    "workers": set(),
    **{noun: {noun, *FOUNDATION} for noun in NOUNS},
    "llm": {"llm", "files", *FOUNDATION},
    "lectures": {"lectures", "cache", "workers", *FOUNDATION},
    "endpoint": {"endpoint", "cache", *FOUNDATION},
    "stages": {"stages", "store", "files", "cache", *NOUNS, *FOUNDATION},
}
FILES = sorted(SOURCE.rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Return the names of all modules that a file imports, wherever it does."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_imports_flow_down(path: Path) -> None:
    room = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    ours = {name.split(".")[1] for name in imports(path) if name.startswith("edullama.")}
    if room in MAY_IMPORT:
        assert ours <= MAY_IMPORT[room]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_torch_is_imported_under_llm_alone(path: Path) -> None:
    if path.relative_to(SOURCE).parts[0] == "llm":
        return
    assert not {name.split(".")[0] for name in imports(path) - typing_only(path)} & {"torch", "transformers", "peft"}


def typing_only(path: Path) -> set[str]:
    """Return modules imported for the type checker alone."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            found |= {statement.module or "" for statement in node.body if isinstance(statement, ast.ImportFrom)}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_files_stay_short_enough_to_read(path: Path) -> None:
    assert path.read_text(encoding="utf-8").count("\n") <= 400


@pytest.mark.parametrize("command", [["--help"], ["ingest", "--help"], ["status", "--help"]])
def test_help_imports_no_torch(command: list[str]) -> None:
    script = "import sys; sys.argv[0] = 'edullama'\nfrom edullama.cli import app\napp(standalone_mode=False)\n"
    script += "assert 'torch' not in sys.modules and 'pymupdf' not in sys.modules"
    subprocess.run([sys.executable, "-c", script, *command], check=True, capture_output=True)
