#!/usr/bin/env bash
# Live transcription beside others on the same weights, audio, pace and judge: Aircheck, then WhisperLive, each alone. Prints a table.
# FEEDS="1 2": how many at once; LENGTH=2m of each run; OUT: the folder for the reports. SERVERS="aircheck whisper-live vosk"
# compares vosk, too, with the model in the folder VOSK_MODEL: none for English is in a package registry.
set -euo pipefail
cd "$(dirname "$0")/.."
cache=${XDG_CACHE_HOME:-$HOME/.cache}/aircheck/peers
out=${OUT:-loadtest-report/peers-$(date +%Y%m%d-%H%M%S)}
programs=$(realpath "${CARGO_TARGET_DIR:-target}")/release
mkdir -p "$cache" "$out"

pip() { python3 -m pip install --quiet --root-user-action=ignore --disable-pip-version-check --upgrade --target "$@" >&2; }

whisper_live() { # sets up WhisperLive once
    local mark=$cache/whisper-live-0.10.0.done
    [[ -f $mark ]] && return
    pip "$cache/whisper-live" --requirement benches/peers/live-requirements.txt
    # Most of what it names is for other back ends, clients and graphics cards: gigabytes.
    pip "$cache/whisper-live" --no-deps whisper-live==0.10.0
    touch "$mark"
}

vosk() { # sets up vosk once
    local mark=$cache/vosk-0.3.45.done
    [[ -f $mark ]] && return
    pip "$cache/vosk" vosk==0.3.45 websockets
    touch "$mark"
}

measure() { # name, feeds, kind, command...: one run, a row of the table
    local name=$1 n_feeds=$2 kind=$3 status=0
    shift 3
    "$programs/aircheck-loadtest" run --scenario loadtest/scenarios/peers-websocket.toml --kind "$kind" --feeds "$n_feeds" \
        --length "${LENGTH:-2m}" --out "$out/$name-$n_feeds" --start "$*" >&2 || status=$?
    # 3: objectives were missed, which is an answer.
    [[ $status == 0 || $status == 3 ]] || exit "$status"
    rows+=("$name=$out/$name-$n_feeds")
}

rows=()
for server in ${SERVERS:-aircheck whisper-live}; do
    for n_feeds in ${FEEDS:-1 2}; do
        case $server in
        aircheck) measure aircheck "$n_feeds" deepgram "$programs/aircheck" serve --listen "{listen}" ;;
        whisper-live)
            whisper_live
            model=$(scripts/peers-weights.sh)
            measure whisper-live "$n_feeds" whisperlive \
                env "PYTHONPATH=$cache/whisper-live" python3 benches/peers/live_whisper_live.py "$model" "{listen}"
            ;;
        vosk)
            vosk
            measure vosk "$n_feeds" vosk \
                env "PYTHONPATH=$cache/vosk" python3 benches/peers/live_vosk.py "${VOSK_MODEL:?a folder with a model of vosk}" "{listen}"
            ;;
        *) echo "bench-live-peers: no server $server" >&2 && exit 2 ;;
        esac
    done
done
python3 benches/peers/live.py "${rows[@]}"
