#!/usr/bin/env bash
# Live captions in a real browser: a live HLS stream of ffmpeg, `aircheck serve` beside it, and hls.js in a headless Chromium, which
# plays both from one playlist. Ends with a screenshot, and with what the player showed held against what was said. AIRCHECK: the
# program to use instead of a release build of this tree. SHOT: where the screenshot goes.
set -euo pipefail
cd "$(dirname "$0")/.."
readonly hls_js=hls.js@1.7.4
shot=$(realpath -m "${SHOT:-target/captions.png}")

aircheck=${AIRCHECK:-}
if [[ -z $aircheck ]]; then
    cargo build --locked --release --bin aircheck
    aircheck=${CARGO_TARGET_DIR:-target}/release/aircheck
fi
aircheck=$(realpath "$aircheck")
if ! command -v chromium >/dev/null; then
    echo "captions-browser: installs chromium (400 MB)" >&2
    apt-get install -y --no-install-recommends chromium fonts-dejavu-core >&2
fi
cache=${XDG_CACHE_HOME:-$HOME/.cache}/aircheck/hls-js
player=$cache/node_modules/hls.js/dist/hls.min.js
[[ -f $player ]] || npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$cache" "$hls_js" >&2
"$aircheck" models pull >&2
speech=$("$aircheck" models sample two_cities.wav)

scratch=$(mktemp -d)
children=()
stop() {
    [[ ${#children[@]} -eq 0 ]] || kill "${children[@]}" 2>/dev/null || true
    wait
    rm -rf "$scratch"
}
trap stop EXIT
free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
web=$(free_port)
api=$(free_port)
mkdir "$scratch/www"
cp "$player" "$scratch/www/hls.js"
cp scripts/captions-browser.html "$scratch/www/index.html"
python3 scripts/captions-browser.py serve "$web" "$scratch/www" "$scratch/shown" &
children+=($!)
ffmpeg -nostdin -v error -re -stream_loop -1 -i "$speech" -f lavfi -i testsrc2=size=640x360:rate=25 -map 1:v -map 0:a \
    -c:v libx264 -preset ultrafast -g 50 -pix_fmt yuv420p -c:a aac -f hls -hls_time 4 -hls_list_size 8 \
    -hls_flags program_date_time+delete_segments "$scratch/www/live.m3u8" &
children+=($!)
until [[ $(grep -c '^live' "$scratch/www/live.m3u8" 2>/dev/null) -ge 3 ]]; do sleep 0.5; done
cat >"$scratch/aircheck.toml" <<TOML
state_dir = "$scratch/state"
[server]
listen = "127.0.0.1:$api"
[[feeds]]
name = "live"
source = "http://127.0.0.1:$web/live.m3u8"
TOML
"$aircheck" serve -c "$scratch/aircheck.toml" >&2 &
children+=($!)
captions=http://127.0.0.1:$api/v1/feeds/live/captions
until [[ $(curl -s "$captions/playlist.m3u8" | grep -c EXTINF) -ge 4 ]]; do sleep 1; done

stream=http://127.0.0.1:$web/live.m3u8
page="http://127.0.0.1:$web/index.html?src=$(python3 -c 'import sys, urllib.parse as u; print(u.quote(sys.argv[1], safe=""))' \
    "$captions/master.m3u8?stream=$stream")"
mkdir -p "$(dirname "$shot")"
timeout 180 chromium --headless=new --no-sandbox --disable-gpu --autoplay-policy=no-user-gesture-required --mute-audio \
    --user-data-dir="$scratch/browser" --window-size=680,460 --screenshot="$shot" "$page" >"$scratch/browser.log" 2>&1 ||
    { tail "$scratch/browser.log" >&2; exit 1; }
curl -s "http://127.0.0.1:$api/v1/feeds/live/transcript" >"$scratch/transcript.json"
python3 scripts/captions-browser.py judge "$scratch/shown" "$scratch/transcript.json"
echo "captions-browser: $shot"
