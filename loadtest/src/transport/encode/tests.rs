//! Encoded programmes, decoded by ffmpeg: audio lies where the tape says.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::Write;
use std::process::{Command, Stdio};

use engine::time::SampleRate;

use super::*;

/// A round that is a whole number of pieces of every codec, ms.
const ROUND: usize = 1_920;
const ALL: [(Encoding, Codec); 7] = [
    (Encoding::Mp3Stereo, Codec::Mp3),
    (Encoding::Mp3Mono, Codec::Mp3),
    (Encoding::AacStereo, Codec::Aac),
    (Encoding::AacMono, Codec::Aac),
    (Encoding::Opus, Codec::Opus),
    (Encoding::Flac, Codec::Flac),
    (Encoding::FlacLower, Codec::Aac),
];

/// Silence with a tone of 1 kHz from `from` to `to`, ms.
fn programme(length_ms: usize, from: usize, to: usize) -> Programme {
    let rate = SampleRate::HZ_16000;
    let sample = |n: usize| match n / 16 {
        ms if (from..to).contains(&ms) => ((n as f64 * std::f64::consts::TAU / 16.0).sin() * 16_000.0) as i16,
        _ => 0,
    };
    Programme { rate, samples: (0..length_ms * 16).map(sample).collect(), facts: Vec::new() }
}

/// What a listener gets from piece `first` on.
fn stream(tape: &Tape, first: u64, n_pieces: u64) -> Vec<u8> {
    let pieces = (first..first + n_pieces).flat_map(|idx| tape.piece(idx));
    tape.head().iter().copied().chain(pieces).collect()
}

/// Samples at 16 kHz, mono.
fn decoded(stream: Vec<u8>, tape: &Tape) -> Vec<i16> {
    let format = match tape.media_type() {
        "audio/mpeg" => "mp3",
        "audio/aac" => "aac",
        "audio/wav" => "wav",
        _ => "ogg",
    };
    let mut child = Command::new("ffmpeg")
        .args([
            "-v", "error", "-f", format, "-i", "pipe:0", "-ac", "1", "-ar", "16000", "-f", "s16le", "pipe:1",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::Builder::new().spawn(move || stdin.write_all(&stream)).unwrap();
    let output = child.wait_with_output().unwrap();
    // A header of endless WAV ends in the middle.
    let _written = writer.join().unwrap();
    output.stdout.chunks_exact(2).map(|bytes| i16::from_le_bytes([bytes[0], bytes[1]])).collect()
}

/// Stretches that are loud, ms; 5 ms windows.
fn loud(samples: &[i16]) -> Vec<(usize, usize)> {
    let is_loud = |window: &[i16]| window.iter().any(|sample| sample.unsigned_abs() > 8_000);
    let mut loud: Vec<(usize, usize)> = Vec::new();
    for (idx, _) in samples.chunks(80).enumerate().filter(|(_, window)| is_loud(window)) {
        match loud.last_mut() {
            Some((_, to)) if *to == idx * 5 => *to += 5,
            _ => loud.push((idx * 5, idx * 5 + 5)),
        }
    }
    loud
}

/// Where the tone is heard in two rounds from piece `first` on.
fn heard(tape: &Tape, first: u64) -> Vec<(usize, usize)> {
    loud(&decoded(stream(tape, first, tape.n_pieces() * 2), tape))
}

/// Decoding is exact to a sample or two, ringing and windows to 5 ms each.
fn check(found: &[(usize, usize)], expected: &[(usize, usize)]) {
    assert_eq!(found.len(), expected.len(), "{found:?} instead of {expected:?}");
    for (found, expected) in found.iter().zip(expected) {
        let off = found.0.abs_diff(expected.0).max(found.1.abs_diff(expected.1));
        assert!(off <= 10, "{found:?} instead of {expected:?}");
    }
}

#[test]
fn audio_lies_where_it_says_over_rounds_and_from_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let programme = programme(ROUND, 800, 1_000);
    for (encoding, codec) in ALL {
        let piece = piece(codec);
        let tape = tape(&programme, encoding, piece, folder.path()).unwrap();
        let round = MediaTime::from_millis(ROUND as u64);
        assert_eq!((tape.round(), tape.position(tape.n_pieces())), (round, round), "{encoding:?}");
        check(&heard(&tape, 0), &[(800, 1_000), (800 + ROUND, 1_000 + ROUND)]);
        let later = piece.as_millis() as usize * 10;
        check(
            &heard(&tape, 10),
            &[(800 - later, 1_000 - later), (800 + ROUND - later, 1_000 + ROUND - later)],
        );
        let again = super::tape(&programme, encoding, piece, folder.path()).unwrap();
        assert_eq!(again.piece(7), tape.piece(7));
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), ALL.len(), "kept, and nothing else");
}

#[test]
fn a_tone_over_the_seam_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let mut programme = programme(ROUND, 0, 100);
    let samples: Vec<i16> = programme.samples.iter().copied().cycle().skip(800).take(ROUND * 16).collect();
    programme.samples = samples.into();
    for (encoding, codec) in ALL {
        let tape = tape(&programme, encoding, piece(codec), folder.path()).unwrap();
        // The first of it is where listeners come in: decoders fade in over a frame.
        check(&heard(&tape, 0)[1..], &[(ROUND - 50, ROUND + 50), (2 * ROUND - 50, 2 * ROUND)]);
    }
}

#[test]
fn what_was_kept_and_is_broken_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let programme = programme(ROUND, 0, 100);
    let make = || tape(&programme, Encoding::Opus, piece(Codec::Opus), folder.path()).unwrap().piece(3);
    let made = make();
    let path = fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    let kept = fs::read(&path).unwrap();
    fs::write(&path, &kept[..kept.len() / 2]).unwrap();
    assert_eq!(make(), made);
    assert_eq!(fs::read(&path).unwrap(), kept);
}

#[test]
fn flac_and_wav_are_the_programme_itself() {
    let folder = tempfile::tempdir().unwrap();
    let noise = std::iter::successors(Some(1_u32), |last| Some(last.wrapping_mul(1_664_525).wrapping_add(1)));
    let samples: Vec<i16> = noise.map(|noise| (noise >> 16) as i16).take(ROUND * 16).collect();
    let programme = Programme { samples: samples.into(), ..programme(ROUND, 0, 0) };
    for codec in [Codec::Flac, Codec::Wav] {
        for tape in tapes(&programme, codec, folder.path()).unwrap() {
            let heard = decoded(stream(&tape, 0, tape.n_pieces()), &tape);
            assert!(heard == *programme.samples, "{codec:?} as {}", tape.media_type());
        }
    }
}

#[test]
fn a_change_from_a_codec_without_flat_tops_brings_none() {
    let folder = tempfile::tempdir().unwrap();
    let loud = Programme { samples: vec![i16::MAX; ROUND * 16].into(), ..programme(ROUND, 0, 0) };
    // docs/events.md: clipping is at -1 dBFS and above.
    let flat = (32_768.0 * 10_f64.powf(-1.0 / 20.0)) as i16;
    for codec in [Codec::Mp3, Codec::Aac, Codec::Opus] {
        let tapes = tapes(&loud, codec, folder.path()).unwrap();
        for changed in &tapes[1..] {
            let heard = decoded(stream(changed, 0, changed.n_pieces()), changed);
            assert!(!heard.is_empty() && heard.iter().all(|sample| *sample < flat), "{codec:?}");
        }
    }
}

#[test]
fn a_change_is_to_another_rate_or_codec_of_the_same_shape() {
    let folder = tempfile::tempdir().unwrap();
    let programme = programme(ROUND, 0, 100);
    for (codec, types) in [
        (Codec::Mp3, vec!["audio/mpeg", "audio/mpeg", "audio/ogg"]),
        (Codec::Aac, vec!["audio/aac", "audio/aac", "audio/ogg"]),
        (Codec::Opus, vec!["audio/ogg", "audio/ogg"]),
        (Codec::Flac, vec!["audio/ogg", "audio/wav"]),
        (Codec::Wav, vec!["audio/wav", "audio/wav"]),
    ] {
        let tapes = tapes(&fitted(&programme, codec), codec, folder.path()).unwrap();
        assert_eq!(tapes.iter().map(Tape::media_type).collect::<Vec<_>>(), types);
        let first = (tapes[0].round(), tapes[0].piece_length());
        assert!(tapes.iter().all(|tape| (tape.round(), tape.piece_length()) == first), "{codec:?}");
        let distinct = tapes.iter().skip(1).all(|tape| stream(tape, 0, 1) != stream(&tapes[0], 0, 1));
        assert!(distinct, "{codec:?}");
    }
}

#[test]
fn programmes_are_made_to_fit() {
    let odd = programme(1_001, 0, 1);
    let folder = Path::new("/nowhere");
    assert!(tape(&odd, Encoding::Mp3Mono, piece(Codec::Mp3), folder).is_err());
    for (codec, fit) in [(Codec::Mp3, 1_008), (Codec::Aac, 1_024), (Codec::Opus, 1_040)] {
        let once = fitted(&odd, codec);
        assert_eq!(once.length(), MediaTime::from_millis(fit), "{codec:?}");
        assert_eq!(fitted(&once, codec).length(), once.length());
    }
    let empty = Programme { samples: Vec::new().into(), ..odd };
    assert!(tape(&empty, Encoding::Flac, piece(Codec::Flac), folder).is_err());
}
