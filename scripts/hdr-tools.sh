#!/usr/bin/env bash
# The tools of HdrHistogram, which a test lets read what a load test leaves behind: fetched once, kept in the cache. Prints the
# folder, with `python` and `node` in it; says nothing else and fetches nothing when they are there.
set -euo pipefail
python_tool=hdrhistogram==0.10.8
node_tool=hdr-histogram-js@3.0.1
cache=${XDG_CACHE_HOME:-$HOME/.cache}/aircheck/hdr-tools
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
    once "$cache/python-${python_tool##*=}.done" \
        python3 -m pip install -qq --root-user-action=ignore --disable-pip-version-check --upgrade --target "$cache/python" "$python_tool"
    once "$cache/node-${node_tool##*@}.done" \
        npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$cache/node" "$node_tool"
} 9>"$cache/lock"
echo "$cache"
