from pathlib import Path

import torch

from edullama.llm.device import compute_dtype


def test_a_cpu_trains_in_bf16_only_where_it_multiplies_it_natively() -> None:
    native = "avx512_bf16" in cpu_flags() or "amx_bf16" in cpu_flags()
    assert compute_dtype(torch.device("cpu")) == (torch.bfloat16 if native else torch.float32)


def cpu_flags() -> list[str]:
    """What Linux says of the processor: an oracle independent of torch."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split() for line in lines if line.startswith("flags")), [])
