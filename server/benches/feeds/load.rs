//! The load: real speech, every feed at another place of it, in blocks of 20 ms at real-time pace.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use crossbeam::sync::Parker;
use engine::audio::{Block, Format};
use engine::event::{Gap, GapReason};
use engine::time::{MediaTime, SampleRate};
use server::run::FeedRun;

use crate::measure::Probe;

const RATE_HZ: u32 = 48_000;
const BLOCK_FRAMES: usize = 960;
/// Stereo at 48 kHz, like a station.
pub(crate) static FORMAT: LazyLock<Format> =
    LazyLock::new(|| Format::new(SampleRate::new(RATE_HZ).unwrap(), 2).unwrap());
/// Continuous readings; every feed hears all of it in turn.
const SETS: [&str; 3] = ["ljspeech", "librispeech-bits", "fleurs"];

/// Speech, one channel.
pub(crate) struct Speech(Vec<f32>);

impl Speech {
    /// English readings of the measuring material, one after the other.
    pub(crate) fn read() -> Result<Self, String> {
        let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
        let folder = std::env::var_os("AIRCHECK_DATA").map_or_else(beside, PathBuf::from);
        let mut files = Vec::new();
        for set in SETS {
            let entries =
                std::fs::read_dir(folder.join(set)).map_err(|e| format!("{}: {e}", folder.display()))?;
            files.extend(entries.filter_map(|entry| Some(entry.ok()?.path())));
        }
        files.sort();
        let is_english = |path: &&PathBuf| {
            !path.to_string_lossy().contains("fleurs-") || path.to_string_lossy().contains("fleurs-en")
        };
        let mut samples = Vec::new();
        for file in files.iter().filter(is_english) {
            samples.extend(decode(file));
        }
        if samples.is_empty() { Err(format!("no speech in {}", folder.display())) } else { Ok(Self(samples)) }
    }

    /// A minute of a quiet room: white noise at -50 dBFS.
    pub(crate) fn noise() -> Self {
        let mut seed = 1_u32;
        let sample = |_| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed as f32 / 2.0_f32.powi(31) - 1.0) * 0.005
        };
        Self((0..60 * RATE_HZ).map(sample).collect())
    }

    pub(crate) fn secs(&self) -> usize {
        self.0.len() / RATE_HZ as usize
    }

    /// A block's samples for feed `idx` of `n_feeds` from `frame` on.
    fn samples(&self, idx: usize, n_feeds: usize, frame: u64) -> Vec<f32> {
        let offset = self.0.len() / n_feeds * idx;
        let at = |n: usize| (offset + frame as usize + n) % self.0.len();
        (0..BLOCK_FRAMES).map(|n| self.0[at(n)]).collect()
    }
}

fn decode(file: &Path) -> Vec<f32> {
    let decoded = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-i"])
        .arg(file)
        .args(["-ac", "1", "-ar", "48000", "-f", "f32le", "-"])
        .output()
        .expect("ffmpeg is installed (make setup)");
    decoded.stdout.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

/// Plays `length` of speech to every run. What a run has no room for is left out, as a receiver would.
pub(crate) fn play(runs: &mut [FeedRun], speech: &Speech, length: Duration, probe: &Probe) {
    let n_feeds = runs.len();
    let n_blocks = length.as_millis() as u64 / 20;
    let began = Instant::now();
    probe.begin(began);
    let parker = Parker::new();
    for n in 0..n_blocks {
        let frame = n * BLOCK_FRAMES as u64;
        let due = began + Duration::from_millis(20 * (n + 1));
        while Instant::now() < due {
            parker.park_deadline(due);
        }
        for (idx, run) in runs.iter_mut().enumerate() {
            let samples = speech.samples(idx, n_feeds, frame);
            match run.take(*FORMAT).unwrap() {
                Some(mut block) => {
                    block.restart(MediaTime::ZERO, frame, due);
                    block.extend_planar(&[&samples, &samples]);
                    run.send(block);
                }
                None => {
                    let mut block = Block::new(*FORMAT, BLOCK_FRAMES, due);
                    block.restart(MediaTime::ZERO, frame, due);
                    block.extend_planar(&[&samples, &samples]);
                    let gap = Gap { frames: BLOCK_FRAMES as u64, reason: GapReason::Overload };
                    run.leave_out(block.span(), gap);
                }
            }
        }
    }
}
