//! The load: real speech, every feed at another place of it, in blocks of 20 ms at real-time pace.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use crossbeam::sync::Parker;
use engine::audio::{Block, Format};
use engine::event::{Gap, GapReason};
use engine::time::{MediaTime, SampleRate};
use server::run::FeedRun;

const RATE_HZ: u32 = 48_000;
const BLOCK_FRAMES: usize = 960;
/// Stereo at 48 kHz, like a station.
pub(crate) static FORMAT: LazyLock<Format> =
    LazyLock::new(|| Format::new(SampleRate::new(RATE_HZ).unwrap(), 2).unwrap());
const GOLDEN_RATIO: f64 = 0.618_033_988_749_894_9;
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

    /// Fills `samples` with what feed `idx` hears from `frame` on. The same feed hears the same, however many there are.
    fn copy(&self, idx: usize, frame: u64, samples: &mut [f32]) {
        // Multiples of the golden ratio never come near each other.
        let share = (idx as f64 * GOLDEN_RATIO).fract();
        let offset = (self.0.len() as f64 * share) as usize;
        let mut at = (offset + frame as usize) % self.0.len();
        let mut rest = samples;
        while !rest.is_empty() {
            let n = rest.len().min(self.0.len() - at);
            let (now, later) = rest.split_at_mut(n);
            now.copy_from_slice(&self.0[at..at + n]);
            (at, rest) = (0, later);
        }
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

/// Whether feeds fall silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outages {
    None,
    /// Every fourth one, for long enough that it is dead air.
    Some,
}

/// When, s.
const OUTAGE: Range<u64> = 10..22;

/// What is played.
#[derive(Clone, Copy)]
pub(crate) struct Programme<'a> {
    pub(crate) speech: &'a Speech,
    pub(crate) outages: Outages,
    pub(crate) length: Duration,
}

/// What a feed is played from, block by block.
struct Tape<'a> {
    programme: Programme<'a>,
    idx: usize,
    samples: Vec<f32>,
}

impl<'a> Tape<'a> {
    fn new(programme: Programme<'a>, idx: usize, n_frames: usize) -> Self {
        Self { programme, idx, samples: vec![0.0; n_frames] }
    }

    fn fill(&mut self, block: &mut Block, frame: u64, received_at: Instant) {
        let Programme { speech, outages, .. } = self.programme;
        speech.copy(self.idx, frame, &mut self.samples);
        let is_silent = OUTAGE.contains(&(frame / u64::from(RATE_HZ)));
        if outages == Outages::Some && self.idx % 4 == 3 && is_silent {
            self.samples.fill(0.0);
        }
        block.restart(MediaTime::ZERO, frame, received_at);
        block.extend_planar(&[&self.samples, &self.samples]);
    }
}

/// Plays `programme` to every run, each block when it is due. What a run has no room for is left out, as a
/// receiver would. Calls `at_third` when a third of it is over.
pub(crate) fn play(
    runs: &mut [FeedRun],
    programme: Programme,
    begin: impl FnOnce(Instant),
    at_third: impl FnOnce(),
) {
    let n_blocks = programme.length.as_millis() as u64 / 20;
    let mut tapes: Vec<Tape> = (0..runs.len()).map(|idx| Tape::new(programme, idx, BLOCK_FRAMES)).collect();
    let mut at_third = Some(at_third);
    let began = Instant::now();
    begin(began);
    let parker = Parker::new();
    for n in 0..n_blocks {
        let frame = n * BLOCK_FRAMES as u64;
        let due = began + Duration::from_millis(20 * (n + 1));
        while Instant::now() < due {
            parker.park_deadline(due);
        }
        for (run, tape) in runs.iter_mut().zip(&mut tapes) {
            match run.take(*FORMAT).unwrap() {
                Some(mut block) => {
                    tape.fill(&mut block, frame, due);
                    run.send(block);
                }
                None => {
                    let mut block = Block::new(*FORMAT, BLOCK_FRAMES, due);
                    tape.fill(&mut block, frame, due);
                    let gap = Gap { frames: BLOCK_FRAMES as u64, reason: GapReason::Overload };
                    run.leave_out(block.span(), gap);
                }
            }
        }
        if 3 * n >= n_blocks {
            at_third.take().into_iter().for_each(|look| look());
        }
    }
}

/// Plays to one run what feed `idx` hears, as fast as it takes it.
pub(crate) fn play_unhurried(run: &mut FeedRun, programme: Programme, idx: usize) {
    let n_frames = run.block_frames(*FORMAT);
    let n_all = programme.length.as_millis() as u64 / 20 * BLOCK_FRAMES as u64;
    let mut frame = 0;
    while frame < n_all {
        let n = n_frames.min((n_all - frame) as usize);
        let mut block = run.take(*FORMAT).unwrap().expect("it waits for room");
        Tape::new(programme, idx, n).fill(&mut block, frame, Instant::now());
        run.send(block);
        frame += n as u64;
    }
}
