//! `aircheck doctor`: checks the model, measures this machine, says how many feeds fit.

use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use engine::audio::{Block, Format};
use engine::event::Event;
use engine::time::{MediaTime, SampleRate};
use models::store::State;
use models::{DecodeOptions, Recognizer, SAMPLE_RATE_HZ, Transcription};
use operators::{Analysis, AnalysisConfig, Ask, UtteranceConfig};
use serde::Serialize;

use super::model::{load, store};
use super::print;
use crate::cli::DoctorArgs;
use crate::failure::Failure;

/// Share of the machine that may be planned for: the rest is for bursts.
const LOAD_PLANNED: f64 = 0.7;
/// Length of the signal that the operators are measured with, s.
const SIGNAL_SECS: usize = 20;
/// Length of the audio that a recogniser is measured with, s.
const DECODE_SECS: usize = 5;
/// Recognition that a second of continuous speech takes with partials every second, in decodes of
/// [`DECODE_SECS`] of wordless audio. Measured with `cargo bench --bench live` (benches/README.md).
const DECODES_WITH_PARTIALS: f64 = 1.5;
/// The same with finals only.
const DECODES_FINALS: f64 = 0.35;

/// What was found.
#[derive(Debug, Serialize)]
struct Report {
    version: &'static str,
    cpu: String,
    cores: usize,
    memory_mb: Option<u64>,
    model: ModelReport,
    /// Operators of a stereo feed at 48 kHz, share of one core.
    operators_load: f64,
    /// Feeds of continuous speech that fit on all cores.
    capacity: Option<Capacity>,
}

#[derive(Debug, Serialize)]
struct ModelReport {
    name: String,
    path: String,
    /// `ok`, or what is wrong.
    state: String,
    load_ms: Option<u64>,
    decode_ms: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Capacity {
    with_partials: u64,
    finals_only: u64,
    without_transcript: u64,
}

/// Runs the command. Fails when the model is not usable.
pub(super) fn run(args: &DoctorArgs) -> Result<(), Failure> {
    let operators_load = measure_operators()?;
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let (model, decode) = examine_model(&args.model)?;
    let report = Report {
        version: env!("CARGO_PKG_VERSION"),
        cpu: cpu_name().unwrap_or_else(|| "unknown".to_owned()),
        cores,
        memory_mb: memory_mb(),
        capacity: decode.map(|decode| capacity(cores, operators_load, decode)),
        operators_load,
        model,
    };
    if args.json {
        let text = serde_json::to_string_pretty(&report).map_err(Failure::runtime)?;
        print(format!("{text}\n").as_bytes())?;
    } else {
        print(table(&report).as_bytes())?;
    }
    match report.model.state.as_str() {
        "ok" => Ok(()),
        wrong => Err(Failure::Runtime(wrong.to_owned())),
    }
}

fn capacity(cores: usize, operators: f64, decode: Duration) -> Capacity {
    let feeds = |decodes: f64| {
        let cost = operators + decodes * decode.as_secs_f64();
        (LOAD_PLANNED * cores as f64 / cost.max(1e-6)).floor() as u64
    };
    Capacity {
        with_partials: feeds(DECODES_WITH_PARTIALS),
        finals_only: feeds(DECODES_FINALS),
        without_transcript: feeds(0.0),
    }
}

fn table(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(out, "aircheck    {}", report.version);
    let _ = writeln!(out, "processor   {}, {} cores", report.cpu, report.cores);
    if let Some(memory) = report.memory_mb {
        let _ = writeln!(out, "memory      {memory} MB");
    }
    let model = &report.model;
    let _ = writeln!(out, "model       {} ({}): {}", model.name, model.path, model.state);
    if let (Some(load), Some(decode)) = (model.load_ms, model.decode_ms) {
        let _ = writeln!(
            out,
            "            loads in {load} ms, decodes {DECODE_SECS} s in {decode} ms on one core"
        );
    }
    let share = report.operators_load * 100.0;
    let _ = writeln!(out, "operators   {share:.2} % of a core for a stereo feed at 48 kHz");
    if let Some(capacity) = &report.capacity {
        let _ =
            writeln!(out, "capacity    at {:.0} % load, feeds of continuous speech:", LOAD_PLANNED * 100.0);
        let _ = writeln!(out, "            {:>5}  with captions as they are spoken", capacity.with_partials);
        let _ = writeln!(out, "            {:>5}  with final captions only", capacity.finals_only);
        let _ = writeln!(out, "            {:>5}  without transcript", capacity.without_transcript);
    }
    out
}

fn examine_model(name: &str) -> Result<(ModelReport, Option<Duration>), Failure> {
    let path = store()?.list().into_iter().find(|entry| entry.name == name);
    let is_missing = path.as_ref().is_some_and(|entry| entry.state == State::Missing);
    let path = path.map_or_else(|| name.to_owned(), |entry| entry.path.display().to_string());
    let mut report =
        ModelReport { name: name.to_owned(), path, state: "ok".to_owned(), load_ms: None, decode_ms: None };
    if is_missing {
        report.state = format!("model {name} is not installed; fetch it with `aircheck models pull {name}`");
        return Ok((report, None));
    }
    let start = Instant::now();
    let mut loaded = match load(name, NonZeroUsize::MIN) {
        Ok(loaded) => loaded,
        Err(failure) => {
            failure.message().clone_into(&mut report.state);
            return Ok((report, None));
        }
    };
    report.load_ms = u64::try_from(start.elapsed().as_millis()).ok();
    let decode = loaded.recognizers.first_mut().map(|r| measure_decode(&mut **r)).transpose()?;
    report.decode_ms = decode.and_then(|d| u64::try_from(d.as_millis()).ok());
    Ok((report, decode))
}

/// Median of three, after one to warm up.
fn measure_decode(recognizer: &mut dyn Recognizer) -> Result<Duration, Failure> {
    let pcm: Vec<f32> = noise(DECODE_SECS * SAMPLE_RATE_HZ as usize).collect();
    let mut out = Transcription::default();
    let mut times = Vec::new();
    for _ in 0..4 {
        let start = Instant::now();
        recognizer.recognize(&pcm, &DecodeOptions::default(), &mut out).map_err(Failure::runtime)?;
        times.push(start.elapsed());
    }
    let mut warm = times.split_off(1);
    warm.sort_unstable();
    Ok(warm.get(1).copied().unwrap_or_default())
}

/// Share of a core that the operators of a stereo feed at 48 kHz take: the faster of two passes.
fn measure_operators() -> Result<f64, Failure> {
    let rate = SampleRate::new(48_000).map_err(Failure::runtime)?;
    let format = Format::new(rate, 2).map_err(Failure::runtime)?;
    let config = AnalysisConfig { utterances: Some(UtteranceConfig::live()), ..AnalysisConfig::default() };
    let mut best = f64::INFINITY;
    for _ in 0..2 {
        let mut analysis = Analysis::new(format, 960, &config).map_err(Failure::runtime)?;
        let mut block = Block::new(format, 960, Instant::now());
        let signal: Vec<f32> = noise(960 * 2).collect();
        let start = Instant::now();
        for n in 0..(SIGNAL_SECS as u64 * 50) {
            block.restart(MediaTime::ZERO, n * 960, start);
            block.extend_interleaved(&signal);
            analysis.push(&block, &mut |_: &Event| {}, &mut |_: &Ask| {});
        }
        best = best.min(start.elapsed().as_secs_f64() / SIGNAL_SECS as f64);
    }
    Ok(best)
}

/// White noise at about -20 dBFS, the same each time (xorshift64).
fn noise(n: usize) -> impl Iterator<Item = f32> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    (0..n).map(move |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / 8_388_608.0 * 0.2 - 0.2
    })
}

fn cpu_name() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(':').map(|(_, name)| name.trim().to_owned())
}

fn memory_mb() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes / 1_024)
}
