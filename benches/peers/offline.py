"""Transcribes one file with faster-whisper, as a user would, and prints how fast. Our peer for `aircheck analyze`.
Loading the model is not counted, though it is for `aircheck`.

usage: offline.py MODEL_FOLDER AUDIO int8|float32 sequential|batched [N_THREADS]
"""

import resource
import sys
import time

from faster_whisper import BatchedInferencePipeline, WhisperModel
from faster_whisper.audio import decode_audio


def main(folder: str, path: str, compute_type: str, mode: str, n_threads: str = "2") -> None:
    model = WhisperModel(folder, device="cpu", compute_type=compute_type, cpu_threads=int(n_threads))
    started = time.perf_counter()
    audio = decode_audio(path)
    transcribe = BatchedInferencePipeline(model).transcribe if mode == "batched" else model.transcribe
    options = {"batch_size": 8} if mode == "batched" else {}
    segments, _ = transcribe(audio, language="en", beam_size=1, **options)
    n_words = sum(len(segment.text.split()) for segment in segments)
    spent = time.perf_counter() - started
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    seconds = len(audio) / 16_000
    print(f"faster-whisper {compute_type} {mode:10s} {seconds / spent:6.1f} x real time {memory_mb:5.0f} MB {n_words} words")


main(*sys.argv[1:])
