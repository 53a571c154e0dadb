#!/usr/bin/env bash
# A minute of real audio through the whole program: a real Icecast server plays it at real-time pace, and
# `aircheck watch` listens. AIRCHECK: the program to use instead of a release build of this tree.
set -euo pipefail
cd "$(dirname "$0")/.."
readonly password=demo

aircheck=${AIRCHECK:-}
if [[ -z $aircheck ]]; then
    echo "demo: building (minutes, the first time)" >&2
    cargo build --locked --release --bin aircheck
    aircheck=${CARGO_TARGET_DIR:-target}/release/aircheck
fi
"$aircheck" models pull
programme=$(scripts/demo-programme.sh "$(realpath "$aircheck")")

scratch=$(mktemp -d)
children=()
stop() {
    [[ ${#children[@]} -eq 0 ]] || kill "${children[@]}" 2>/dev/null || true
    wait
    rm -rf "$scratch"
}
trap stop EXIT

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
# Icecast refuses to run as root: there it becomes `nobody`, who then owns its logs.
owner=
if [[ $EUID -eq 0 ]]; then
    owner='<changeowner><user>nobody</user><group>nogroup</group></changeowner>'
    chmod 755 "$scratch" && mkdir -m 777 "$scratch/log"
else
    mkdir "$scratch/log"
fi
cat >"$scratch/icecast.xml" <<XML
<icecast>
  <hostname>127.0.0.1</hostname>
  <limits><sources>1</sources><clients>8</clients></limits>
  <authentication>
    <source-password>$password</source-password>
    <admin-user>admin</admin-user><admin-password>$password</admin-password>
  </authentication>
  <listen-socket><port>$port</port><bind-address>127.0.0.1</bind-address></listen-socket>
  <paths>
    <logdir>$scratch/log</logdir>
    <webroot>/usr/share/icecast2/web</webroot><adminroot>/usr/share/icecast2/admin</adminroot>
  </paths>
  <security><chroot>0</chroot>$owner</security>
</icecast>
XML

answers() { # whether a GET of the path $1 is answered with 200
    local status
    exec 3<>"/dev/tcp/127.0.0.1/$port" || return 1
    printf 'GET %s HTTP/1.0\r\n\r\n' "$1" >&3
    read -r _ status _ <&3
    exec 3>&-
    [[ $status == 200 ]]
}
wait_for() { # path
    for _ in {1..100}; do
        if answers "$1" 2>/dev/null; then return; fi
        sleep 0.1
    done
    echo "demo: icecast does not answer at http://127.0.0.1:$port$1" >&2
    return 1
}

icecast2 -c "$scratch/icecast.xml" >"$scratch/icecast.out" 2>&1 &
children+=($!)
wait_for /status-json.xsl
ffmpeg -v error -re -i "$programme" -c copy -content_type audio/mpeg -f mp3 -ice_name "Aircheck demo" \
    "icecast://source:$password@127.0.0.1:$port/demo.mp3" &
children+=($!)
wait_for /demo.mp3

# What is on the air, as a playout system tells its server.
title() {
    exec 3<>"/dev/tcp/127.0.0.1/$port"
    printf 'GET /admin/metadata?mount=/demo.mp3&mode=updinfo&song=%s HTTP/1.0\r\nAuthorization: Basic %s\r\n\r\n' \
        "${1// /%20}" "$(printf 'admin:%s' "$password" | base64)" >&3
    exec 3>&-
}
titles() {
    title "Max McCracken - Awakening" && sleep 6
    title "Charles Dickens - A Tale of Two Cities" && sleep 17
    title "Samuel Beckett - Worstward Ho" && sleep 27
    title "Charles Dickens - A Tale of Two Cities"
}
titles &
children+=($!)

# Not `exec`: the servers are stopped when it ends. Ctrl-C ends all three.
"$aircheck" watch --once --feed demo "http://127.0.0.1:$port/demo.mp3"
