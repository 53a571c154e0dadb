//! `aircheck doctor`: checks the model, measures this machine, says how many feeds fit.

use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use engine::audio::{Block, Format};
use engine::event::Event;
use engine::time::{MediaTime, SampleRate};
use models::store::State;
use models::{DecodeOptions, Recognizer, Transcription};
use operators::{Analysis, AnalysisConfig, Ask, UtteranceConfig};
use serde::Serialize;

use super::model::{load, store};
use super::print;
use crate::cli::DoctorArgs;
use crate::failure::Failure;
use crate::recognise::{feeds_admitted, measure, noise};

/// Share of the machine that may be planned for: the rest is for bursts.
const LOAD_PLANNED: f64 = 0.7;
/// Length of the signal that the operators are measured with, s.
const SIGNAL_SECS: usize = 20;
/// Length of the audio that a recogniser is measured with, s.
const DECODE_SECS: usize = 5;
/// Recognition that a second of continuous speech in a file takes, in decodes of [`DECODE_SECS`] of wordless audio. By
/// `make bench-words` on a machine where such a decode takes 167 ms: 0.047 s of processor.
const DECODES_FILE: f64 = 0.28;

/// Programs that receive for us: `srt://`, `rtmp://`, `rtsp://` and `alsa:` need the first.
const TOOLS: [&str; 3] = ["ffmpeg", "srt-live-transmit", "gst-launch-1.0"];

/// What was found.
#[derive(Debug, Serialize)]
struct Report {
    version: &'static str,
    cpu: String,
    cores: usize,
    memory_mb: Option<u64>,
    model: ModelReport,
    /// Programs that sources may need, and where they are.
    tools: Vec<Tool>,
    /// Operators of a stereo feed at 48 kHz, share of one core.
    operators_load: f64,
    /// Memory of this process, MB: with the operators alone, and with the model and a recogniser too.
    operators_mb: Option<u64>,
    transcript_mb: Option<u64>,
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
struct Tool {
    name: &'static str,
    path: Option<PathBuf>,
}

/// What this machine can do, all its cores together.
#[derive(Debug, Serialize)]
struct Capacity {
    /// Streams of continuous speech that one `watch` lets in.
    watch: u64,
    /// The same without transcript.
    watch_no_transcript: u64,
    /// Speed of `analyze` on continuous speech, times real time.
    analyze_times_real_time: f64,
}

/// One feed's share of the machine.
#[derive(Clone, Copy, Debug)]
struct Cost {
    /// Processor seconds a second.
    load: f64,
    memory_mb: Option<u64>,
}

/// What there is of it.
#[derive(Clone, Copy, Debug)]
struct Machine {
    cores: usize,
    memory_mb: Option<u64>,
}

impl Machine {
    /// How many times `cost` fits.
    fn fits(self, cost: Cost) -> u64 {
        let by_load = LOAD_PLANNED * self.cores as f64 / cost.load.max(1e-6);
        let by_memory = match (self.memory_mb, cost.memory_mb) {
            (Some(all), Some(one)) => LOAD_PLANNED * all as f64 / one.max(1) as f64,
            _ => f64::INFINITY,
        };
        by_load.min(by_memory).floor() as u64
    }
}

/// Runs the command. Fails when the model is not usable.
pub(super) fn run(args: &DoctorArgs) -> Result<(), Failure> {
    let operators_load = measure_operators()?;
    let operators_mb = own_memory_mb();
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let machine = Machine { cores, memory_mb: memory_mb() };
    let (model, measured) = examine_model(&args.model)?;
    let without = Cost { load: operators_load, memory_mb: operators_mb };
    let report = Report {
        version: env!("CARGO_PKG_VERSION"),
        cpu: cpu_name().unwrap_or_else(|| "unknown".to_owned()),
        cores,
        memory_mb: machine.memory_mb,
        tools: TOOLS.map(tool).into(),
        operators_load,
        operators_mb,
        transcript_mb: measured.and_then(|cost| cost.memory_mb),
        capacity: measured.map(|decode| capacity(machine, without, decode)),
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

fn tool(name: &'static str) -> Tool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| path.is_file());
    Tool { name, path }
}

/// `without`: a feed without transcript; `decode`: one decode.
fn capacity(machine: Machine, without: Cost, decode: Cost) -> Capacity {
    let load = |decodes: f64| without.load + decodes * decode.load;
    Capacity {
        watch: feeds_admitted(
            Duration::from_secs_f64(decode.load),
            machine.cores,
            UtteranceConfig::live().partial,
        ),
        watch_no_transcript: machine.fits(without),
        analyze_times_real_time: (machine.cores as f64 / load(DECODES_FILE)).round(),
    }
}

fn table(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(out, "aircheck    {}", report.version);
    let memory = report.memory_mb.map_or_else(String::new, |memory| format!(", {memory} MB"));
    let _ = writeln!(out, "machine     {}, {} cores{memory}", report.cpu, report.cores);
    let model = &report.model;
    let _ = writeln!(out, "model       {} ({}): {}", model.name, model.path, model.state);
    if let (Some(load), Some(decode)) = (model.load_ms, model.decode_ms) {
        let _ = writeln!(
            out,
            "            loads in {load} ms, decodes {DECODE_SECS} s in {decode} ms on one core"
        );
    }
    let tools = report.tools.iter().map(|Tool { name, path }| {
        path.as_ref().map_or_else(|| format!("{name} is not there"), |path| path.display().to_string())
    });
    let _ = writeln!(out, "sources     {}", tools.collect::<Vec<_>>().join(", "));
    let share = report.operators_load * 100.0;
    let _ = writeln!(out, "operators   {share:.2} % of a core for a stereo feed at 48 kHz");
    if let (Some(operators), Some(transcript)) = (report.operators_mb, report.transcript_mb) {
        let _ =
            writeln!(out, "memory      {operators} MB a feed without transcript, {transcript} MB with it");
    }
    if let Some(Capacity { watch, watch_no_transcript, analyze_times_real_time }) = &report.capacity {
        let _ = writeln!(out, "capacity    continuous speech on all cores:");
        let _ = writeln!(out, "            {watch:>5} feeds of `watch`; it refuses more");
        let _ = writeln!(out, "            {watch_no_transcript:>5} with --no-transcript");
        let _ = writeln!(out, "            {analyze_times_real_time:>5} x real time for `analyze`");
    }
    out
}

/// What there is to say about the model, and what a decode costs.
fn examine_model(name: &str) -> Result<(ModelReport, Option<Cost>), Failure> {
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
    let cost = decode.map(|decode| Cost { load: decode.as_secs_f64(), memory_mb: own_memory_mb() });
    Ok((report, cost))
}

/// After the longest one that comes up: it takes all memory that will be needed.
fn measure_decode(recognizer: &mut dyn Recognizer) -> Result<Duration, Failure> {
    let longest = UtteranceConfig::live().longest.to_frames(SampleRate::HZ_16000);
    let pcm: Vec<f32> = noise(usize::try_from(longest).unwrap_or(0)).collect();
    let mut out = Transcription::default();
    recognizer.recognize(&pcm, &DecodeOptions::default(), &mut out).map_err(Failure::runtime)?;
    measure(recognizer, &DecodeOptions::default(), 3).map_err(Failure::runtime)
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

fn cpu_name() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(':').map(|(_, name)| name.trim().to_owned())
}

fn memory_mb() -> Option<u64> {
    megabytes("/proc/meminfo", "MemTotal:")
}

/// What this process holds now.
fn own_memory_mb() -> Option<u64> {
    megabytes("/proc/self/status", "VmRSS:")
}

/// An entry of a file of the kernel's that is given in kB.
fn megabytes(path: &str, key: &str) -> Option<u64> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes / 1_024)
}
