#!/usr/bin/env bash
# The speech that the load test plays when it is given no other: five LibriVox recordings (public domain) with the times
# of their words, out of the source package of pocketsphinx. Fetched once, kept in the cache. Prints the folder.
set -euo pipefail
package=pocketsphinx==5.1.1
sha256=675778b309a22dfc9b7d37f7621976bba491d2a5f8c59696bd77fd6d07271355
cache=${XDG_CACHE_HOME:-$HOME/.cache}/aircheck/loadtest
folder=$cache/librivox-1 # other recordings get another number
mkdir -p "$cache"
{
    flock 9 # tests run side by side
    if [[ ! -d $folder ]]; then
        scratch=$(mktemp -d "$cache/scratch.XXXXXX")
        trap 'rm -rf "$scratch"' EXIT
        echo "loadtest: fetching recordings of speech (34 MB)" >&2
        python3 -m pip download -qq --disable-pip-version-check --no-deps --no-binary pocketsphinx --dest "$scratch" "$package" >&2
        archive=$scratch/${package/==/-}.tar.gz
        echo "$sha256  $archive" | sha256sum --check --status \
            || { echo "loadtest: $package is not the pinned package" >&2; exit 1; }
        tar -xzf "$archive" -C "$scratch" "${package/==/-}/test/data/librivox"
        mv "$scratch/${package/==/-}/test/data/librivox" "$folder"
    fi
} 9>"$cache/lock"
echo "$folder"
