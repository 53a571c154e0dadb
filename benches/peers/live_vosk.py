"""vosk behind the WebSocket protocol of vosk-server, whose server is in no package registry. Our peer for `aircheck serve`.

usage: live_vosk.py MODEL_FOLDER HOST:PORT
"""

import asyncio
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import vosk
import websockets

END = '{"eof" : 1}'


class Connection:
    """One client: the first message configures it, each other one is answered."""

    def __init__(self, model: vosk.Model):
        self.model = model
        self.recognizer = None

    def configure(self, config: dict) -> None:
        self.recognizer = vosk.KaldiRecognizer(self.model, float(config["sample_rate"]))
        self.recognizer.SetWords(bool(config.get("words", False)))

    def answer(self, audio: bytes) -> str:
        return self.recognizer.Result() if self.recognizer.AcceptWaveform(audio) else self.recognizer.PartialResult()


async def serve(folder: str, listen: str) -> None:
    host, port = listen.rsplit(":", 1)
    model = vosk.Model(folder)
    pool = ThreadPoolExecutor(os.cpu_count() or 1)
    loop = asyncio.get_running_loop()

    async def hear(socket) -> None:
        connection = Connection(model)
        async for message in socket:
            if message == END:
                await socket.send(await loop.run_in_executor(pool, connection.recognizer.FinalResult))
                return
            if isinstance(message, str):
                connection.configure(json.loads(message)["config"])
            else:
                await socket.send(await loop.run_in_executor(pool, connection.answer, message))

    async with websockets.serve(hear, host, int(port)):
        await loop.create_future()


asyncio.run(serve(*sys.argv[1:]))
