#!/usr/bin/env bash
# The whole program beside faster-whisper on the same weights and file. AUDIO: the file; the demo's programme by default,
# which is too short to be fair to batching: prefer a quarter of an hour of broadcast.
set -euo pipefail
cd "$(dirname "$0")/.."
cache=${XDG_CACHE_HOME:-$HOME/.cache}/aircheck/peers
mkdir -p "$cache"

pip() { python3 -m pip "$@" --quiet; }
if [[ ! -f $cache/python.done ]]; then
    pip install --target "$cache/python" --requirement benches/peers/requirements.txt
    touch "$cache/python.done"
fi
model=$(scripts/peers-weights.sh)

cargo build --locked --release --bin aircheck
aircheck=$(realpath "${CARGO_TARGET_DIR:-target}")/release/aircheck
"$aircheck" models pull
audio=${AUDIO:-$(scripts/demo-programme.sh "$aircheck")}
seconds=$(ffprobe -v error -show_entries format=duration -of csv=p=0 "$audio")

measure() { # label, command...: speed and peak memory of a command that reads the whole file
    local label=$1
    shift
    python3 - "$label" "$seconds" "$@" <<'PYTHON'
import resource, subprocess, sys, time
label, seconds, command = sys.argv[1], float(sys.argv[2]), sys.argv[3:]
started = time.perf_counter()
done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
spent = time.perf_counter() - started
if done.returncode:
    sys.exit(done.stderr)
memory_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
print(f"{label:38s} {seconds / spent:6.1f} x real time {memory_mb:5.0f} MB")
PYTHON
}

echo "$audio: $seconds s"
measure "aircheck analyze" "$aircheck" analyze --json "$audio"
measure "aircheck analyze, no transcript, 1 core" taskset -c 0 "$aircheck" analyze --json --no-transcript "$audio"
measure "ffmpeg ebur128 alone, 1 core" taskset -c 0 ffmpeg -v error -i "$audio" -af ebur128=peak=true -f null -
for mode in "int8 sequential" "int8 batched" "float32 batched"; do
    read -r compute_type batching <<<"$mode"
    PYTHONPATH=$cache/python python3 benches/peers/offline.py "$model" "$audio" "$compute_type" "$batching"
done
