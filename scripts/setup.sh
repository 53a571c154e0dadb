#!/usr/bin/env bash
# Installs the Debian packages that are missing. Says what it installs; silent when there is nothing to do.
set -euo pipefail

packages=(
    build-essential # whisper.cpp is C++
    bubblewrap      # make check-deploy: a root that cannot be written
    cmake           # and builds with this
    python3-pip     # fetches weights and recordings from the Python package index
    ezstream        # an encoder of its own kind that pushes to our mount
    liquidsoap      # and another one
    ffmpeg          # encodes the demo and the test signals
    gstreamer1.0-tools        # sends RTP to the tests
    gstreamer1.0-plugins-base # with Opus
    gstreamer1.0-plugins-good # and packets of 1 ms
    icecast2        # the streaming server that demo and tests listen to
    nginx           # serves the playlists and segments of tests
    prometheus      # the server that tests let scrape the metrics, with promtool
    shellcheck      # make check
    srt-tools       # a sender and a receiver of SRT
)
# The vendor's SDKs that speak to /v1/listen in the tests are for Python and Node.js. Node.js from elsewhere brings its npm along,
# and does not go with Debian's.
command -v npm >/dev/null || packages+=(nodejs npm)

missing=()
for package in "${packages[@]}"; do
    [[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" == installed ]] || missing+=("$package")
done
[[ ${#missing[@]} -gt 0 ]] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "setup: not a Debian machine; make sure that you have: ${packages[*]}" >&2
    exit 0
fi

as_root=()
[[ $EUID -eq 0 ]] || as_root=(sudo)
echo "setup: installing ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
quietly() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive "$@" >"$log" 2>&1 || { cat "$log" >&2; return 1; }; }
quietly apt-get update
quietly apt-get install -y --no-install-recommends "${missing[@]}"
# Debian starts a server when it is installed, and at each boot. Tests start their own one, with a port and a folder of its own.
for service in nginx prometheus; do
    if [[ " ${missing[*]} " == *" $service "* && -d /run/systemd/system ]]; then
        echo "setup: stopping and disabling the service $service, which nothing here needs"
        quietly systemctl disable --now "$service"
    fi
done
