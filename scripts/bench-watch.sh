#!/usr/bin/env bash
# One live feed of speech at real-time pace: latency of partials and finals, processor and memory. AUDIO: the recording,
# by default the 44 s of reading that `aircheck models sample` fetches.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --locked --release --bin aircheck
aircheck=$(realpath "${CARGO_TARGET_DIR:-target}")/release/aircheck
"$aircheck" models pull
audio=${AUDIO:-$("$aircheck" models sample two_cities.wav)}
python3 - "$aircheck" "$audio" <<'PYTHON'
import json, resource, subprocess, sys
aircheck, audio = sys.argv[1:]

def peaks(process_id):  # of a process and those it started, kB
    try:
        status = open(f"/proc/{process_id}/status").read()
        children = open(f"/proc/{process_id}/task/{process_id}/children").read().split()
    except OSError:
        return []
    own = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")]
    return own + [peak for child in children for peak in peaks(child)]

watching = subprocess.Popen([aircheck, "watch", "--once", "--json", audio], stdout=subprocess.PIPE, text=True)
memory = []
while watching.poll() is None:
    memory = max(memory, peaks(watching.pid), key=sum)
    try:
        watching.wait(1)
    except subprocess.TimeoutExpired:
        pass
if watching.returncode:
    sys.exit(watching.returncode)
summary = json.load(watching.stdout)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
latency = {row["event"]: row for row in summary["latencies"]}
print(f"{audio}: {summary['duration_s']:.1f} s, {summary['words']} words, coverage {summary['coverage']:.4f}")
for event, since in [("transcript.partial", "its newest word"), ("transcript.final", "the endpoint")]:
    row = latency[event]
    print(f"{event:20} {row['count']:4} events, p50 {row['p50_ms'] / 1e3:.2f} s, p95 {row['p95_ms'] / 1e3:.2f} s after {since}")
share = (used.ru_utime + used.ru_stime) / summary["elapsed_s"]
print(f"processor            {share:.2f} of a core")
print(f"peak memory          {' + '.join(f'{kilobytes / 1024:.0f}' for kilobytes in memory)} MB (watch, its recogniser)")
PYTHON
