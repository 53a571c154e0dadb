#!/usr/bin/env bash
# Makes the demo's programme: a minute of music, speech, speech over music and dead air. Prints its path. $1: aircheck.
# Speech: moonshine-voice 0.1.5 (MIT). Music: singularity-music, Max McCracken (CC-BY-SA-3.0).
set -euo pipefail

readonly aircheck=$1
readonly music=Awakening.ogg
readonly music_sha256=72efe1d6386ed801213d8d45ac41e827377c204f643afa8ed5f89dc607894b37

folder=${XDG_CACHE_HOME:-$HOME/.cache}/aircheck/demo
programme=$folder/programme-1.mp3 # another composition gets another number
if [[ ! -f $programme ]]; then
    mkdir -p "$folder"
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    cd "$scratch"
    two_cities=$("$aircheck" models sample two_cities.wav)
    beckett=$("$aircheck" models sample beckett.wav)

    echo "demo: fetching music (51 MB)" >&2
    as_root=()
    [[ $EUID -eq 0 ]] || as_root=(sudo)
    apt-get download -qq singularity-music 2>/dev/null \
        || { "${as_root[@]}" apt-get update -qq && apt-get download -qq singularity-music; } >&2
    dpkg-deb --fsys-tarfile singularity-music_*.deb | tar -xO "./usr/share/games/singularity/music/$music" >"$music"
    echo "$music_sha256  $music" | sha256sum --check --status || { echo "demo: $music is not the pinned file" >&2; exit 1; }

    # The readings are quiet: the gains bring them to about -21 LUFS, the music to about -22.
    ffmpeg -v error -y \
        -ss 30 -t 6 -i "$music" \
        -ss 1 -to 16.9 -i "$two_cities" \
        -ss 60 -t 15 -i "$music" \
        -i "$beckett" \
        -ss 17.4 -to 26.3 -i "$two_cities" \
        -filter_complex "
            [0] volume=-5dB, afade=out:st=5.5:d=0.5, aformat=fltp:44100:stereo [jingle];
            [1] volume=14dB, aformat=fltp:44100:stereo [story];
            [2] volume=-5dB, volume='if(lt(t,5),1,0.08)':eval=frame, afade=out:st=14:d=1, aformat=fltp:44100:stereo [bed];
            [3] volume=9dB, adelay=5s:all=1, aformat=fltp:44100:stereo [over];
            [bed][over] amix=normalize=0 [mixed];
            anullsrc=r=44100:cl=stereo:d=1 [pause];
            anullsrc=r=44100:cl=stereo:d=12 [dead];
            [4] volume=14dB, aformat=fltp:44100:stereo [ending];
            [jingle][story][pause][mixed][dead][ending] concat=n=6:v=0:a=1, alimiter=limit=0.8:level=0 [out]" \
        -map '[out]' -c:a libmp3lame -b:a 128k -f mp3 "$programme.part"
    mv "$programme.part" "$programme"
fi
echo "$programme"
