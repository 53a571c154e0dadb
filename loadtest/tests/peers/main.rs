//! The load test against the protocols of WhisperLive and vosk-server: fakes say what the real servers said (WhisperLive
//! 0.10.0, vosk 0.3.45 with a Korean model that heard English), as much audio after the beginning.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod fake;

use std::path::Path;
use std::time::Duration;

use loadtest::measure::{Figure, Measurement};
use loadtest::mode::{Load, Rig, Stop};
use loadtest::rig::Wire;
use loadtest::scenario::{AudioFrom, Scenario, TargetKind};
use serde_json::Value;

use fake::{Fake, Frame, Manners};

/// What was said to WhisperLive: word and end, ms.
const SAID: &str = "and 370 mister 630 john 980 dashwood 1580 had 1840 then 2210 leisure 2710 to 2890 consider 3440 how \
    3950 much 4330 there 4520 might 4790 be 4940 prudently 5460 in 5560 his 5750 power 6040 to 6140 do 6350 for 6610 them 6790 \
    he 8230 was 8460 not 8960 an 9200 ill 9380 disposed 10010 young 10230 man 10640";
/// A round of the programme, longer than a run.
const ROUND_SECS: u32 = 30;
const RATE_HZ: u32 = 16_000;

/// A programme in which nobody says the words at their times, in whole ms: text, start, end.
fn write_programme(folder: &Path, words: &[(String, u64, u64)]) -> std::path::PathBuf {
    let n_bytes = ROUND_SECS * RATE_HZ * 2;
    let mut wav = Vec::from(*b"RIFF");
    wav.extend((36 + n_bytes).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    wav.extend(16_u32.to_le_bytes());
    wav.extend([1_u16, 1].map(u16::to_le_bytes).concat());
    wav.extend([RATE_HZ, RATE_HZ * 2].map(u32::to_le_bytes).concat());
    wav.extend([2_u16, 16].map(u16::to_le_bytes).concat());
    wav.extend(b"data");
    wav.extend(n_bytes.to_le_bytes());
    // Not silence, which would be dead air.
    wav.extend((0..n_bytes / 2).flat_map(|n| ((n * 7_919 % 2_000) as i16 - 1_000).to_le_bytes()));
    std::fs::write(folder.join("clip.wav"), wav).unwrap();
    let word = |(text, start, end): &(String, u64, u64)| {
        format!("{{ text = \"{text}\", start_ms = {start}, end_ms = {end} }}")
    };
    let words: Vec<String> = words.iter().map(word).collect();
    let manifest = format!(
        "[clips.clip]\nfile = \"clip.wav\"\nwords = [{}]\n[[parts]]\nclip = {{ name = \"clip\" }}\n",
        words.join(", ")
    );
    let path = folder.join("programme.toml");
    std::fs::write(&path, manifest).unwrap();
    path
}

/// One feed for 12 s.
fn measure(kind: TargetKind, fake: &Fake, words: &[(String, u64, u64)]) -> Measurement {
    let folder = tempfile::tempdir().unwrap();
    let mut scenario = Scenario::default();
    scenario.target.kind = kind;
    scenario.target.url = Some(format!("ws://{}", fake.address));
    scenario.programme.from = AudioFrom::Manifest(write_programme(folder.path(), words));
    // vosk says the first word for good when the speaker pauses, 13 s later.
    scenario.run.grace = Duration::from_secs(15);
    let load = Load {
        n_feeds: 1,
        warm_up: Duration::ZERO,
        length: Duration::from_secs(12),
        disturbances: Vec::new(),
    };
    Wire::new(&scenario, &Stop::default()).unwrap().run(&load, &mut |_| {}).unwrap()
}

fn counts(run: &Measurement, figure: Figure) -> (u64, u64) {
    let (_, counts) = &run.score.figures[&figure];
    assert_eq!((counts.n_early, counts.n_duplicate), (0, 0), "{figure:?}: {counts:?}");
    (counts.n_expected, counts.n_missing)
}

#[test]
fn whisper_live_shows_all_and_never_completes_the_last() {
    let frames = Frame::read(include_str!("whisper_live.ndjson"));
    let fake = Fake::start(Manners::WhisperLive, frames);
    let tokens: Vec<&str> = SAID.split_whitespace().collect();
    let mut start = 200;
    let words = tokens.chunks(2).map(|pair| {
        let end: u64 = pair[1].parse().unwrap();
        (pair[0].to_owned(), std::mem::replace(&mut start, end), end)
    });
    let run = measure(TargetKind::WhisperLive, &fake, &words.collect::<Vec<_>>());
    // The first segment, "And Mr. John ... prudently", is completed; what follows is shown, taken back, and shown again.
    let words = run.score.words;
    assert_eq!((words.n_said, words.n_substituted, words.n_deleted, words.n_inserted), (30, 0, 15, 0));
    assert_eq!(counts(&run, Figure::WordFirstSeen), (30, 0));
    assert_eq!(counts(&run, Figure::WordFinal), (30, 15));
    // "Prudin'." was "prudently"; the end of the sentence was gone for a while.
    assert!(words.n_retracted >= 8, "{words:?}");
}

#[test]
fn vosk_says_all_for_good_with_its_times() {
    let frames = Frame::read(include_str!("vosk.ndjson"));
    let last: Value = serde_json::from_str(&frames.last().unwrap().says).unwrap();
    let ms = |secs: &Value| (secs.as_f64().unwrap() * 1_000.0).round() as u64;
    let word =
        |word: &Value| (word["word"].as_str().unwrap().to_owned(), ms(&word["start"]), ms(&word["end"]));
    let words: Vec<_> = last["result"].as_array().unwrap().iter().map(word).collect();
    let fake = Fake::start(Manners::Vosk, frames);
    let run = measure(TargetKind::Vosk, &fake, &words);
    // Of 26 tokens one is a note: "[2]".
    let words = run.score.words;
    assert_eq!((words.n_said, words.error_rate()), (25, 0.0), "{words:?}");
    assert_eq!(counts(&run, Figure::WordFirstSeen), (25, 0));
    assert_eq!(counts(&run, Figure::WordFinal), (25, 0));
    let seen = run.score.figures[&Figure::WordFirstSeen].0.quantile(0.5).unwrap();
    let final_ = run.score.figures[&Figure::WordFinal].0.quantile(0.5).unwrap();
    assert!(seen < final_ && words.n_retracted > 0, "{seen:?} {final_:?} {words:?}");
}
