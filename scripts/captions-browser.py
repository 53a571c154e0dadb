"""What captions-browser.sh needs beside the browser: a server of files that takes note of what the player shows, and a judge of it."""

import html
import json
import re
import sys
import threading
from datetime import datetime
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

ENOUGH = 6  # cues
OFF_MAX = 0.05  # s


def serve(port, folder, shown):
    enough = threading.Event()
    seen = set()

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=folder)

        def end_headers(self):
            self.send_header("Cache-Control", "no-store")
            super().end_headers()

        def log_message(self, *_):
            pass

        def do_GET(self):
            if self.path == "/enough":
                enough.wait(150)
                self.send_response(204)
                self.end_headers()
            else:
                super().do_GET()

        def do_POST(self):
            line = self.rfile.read(int(self.headers["Content-Length"])).decode()
            with open(shown, "a", encoding="utf-8") as file:
                file.write(line + "\n")
            seen.add(json.loads(line).get("text"))
            if len(seen) >= ENOUGH:
                enough.set()
            self.send_response(204)
            self.end_headers()

    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


def plain(text):
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", "", text))).strip()


def judge(shown, transcript):
    """Each cue that was shown is of words that were said, and begins when the first of them was, by the dates of the stream."""
    with open(transcript, encoding="utf-8") as file:
        utterances = json.load(file)["utterances"]
    words = []
    for utterance in utterances:
        began = datetime.fromisoformat(utterance["time"].replace("Z", "+00:00")).timestamp()
        for word in utterance["words"]:
            words.append((word["text"], began + (word["start_ms"] - utterance["start_ms"]) / 1000))
    offs, wrong = {}, []
    with open(shown, encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    for line in lines:
        if "error" in line:
            sys.exit(f"captions-browser: the player failed: {line['error']}")
        text = plain(line["text"])
        said = text.split(" ")
        starts = [
            words[at][1]
            for at in range(len(words) - len(said) + 1)
            if [word for word, _ in words[at : at + len(said)]] == said
        ]
        if not starts or not line["date"]:
            wrong.append(text)
            continue
        offs[text] = min((line["date"] - start for start in starts), key=abs)
    for text, off in offs.items():
        print(f"captions-browser: {1000 * off:+5.0f} ms  {text}")
    if wrong or len(offs) < ENOUGH or max(map(abs, offs.values())) > OFF_MAX:
        sys.exit(f"captions-browser: {len(offs)} cues at their time, expected {ENOUGH} within {OFF_MAX} s; not said: {wrong}")


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]), sys.argv[3], sys.argv[4])
    else:
        judge(sys.argv[2], sys.argv[3])
