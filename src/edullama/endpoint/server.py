"""A local OpenAI-compatible server over a GGUF file: llama.cpp's own, inside this process."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edullama.errors import ModelError

SLOTS = 2  # requests answered at a time
CONTEXT = 4096  # tokens a request: a judge's prompt with two long answers, and its reply


@contextmanager
def serve_model(gguf: Path, port: int = 0) -> Iterator[str]:
    """Serve a model on loopback while the context lasts, on any free port unless told, and yield the base URL.

    Raises ModelError where llama.cpp cannot load the file, or the port is taken.
    """
    from xllamacpp import CommonParams, Server

    if not gguf.is_file():
        raise ModelError(f"{gguf}: no such file. `edullama export` makes GGUF files of a finished course.")
    params = CommonParams()
    params.model.path = str(gguf)
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.n_parallel = SLOTS
    params.n_ctx = SLOTS * CONTEXT  # shared out among the slots
    params.cpuparams.poll = params.cpuparams_batch.poll = 0  # waiting threads leave the cores to other work
    params.verbosity = -1
    params.ui = False
    try:
        server = Server(params)
    except RuntimeError as error:
        doubt = f"Is it a whole GGUF file, and port {port} free?" if port else "Is it a whole GGUF file?"
        raise ModelError(f"{gguf}: llama.cpp cannot load it ({error}). {doubt}") from None
    try:
        yield f"{server.listening_address}/v1"
    finally:
        del server  # it stops when the last reference goes
