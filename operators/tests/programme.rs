//! Activity on the 14.7-minute programme with a sample-exact timeline. Skipped where `../shared/data` is not there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::Command;

use engine::audio::{Block, Format};
use engine::event::{Body, Event, Phase, SegmentKind};
use engine::operator::{Chain, Operator};
use engine::time::SampleRate;
use operators::{Activity, ActivityConfig, Downmix, FrontEnd, Kinds, Resample, Voice, VoiceConfig};

const RATE_HZ: u32 = 48_000;
const BLOCK_FRAMES: usize = 4_800;

/// A piece of the programme, seconds.
struct Piece {
    start: f64,
    end: f64,
    kind: String,
}

fn folder() -> PathBuf {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    std::env::var_os("AIRCHECK_DATA").map_or(beside, PathBuf::from).join("programme")
}

fn timeline() -> Option<Vec<Piece>> {
    let text = std::fs::read_to_string(folder().join("timeline.json")).ok()?;
    let timeline: serde_json::Value = serde_json::from_str(&text).unwrap();
    let piece = |v: &serde_json::Value| Piece {
        start: v["start"].as_f64().unwrap(),
        end: v["end"].as_f64().unwrap(),
        kind: v["kind"].as_str().unwrap().to_owned(),
    };
    Some(timeline["segments"].as_array().unwrap().iter().map(piece).collect())
}

/// A closed segment, seconds.
struct Seen {
    kind: SegmentKind,
    start: f64,
    end: f64,
    repeats: Option<f64>,
}

/// Closed segments of the programme.
fn segments() -> Vec<Seen> {
    let decoded = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(folder().join("programme-48k.flac"))
        .args(["-f", "f32le", "-"])
        .output()
        .expect("ffmpeg decodes the programme");
    let samples: Vec<f32> =
        decoded.stdout.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    let rate = SampleRate::new(RATE_HZ).unwrap();
    let format = Format::new(rate, 2).unwrap();
    let condition = Chain::new(Downmix::new(format, BLOCK_FRAMES).unwrap(), Resample::new(rate).unwrap());
    let hops = Chain::new(FrontEnd::new().unwrap(), Voice::new(VoiceConfig::default()).unwrap());
    let hops = Chain::new(hops, Kinds::default());
    let activity = Activity::new(ActivityConfig::default()).unwrap();
    let mut pipeline = Chain::new(Chain::new(condition, hops), activity);
    let mut segments = Vec::new();
    let (mut last_end, mut n_late) = (0.0, 0);
    let mut note = |event: &Event| {
        let Body::Segment(segment) = &event.body else { panic!("{event:?}") };
        let (start, end) = (event.span.start.as_secs_f64(), event.span.end.as_secs_f64());
        let waited = event.proof.as_secs_f64() - end;
        assert!(waited <= 2.5, "{event:?} told {waited:.3} s late");
        n_late += usize::from(waited > 1.5);
        match segment.phase {
            Phase::Open => assert_eq!(start, last_end, "{event:?}"),
            Phase::Close => {
                let repeats = segment.repeats.map(|time| time.as_secs_f64());
                segments.push(Seen { kind: segment.kind, start, end, repeats });
            }
        }
        last_end = end;
    };
    let mut block = Block::spare(format, BLOCK_FRAMES);
    for (i, piece) in samples.chunks(2 * BLOCK_FRAMES).enumerate() {
        let now = block.received_at();
        block.restart(engine::time::MediaTime::ZERO, (i * BLOCK_FRAMES) as u64, now);
        block.extend_interleaved(piece);
        pipeline.push(&block, &mut note);
    }
    pipeline.flush(&mut note);
    // Each edge is a close and an open: only those of the repeated jingles, whose beginnings and ends are two apiece.
    assert!(n_late <= 3 * 2 * 2, "{n_late} events told more than 1.5 s late");
    segments
}

/// F1 per 100 ms.
fn f1(seen: &[Seen], kind: SegmentKind, truth: &[Piece], kinds: &[&str]) -> f64 {
    let n = (truth.last().unwrap().end * 10.0) as usize;
    let (mut both, mut either) = (0, 0);
    for i in 0..n {
        let t = (i as f64 + 0.5) / 10.0;
        let is = truth.iter().any(|p| p.start <= t && t < p.end && kinds.contains(&p.kind.as_str()));
        let told = seen.iter().any(|s| s.kind == kind && s.start <= t && t < s.end);
        both += usize::from(is && told);
        either += usize::from(is) + usize::from(told);
    }
    2.0 * both as f64 / either as f64
}

#[test]
fn speech_music_and_edges_are_found() {
    let Some(truth) = timeline() else {
        eprintln!("skipped: no programme in {}", folder().display());
        return;
    };
    let seen = segments();
    for Seen { kind, start, end, repeats } in &seen {
        let pieces: Vec<&str> =
            truth.iter().filter(|p| p.start < *end && p.end > *start).map(|p| p.kind.as_str()).collect();
        eprintln!(
            "{start:8.2} {end:8.2} {kind:?} {repeats:?} {}",
            if pieces.len() > 6 { "...".to_owned() } else { pieces.join(",") }
        );
    }
    let speech = f1(&seen, SegmentKind::Speech, &truth, &["speech", "speech_over_music"]);
    let music = f1(&seen, SegmentKind::Music, &truth, &["music", "jingle"]);
    eprintln!("speech F1 {speech:.4}, music F1 {music:.4}");
    assert!(speech >= 0.95 && music >= 0.90);
    let jingles: Vec<&Piece> = truth.iter().filter(|p| p.kind == "jingle").collect();
    for edge in jingles.iter().flat_map(|p| [p.start, p.end]) {
        let nearest = seen.iter().map(|s| s.start - edge).min_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap();
        assert!(nearest.abs() < 0.3, "edge of a jingle at {edge}: {nearest:+.3} s");
    }
    let again: Vec<&Seen> = seen.iter().filter(|s| s.repeats.is_some()).collect();
    assert_eq!(again.len(), jingles.len() - 1, "nothing else was heard before");
    for (seen, jingle) in again.iter().zip(&jingles[1..]) {
        let before = seen.repeats.unwrap();
        let nearest = jingles.iter().map(|p| (p.start - before).abs()).fold(f64::MAX, f64::min);
        assert!((seen.start - jingle.start).abs() < 0.3 && nearest < 0.3, "{} again {before}", seen.start);
    }
}
