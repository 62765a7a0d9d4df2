"""How much memory can still be taken: of the GPU where there is one, else of this machine."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import torch

from edullama.errors import ModelError
from edullama.llm.device import best_device

ALLOWED = "EDULLAMA_MEMORY_GB"
MEMINFO, MEMBERSHIP, CGROUPS = Path("/proc/meminfo"), Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Files:
    """Where a version of Linux's control groups tells of memory."""

    membership: str  # pattern of the line that names a process's own group
    root: str
    limit: str
    used: str
    cached: str  # line of memory.stat: files that are dropped when memory is short


VERSIONS = (
    Files(r"^0::/(.*)$", "", "memory.max", "memory.current", "inactive_file"),
    Files(r"^\d+:memory:/(.*)$", "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def free_memory() -> int | None:
    """Return the bytes that can still be taken, no more than $EDULLAMA_MEMORY_GB; None where the system does not tell.

    Raises ModelError where that variable is no number.
    """
    if best_device().type == "cuda":
        amounts: list[int | None] = [int(torch.cuda.mem_get_info()[0])]
    else:
        amounts = [free_of_machine(), *(free_of_groups(files) for files in VERSIONS)]
    return min((amount for amount in (*amounts, _allowed()) if amount is not None), default=None)


def _allowed() -> int | None:
    """Return what the user leaves to this program, in bytes."""
    given = os.environ.get(ALLOWED)
    try:
        return None if given is None else int(float(given) * 1e9)
    except ValueError:
        raise ModelError(f"{ALLOWED} is '{given}'; it must be a number of GB, such as 8") from None


def free_of_machine(path: Path = MEMINFO) -> int | None:
    """Return what the kernel holds for available, in bytes."""
    found = re.search(r"^MemAvailable:\s+(\d+) kB", path.read_text(), re.MULTILINE) if path.exists() else None
    return int(found[1]) * 1024 if found else None


def free_of_groups(files: Files, membership: Path = MEMBERSHIP, groups: Path = CGROUPS) -> int | None:
    """Return what the tightest of this process's control groups leaves, in bytes; containers are limited so."""
    found = re.search(files.membership, membership.read_text(), re.MULTILINE) if membership.exists() else None
    if not found:
        return None
    root = groups / files.root
    own = root / found[1]
    left = [_left_in(group, files) for group in (own, *own.parents) if group.is_relative_to(root)]
    return min((amount for amount in left if amount is not None), default=None)


def _left_in(group: Path, files: Files) -> int | None:
    """Return a group's limit minus what it uses, or None where it has no limit."""
    limit = group / files.limit
    if not limit.exists() or limit.read_text().strip() == "max":
        return None
    cached = re.search(rf"^{files.cached} (\d+)$", (group / "memory.stat").read_text(), re.MULTILINE)
    used = int((group / files.used).read_text()) - (int(cached[1]) if cached else 0)
    return max(0, int(limit.read_text()) - used)
