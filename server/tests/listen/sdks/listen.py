"""The vendor's Python SDK, unchanged but for its address: streams a WAVE file of 48 kHz as raw samples at its own pace and
prints every message as a line of JSON. Usage: listen.py ADDRESS SECRET FILE"""

import json
import sys
import threading
import time
import wave

from deepgram import DeepgramClient
from deepgram.core.events import EventType
from deepgram.environment import DeepgramClientEnvironment

address, secret, path = sys.argv[1:]
environment = DeepgramClientEnvironment(
    base=f"http://{address}", production=f"ws://{address}", agent=f"ws://{address}", agent_rest=f"http://{address}"
)
client = DeepgramClient(api_key=secret, environment=environment)

finalized = threading.Event()


def show(message):
    if getattr(message, "from_finalize", False):
        finalized.set()
    print(json.dumps({"class": type(message).__name__, **message.dict()}), flush=True)


with wave.open(path) as recording, client.listen.v1.connect(
    model="nova-3",
    encoding="linear16",
    sample_rate=recording.getframerate(),
    channels=recording.getnchannels(),
    interim_results=True,
    smart_format=True,
    vad_events=True,
    utterance_end_ms=1000,
    keyterm=["best of times"],
) as connection:
    connection.on(EventType.MESSAGE, show)
    connection.on(EventType.ERROR, lambda error: print(json.dumps({"error": str(error)}), flush=True))
    listening = threading.Thread(target=connection.start_listening)
    listening.start()
    started = time.monotonic()
    piece = recording.getframerate() // 10
    for number in range(1, recording.getnframes() // piece + 2):
        connection.send_media(recording.readframes(piece))
        if number == 50:
            connection.send_keep_alive()
        if number == 100:  # in the middle of a sentence
            connection.send_finalize()
        time.sleep(max(0, started + number / 10 - time.monotonic()))
    assert finalized.wait(10), "no answer to Finalize"
    connection.send_close_stream()
    listening.join(30)
    assert not listening.is_alive(), "the server does not close the stream"
