"""EduLLama turns university lectures into small language models that know them.

`DistillationTrainer` and `DistillationArguments` can be used by themselves, for any Llama and any list of questions.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edullama.llm.distillation import DistillationArguments, DistillationTrainer

__all__ = ["DistillationArguments", "DistillationTrainer"]


def __getattr__(name: str) -> Any:
    """Import what needs torch only when it is asked for."""
    if name not in __all__:
        raise AttributeError(f"module 'edullama' has no attribute '{name}'")
    from edullama.llm import distillation

    return getattr(distillation, name)
