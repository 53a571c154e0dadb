//! Replay: audio through the analysis, the pool's threads and the publisher on a virtual clock, on which a decode takes
//! no time. The same audio gives the same events, byte for byte, however it was cut into blocks and however many
//! recognisers there are.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::f32::consts::{PI, TAU};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use engine::audio::{Block, Format};
use engine::event::Event;
use engine::lane::WhenFull;
use engine::time::{MediaTime, SampleRate};
use jiff::Timestamp;
use models::{DecodeOptions, RecognizeError, Recognizer, Transcription};
use operators::{
    Analysis, AnalysisConfig, Ask, DecodePolicy, KeywordRules, Keywords, Purpose, UtteranceConfig,
};

use super::{Admission, Entry, Listener, Moments, PoolConfig, RecogniserPool};
use crate::publish::{
    Desk, FeedIdentity, Inbox, Item, Now, Passage, Post, Record, Recorder, Seen, Sink, WallClock,
};

const RATE_HZ: u32 = 48_000;
const BLOCK_FRAMES_MAX: usize = 5_000;
const SECS: usize = 40;

/// Sentences of buzzing syllables with pauses, clipping, a lost channel and a long silence; stereo, interleaved.
fn audio() -> Vec<f32> {
    let frame = |n: usize| {
        let t = n as f32 / RATE_HZ as f32;
        let syllable = (t * 4.0 * PI).sin().powi(2);
        let buzz: f32 = (1..20).map(|h| (t * 130.0 * h as f32 * TAU).sin() / h as f32).sum();
        let is_said = t % 6.0 < 4.5 && !(14.0..27.0).contains(&t);
        let voice = if is_said { 0.3 * syllable * buzz } else { 0.0 };
        let left = if t < 8.0 { voice } else { (voice * 8.0).clamp(-1.0, 1.0) };
        [left, if t < 30.0 { left } else { 0.0 }]
    };
    (0..SECS * RATE_HZ as usize).flat_map(frame).collect()
}

/// Hears a word in each half second: after the first one, how loud it is.
struct Levels;

impl Recognizer for Levels {
    fn recognize(
        &mut self,
        pcm: &[f32],
        _: &DecodeOptions,
        out: &mut Transcription,
    ) -> Result<(), RecognizeError> {
        out.clear();
        for (idx, piece) in pcm.chunks(8_000).enumerate() {
            let power: f32 = piece.iter().map(|s| s * s).sum();
            let word = if idx == 0 { "start".to_owned() } else { format!("level{}", power.to_bits() >> 12) };
            out.push_word(&word, idx * 8_000..idx * 8_000 + piece.len(), 0.9);
        }
        out.language.push_str("en");
        Ok(())
    }

    fn model(&self) -> &str {
        "levels"
    }
}

/// What the analysis said, and when the audio that proves it was there.
enum Said {
    Fact(Event),
    Ask(Box<Ask>),
}

/// Everything that the analysis says of `audio`, in the order of its proofs. The seed cuts it into blocks.
fn analyse(audio: &[f32], mut seed: u64) -> Vec<(MediaTime, Said)> {
    let format = Format::new(SampleRate::new(RATE_HZ).unwrap(), 2).unwrap();
    let config = AnalysisConfig { utterances: Some(UtteranceConfig::live()), ..AnalysisConfig::default() };
    let mut analysis = Analysis::new(format, BLOCK_FRAMES_MAX, &config).unwrap();
    let mut block = Block::new(format, BLOCK_FRAMES_MAX, Instant::now());
    let (mut facts, mut asks) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < audio.len() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let n_samples = 2 * (1 + (seed >> 33) as usize % BLOCK_FRAMES_MAX).min((audio.len() - at) / 2);
        block.restart(MediaTime::ZERO, at as u64 / 2, Instant::now());
        block.extend_interleaved(&audio[at..at + n_samples]);
        at += n_samples;
        analysis.push(&block, &mut |e: &Event| facts.push(e.clone()), &mut |a: &Ask| asks.push(a.clone()));
    }
    analysis.flush(&mut |e: &Event| facts.push(e.clone()), &mut |a: &Ask| asks.push(a.clone()));
    let facts = facts.into_iter().map(|event| (event.proof, Said::Fact(event)));
    let mut all: Vec<_> =
        facts.chain(asks.into_iter().map(|ask| (ask.head.proof, Said::Ask(Box::new(ask))))).collect();
    all.sort_by_key(|(proof, _)| *proof);
    all
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Sink for Log {
    fn take(&mut self, record: &Record) -> std::io::Result<()> {
        self.0.lock().unwrap().push(serde_json::to_string(&record.envelope).unwrap());
        Ok(())
    }
}

/// The events of `audio`, as they go over the wire.
fn replay(audio: &[f32], seed: u64, n_recognisers: usize) -> Vec<String> {
    let config = PoolConfig {
        finals_max: 4,
        when_full: WhenFull::Wait,
        patience: None,
        policy: DecodePolicy::default(),
        measured: None,
    };
    let levels = |_| Box::new(Levels) as Box<dyn Recognizer>;
    let pool = RecogniserPool::start((0..n_recognisers).map(levels).collect(), config).unwrap();
    let seat = pool.join(Entry { priority: 0, admission: Admission::Always }, None).unwrap();
    let (post, Inbox { items, seen }) = Post::to_inbox(100);
    let asker = pool.asker(seat, SampleRate::new(RATE_HZ).unwrap(), post.clone());

    let log = Log::default();
    let identity = FeedIdentity { name: "replay".into(), epoch: 1 };
    let start = Timestamp::from_second(1_800_000_000).unwrap();
    let recorder = Recorder::new(identity, WallClock::File { start });
    let rules = KeywordRules::parse("start").unwrap();
    let listener = Listener::new(Some(Keywords::new(rules)));
    let mut desk = Desk::new(recorder, listener, vec![Box::new(log.clone())]);
    let (base, mut events) = (Instant::now(), Vec::new());
    for (proof, said) in analyse(audio, seed) {
        let since = Duration::from_micros(proof.as_millis() * 1_000);
        let now = Now { instant: base + since, wall: start + since };
        let passage = Passage::direct(now.instant);
        post.see(Seen::Arrived { end: proof, at: now.instant });
        desk.look(&seen);
        match said {
            Said::Fact(event) => desk.take(Item::Fact(Box::new(event), passage), &mut events, now).unwrap(),
            Said::Ask(ask) => {
                let at = now.instant;
                asker.ask(&ask, Moments { arrived_at: at, taken_at: at, asked_at: at });
                let asked = items.recv().unwrap();
                desk.take(asked, &mut events, now).unwrap();
                if !matches!(ask.head.purpose, Purpose::Confirm | Purpose::Abandon) {
                    let Item::Heard(mut heard) = items.recv().unwrap() else { panic!("no answer") };
                    heard.passage = passage;
                    desk.take(Item::Heard(heard), &mut events, now).unwrap();
                }
            }
        }
    }
    drop(desk);
    Arc::into_inner(log.0).unwrap().into_inner().unwrap()
}

#[test]
fn the_same_audio_gives_the_same_events_however_it_is_cut_and_whoever_recognises_it() {
    let audio = audio();
    let expected = replay(&audio, 1, 1);
    for kind in
        ["transcript.partial", "transcript.final", "segment", "alert.dead_air", "alert.clipping", "keyword"]
    {
        assert!(expected.iter().any(|line| line.contains(&format!("aircheck.{kind}.v1"))), "no {kind}");
    }
    for (seed, n_recognisers) in [(2, 1), (3, 2), (4, 3), (5, 8)] {
        let events = replay(&audio, seed, n_recognisers);
        let differs = events.iter().zip(&expected).find(|(a, b)| a != b);
        assert!(events == expected, "seed {seed}, {n_recognisers} recognisers: {differs:?}");
    }
}
