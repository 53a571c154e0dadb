#!/usr/bin/env bash
# What is in deploy/, tried with what this machine has: the unit with systemd-analyze, and the program as a container would run it, without
# root, in a root that cannot be written (bubblewrap). Says what it could not try. Usage: scripts/check-deploy.sh [PROGRAM]
set -euo pipefail
cd "$(dirname "$0")/.."
program=$(realpath "${1:-${CARGO_TARGET_DIR:-target}/debug/aircheck}")
readonly unit=deploy/systemd/aircheck.service
skipped=0
skip() { echo "check-deploy: NOT TRIED: $*" >&2; skipped=$((skipped + 1)); }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if command -v systemd-analyze >/dev/null; then
    # It looks for the program where the unit says that it is, and for its user.
    sed -e "s|/usr/local/bin/aircheck|$program|" -e '/^User=\|^Group=/d' "$unit" >"$work/aircheck.service"
    systemd-analyze verify --man=no --recursive-errors=no "$work/aircheck.service"
    echo "check-deploy: systemd-analyze verify finds nothing"
    # 0 is what nothing can break into, 10 what anything can.
    if systemd-analyze security --offline=yes --threshold=25 "$work/aircheck.service" >"$work/exposure"; then
        tail -n 1 "$work/exposure"
    else
        tail -n 1 "$work/exposure" >&2
        exit 1
    fi
else
    skip "the unit (no systemd-analyze)"
fi

if ! command -v bwrap >/dev/null; then
    skip "a root that cannot be written (no bwrap)"
elif ! bwrap --ro-bind / / --unshare-user --uid 10001 --gid 10001 true 2>"$work/why"; then
    skip "a root that cannot be written: $(cat "$work/why")"
else
    mkdir "$work/state" "$work/cache"
    printf '[server]\nlisten = "127.0.0.1:0"\n[profiles.default]\ntranscript = false\n' >"$work/aircheck.toml"
    confined=(bwrap --ro-bind / / --dev /dev --proc /proc --tmpfs /tmp --unshare-user --unshare-pid --uid 10001 --gid 10001 --cap-drop ALL
        --ro-bind "$work/aircheck.toml" /tmp/aircheck.toml --bind "$work/state" /tmp/state --bind "$work/cache" /tmp/cache
        --ro-bind "$program" /tmp/aircheck --setenv XDG_STATE_HOME /tmp/state --setenv XDG_CACHE_HOME /tmp/cache --die-with-parent)
    "${confined[@]}" /tmp/aircheck serve --config /tmp/aircheck.toml 2>"$work/said" &
    serving=$!
    url=""
    for _ in {1..300}; do
        url=$(sed -n 's/.*listening on \(http:[^,]*\),.*/\1/p' "$work/said")
        [[ -z "$url" ]] || break
        kill -0 "$serving" 2>/dev/null || break
        read -rt 0.1 <> <(:) || true
    done
    [[ -n "$url" ]] || { cat "$work/said" >&2; exit 1; }
    "$program" health --server "$url"
    if "${confined[@]}" touch /etc/aircheck-was-here 2>/dev/null; then
        echo "check-deploy: the root could be written" >&2
        exit 1
    fi
    [[ -f "$work/state/aircheck/journal.db" ]] || { echo "check-deploy: no journal in its folder" >&2; exit 1; }
    kill "$serving"
    wait "$serving" || true
    echo "check-deploy: it serves without root, in a root that cannot be written"
fi
((skipped == 0)) || echo "check-deploy: $skipped not tried here"
