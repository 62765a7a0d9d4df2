"""Everything that needs torch.

Three libraries speak of things that no user can mend: a CPU kernel that bitsandbytes would fetch from the Hub, settings
that transformers renames within itself, the byte order of GGUF files. They are silenced here, before anything imports
them.
"""

import logging
import warnings

logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
logging.getLogger("gguf").setLevel(logging.WARNING)
warnings.filterwarnings("ignore", category=FutureWarning, module=r"(transformers|peft)\b")
