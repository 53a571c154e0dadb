"""Starts WhisperLive's server on the processor with one model for all clients, as a user would with a model of their own.
Our peer for `aircheck serve`. PyTorch, which it only asks for a graphics card here, is a stand-in that says there is none.

usage: live_whisper_live.py MODEL_FOLDER HOST:PORT
"""

import os
import sys
import types

# As many threads as the peer can use; CTranslate2 takes four otherwise.
os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count()))

import faster_whisper  # noqa: F401  (before the stand-in: what it needs of PyTorch, it shall not find)

sys.modules["torch"] = types.ModuleType("torch")
sys.modules["torch"].cuda = types.SimpleNamespace(is_available=lambda: False)

from whisper_live.server import TranscriptionServer


def main(folder: str, listen: str) -> None:
    host, port = listen.rsplit(":", 1)
    TranscriptionServer().run(
        host,
        port=int(port),
        backend="faster_whisper",
        faster_whisper_custom_model_path=folder,
        single_model=True,
        max_clients=64,
        max_connection_time=24 * 3600,
    )


main(*sys.argv[1:])
