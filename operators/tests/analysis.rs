//! The default analysis as a whole: it allocates nothing once it runs, lets no NaN through, and does not care how the
//! audio is cut into blocks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use engine::audio::{Block, Format};
use engine::event::{Body, Event};
use engine::time::{MediaTime, SampleRate};
use operators::{Analysis, AnalysisConfig, Ask, LoudnessConfig, Meters, UtteranceConfig};

const RATE_HZ: u32 = 44_100;
const BLOCK_FRAMES: usize = 1_024;

fn format() -> Format {
    Format::new(SampleRate::new(RATE_HZ).unwrap(), 2).unwrap()
}

fn config() -> AnalysisConfig {
    AnalysisConfig {
        loudness: LoudnessConfig { meters: Meters::TenHertz, ..LoudnessConfig::default() },
        utterances: Some(UtteranceConfig::live()),
        ..AnalysisConfig::default()
    }
}

/// Sentences of buzzing syllables, silence, clipping, a lost channel; stereo, interleaved.
fn audio(secs: usize) -> Vec<f32> {
    let rate = RATE_HZ as f32;
    let frame = |n: usize| {
        let t = n as f32 / rate;
        let syllable = (t * 4.0 * std::f32::consts::PI).sin().powi(2);
        let buzz: f32 =
            (1..20).map(|h| (t * 130.0 * h as f32 * std::f32::consts::TAU).sin() / h as f32).sum();
        let voice = if t % 6.0 < 4.5 { 0.3 * syllable * buzz } else { 0.0 };
        let left = if t % 12.0 < 6.0 { voice } else { (voice * 8.0).clamp(-1.0, 1.0) };
        [left, if t % 30.0 < 20.0 { left } else { 0.0 }]
    };
    (0..secs * RATE_HZ as usize).flat_map(frame).collect()
}

/// Pushes interleaved frames in blocks of `block_frames`, each through `push`.
fn each_block(samples: &[f32], block_frames: usize, push: &mut dyn FnMut(&Block)) {
    let mut block = Block::spare(format(), BLOCK_FRAMES);
    let now = block.received_at();
    for (idx, piece) in samples.chunks(block_frames * 2).enumerate() {
        block.restart(MediaTime::ZERO, (idx * block_frames) as u64, now);
        block.extend_interleaved(piece);
        push(&block);
    }
}

type Heard = (Vec<Event>, Vec<(MediaTime, usize)>);

fn analyse(samples: &[f32], block_frames: usize) -> Heard {
    let mut analysis = Analysis::new(format(), BLOCK_FRAMES, &config()).unwrap();
    let (mut events, mut asks) = (Vec::new(), Vec::new());
    let mut event = |e: &Event| events.push(e.clone());
    let mut ask = |a: &Ask| {
        assert!(a.pcm().iter().all(|s| s.is_finite()));
        asks.push((a.head.proof, a.pcm().len()));
    };
    each_block(samples, block_frames, &mut |block| analysis.push(block, &mut event, &mut ask));
    analysis.flush(&mut event, &mut ask);
    (events, asks)
}

#[test]
fn it_allocates_nothing_once_it_runs() {
    let mut analysis = Analysis::new(format(), BLOCK_FRAMES, &config()).unwrap();
    let mut n_events = 0;
    let mut worst = (0, MediaTime::ZERO);
    let mut n_blocks = 0;
    each_block(&audio(40), BLOCK_FRAMES, &mut |block| {
        let info = allocation_counter::measure(|| {
            analysis.push(block, &mut |_: &Event| n_events += 1, &mut |_: &Ask| {});
        });
        n_blocks += 1;
        if n_blocks > 50 {
            worst = worst.max((info.count_total, block.span().end));
        }
    });
    assert!(n_events > 400, "meters alone are ten a second, and there were {n_events} events");
    assert_eq!(worst.0, 0, "allocations in the block that ends at {} s", worst.1);
}

#[test]
fn broken_samples_leave_no_trace() {
    let mut samples = audio(20);
    for (idx, broken) in
        [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30, f32::MIN_POSITIVE / 4.0].iter().enumerate()
    {
        samples[RATE_HZ as usize * (2 + idx) + idx] = *broken;
    }
    let (events, asks) = analyse(&samples, BLOCK_FRAMES);
    assert!(!asks.is_empty());
    for event in &events {
        let finite = |x: Option<f64>| x.is_none_or(f64::is_finite);
        match &event.body {
            Body::Meter(m) => assert!(
                finite(m.momentary_lufs) && finite(m.short_term_lufs) && finite(m.true_peak_dbtp),
                "{event:?}"
            ),
            Body::LoudnessReport(r) => {
                assert!(
                    finite(r.integrated_lufs) && finite(r.range_lu) && finite(r.true_peak_dbtp),
                    "{event:?}"
                );
            }
            Body::Alert(a) => assert!(a.observation.observed.is_finite(), "{event:?}"),
            Body::Segment(s) => assert!(s.confidence.is_finite(), "{event:?}"),
            _ => {}
        }
    }
}

#[test]
fn the_cutting_into_blocks_does_not_matter() {
    let samples = audio(25);
    let whole = analyse(&samples, BLOCK_FRAMES);
    assert!(whole.0.len() > 200 && whole.1.len() > 4);
    for block_frames in [1_000, 333, 64] {
        let sort = |(mut events, asks): Heard| {
            // Branches of a fan emit block by block: what they say is the same, who says it first is not.
            events.sort_by_key(|e| (e.proof, e.span.start, format!("{:?}", e.body)));
            (events, asks)
        };
        assert!(
            sort(analyse(&samples, block_frames)) == sort(whole.clone()),
            "blocks of {block_frames} frames"
        );
    }
}
