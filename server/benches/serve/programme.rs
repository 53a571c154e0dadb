//! What is played: a signal for feeds without speech, recordings of speech.

use std::ops::Range;
use std::path::Path;
use std::process::Command;

/// As bytes a second, of 128 kbit/s.
pub(crate) const MP3_BYTES_PER_SEC: usize = 16_000;
/// Of [`speech_pcm`]: 16 kHz, 16 bits, one channel.
pub(crate) const PCM_BYTES_PER_SEC: usize = 32_000;
/// The recordings that the program knows (`aircheck models sample`).
const RECORDINGS: [&str; 3] = ["two_cities.wav", "endgame_nagg_nell.wav", "beckett.wav"];

/// The signal has a silence each `PERIOD_SECS`.
pub(crate) const PERIOD_SECS: u64 = 4;
/// Silence that is dead air, and sound that ends it, for feeds of [`signal_mp3`].
pub(crate) const SIGNAL_PROFILE: &str =
    "transcript = false\ndead_air_secs = 0.5\ndead_air_recover_secs = 0.2\n";
/// A chord under noise, 44.1 kHz, stereo; 0.9 s of each 4 s are silent.
const SIGNAL: &str = "aevalsrc=(0.1*sin(880*PI*t)+0.1*sin(1320*PI*t)+0.1*(random(0)-0.5))*gte(mod(t\\,4)\\,0.9)|\
    (0.1*sin(880*PI*t)+0.1*sin(1650*PI*t)+0.1*(random(1)-0.5))*gte(mod(t\\,4)\\,0.9):s=44100:d=60";

/// A minute of signal as mp3 of 128 kbit/s, in frames that can be played again and again.
pub(crate) fn signal_mp3() -> Vec<u8> {
    mp3(&["-f", "lavfi", "-i", SIGNAL])
}

/// All recordings of speech as mp3 of 128 kbit/s, stereo, in frames that can be played again and again.
pub(crate) fn speech_mp3() -> Vec<u8> {
    let paths: Vec<String> = RECORDINGS.into_iter().map(recording).collect();
    let inputs = paths.iter().flat_map(|path| ["-i", path.as_str()]);
    let join = [
        "-filter_complex",
        "[0:a]aresample=44100[a];[1:a]aresample=44100[b];[2:a]aresample=44100[c];[a][b][c]concat=n=3:v=0:a=1",
    ];
    mp3(&inputs.chain(join).collect::<Vec<_>>())
}

/// The recordings one after the other, `first` at the beginning, as 16-bit samples at 16 kHz.
pub(crate) fn speech_pcm(first: usize) -> Vec<u8> {
    let order = (0..RECORDINGS.len()).map(|n| RECORDINGS[(first + n) % RECORDINGS.len()]);
    let pcm = |name| {
        let path = recording(name);
        ffmpeg(&["-i", &path, "-ac", "1", "-ar", "16000", "-f", "s16le"])
    };
    order.flat_map(pcm).collect()
}

/// Where in 16-bit samples at 16 kHz there is sound, s: from the first to the last 10 ms above `dbfs`.
pub(crate) fn sound(pcm: &[u8], dbfs: f64) -> Range<f64> {
    let hop_bytes = PCM_BYTES_PER_SEC / 100;
    let threshold = 10.0_f64.powf(dbfs / 10.0);
    let power = |hop: &[u8]| {
        let squares =
            hop.chunks_exact(2).map(|b| (f64::from(i16::from_le_bytes([b[0], b[1]])) / 32_768.0).powi(2));
        squares.sum::<f64>() / (hop.len() / 2).max(1) as f64
    };
    let loud: Vec<bool> = pcm.chunks(hop_bytes).map(|hop| power(hop) > threshold).collect();
    let first = loud.iter().position(|loud| *loud).unwrap_or(0);
    let last = loud.iter().rposition(|loud| *loud).unwrap_or(0);
    first as f64 / 100.0..(last + 1) as f64 / 100.0
}

/// Writes speech as a file: its path.
pub(crate) fn speech_wav(dir: &Path) -> String {
    let path = dir.join("speech.wav");
    std::fs::write(&path, ffmpeg(&["-i", &recording(RECORDINGS[0]), "-f", "wav"])).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A recording that the program has fetched (`make weights`): its path.
fn recording(name: &str) -> String {
    let program = env!("CARGO_BIN_EXE_aircheck");
    let output = Command::new(program).args(["models", "sample", name]).output().unwrap();
    assert!(output.status.success(), "no recordings: run `make weights`");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Without a bit reservoir and headers every frame stands for itself.
fn mp3(input: &[&str]) -> Vec<u8> {
    let coding =
        "-ac 2 -ar 44100 -c:a libmp3lame -b:a 128k -reservoir 0 -write_xing 0 -id3v2_version 0 -f mp3";
    ffmpeg(&input.iter().copied().chain(coding.split(' ')).collect::<Vec<_>>())
}

fn ffmpeg(args: &[&str]) -> Vec<u8> {
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error"])
        .args(args)
        .arg("pipe:1")
        .output()
        .expect("ffmpeg is installed (make setup)");
    assert!(output.status.success(), "ffmpeg {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
