#!/usr/bin/env bash
# Makes the demo's programme (one minute of music, speech, speech over music and dead air). Prints its path.
set -euo pipefail
cd "$(dirname "$0")"

recordings=$(./recordings.sh)
programme=$recordings/programme-1.mp3 # another composition gets another number
if [[ ! -f $programme ]]; then
    # The readings are quiet: the gains bring them to about -21 LUFS, the music to about -22.
    ffmpeg -v error -y \
        -ss 30 -t 6 -i "$recordings/Awakening.ogg" \
        -ss 1 -to 16.9 -i "$recordings/two_cities.wav" \
        -ss 60 -t 15 -i "$recordings/Awakening.ogg" \
        -i "$recordings/beckett.wav" \
        -ss 17.4 -to 26.3 -i "$recordings/two_cities.wav" \
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
