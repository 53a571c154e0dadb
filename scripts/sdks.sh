#!/usr/bin/env bash
# The vendor's SDKs, which the tests of /v1/listen let speak to it: fetched once, kept in the cache. Prints the folder, with
# `python` and `node` in it; says nothing else and fetches nothing when they are there.
set -euo pipefail
python_sdk=deepgram-sdk==7.17.0
node_sdk=@deepgram/sdk@5.13.0
cache=${XDG_CACHE_HOME:-$HOME/.cache}/aircheck/sdks
mkdir -p "$cache"

once() { # a mark that names the version, command...: runs it unless it has been
    local mark=$1
    shift
    [[ ! -f $mark ]] || return 0
    "$@" >&2
    touch "$mark"
}
{
    flock 9 # tests run side by side
    once "$cache/python-${python_sdk##*=}.done" \
        python3 -m pip install -qq --root-user-action=ignore --disable-pip-version-check --upgrade --target "$cache/python" "$python_sdk"
    once "$cache/node-${node_sdk##*@}.done" \
        npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$cache/node" "$node_sdk"
} 9>"$cache/lock"
echo "$cache"
