"""Everything that needs torch.

Two libraries speak of things that no user can mend: a CPU kernel that bitsandbytes would fetch from the Hub, and
settings that transformers renames within itself. They are silenced here, before anything imports them.
"""

import logging
import warnings

logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
warnings.filterwarnings("ignore", category=FutureWarning, module=r"(transformers|peft)\b")
