from pathlib import Path

import pytest

from edullama.errors import ModelError
from edullama.llm import free_memory as module
from edullama.llm.free_memory import VERSIONS, Files, free_memory, free_of_groups, free_of_machine

NEW, OLD = VERSIONS


def set_group(folder: Path, files: Files, limit: str, used: int, cached: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / files.limit).write_text(f"{limit}\n")
    (folder / files.used).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 5\n{files.cached} {cached}\nactive_file 7\n")


def test_the_kernels_own_figure_is_read_in_bytes(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal:       24684000 kB\nMemFree:  10 kB\nMemAvailable:   15531000 kB\n")
    assert free_of_machine(tmp_path / "meminfo") == 15_903_744_000


def test_without_the_kernels_figure_nothing_is_claimed(tmp_path: Path) -> None:
    assert free_of_machine(tmp_path / "meminfo") is None
    assert free_of_groups(NEW, tmp_path / "cgroup", tmp_path) is None


@pytest.mark.parametrize(("files", "line"), [(NEW, "0::/job/step"), (OLD, "4:memory:/job/step")])
def test_the_tightest_group_counts_and_cached_files_are_free(tmp_path: Path, files: Files, line: str) -> None:
    (tmp_path / "cgroup").write_text(f"5:devices:/elsewhere\n{line}\n")
    root = tmp_path / files.root
    set_group(root / "job" / "step", files, "8000", 3000, 1000)
    assert free_of_groups(files, tmp_path / "cgroup", tmp_path) == 6000
    set_group(root / "job", files, "5000", 4500, 500)
    assert free_of_groups(files, tmp_path / "cgroup", tmp_path) == 1000


def test_groups_without_a_limit_leave_all(tmp_path: Path) -> None:
    (tmp_path / "cgroup").write_text("0::/job\n")
    set_group(tmp_path / "job", NEW, "max", 3000, 1000)
    assert free_of_groups(NEW, tmp_path / "cgroup", tmp_path) is None


def test_a_group_that_is_mounted_as_the_root_is_found(tmp_path: Path) -> None:
    """Inside a container the path that a process is told is often not the one that it sees."""
    (tmp_path / "cgroup").write_text("0::/docker/0123\n")
    set_group(tmp_path, NEW, "4000", 1000, 0)
    assert free_of_groups(NEW, tmp_path / "cgroup", tmp_path) == 3000


def test_the_user_may_leave_less_than_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(module.ALLOWED, "0.25")
    assert free_memory() == 250_000_000
    monkeypatch.setenv(module.ALLOWED, "1e6")
    there = free_memory()
    assert there is not None
    assert there < 10**15
    monkeypatch.setenv(module.ALLOWED, "8 GB")
    with pytest.raises(ModelError, match="EDULLAMA_MEMORY_GB is '8 GB'; it must be a number"):
        free_memory()
