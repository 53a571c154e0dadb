//! The whole table: what is promised, section by section, each bar beside what was measured.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::args::Args;
use crate::figures::{BAR_SECS, Cost, Figures};
use crate::load::Outages;

/// Feeds that are promised: with partials, and finals only.
const FEEDS_MIN: usize = 8;
const FEEDS_FINALS_MIN: usize = 24;
/// Processor time that a feed may take, cores: with partials, and without speech.
const CORES_SPEECH_MAX: f64 = 0.25;
const CORES_NOISE_MAX: f64 = 0.005;
/// Processor time beside recognition's.
const OVERHEAD_MAX: f64 = 0.05;
/// Memory that a feed may take, kB.
const MEMORY_MAX_KB: u64 = 1_024;
/// How much memory may grow in the last two thirds of a run and still count as flat.
const GROWTH_MAX: f64 = 0.02;
/// Budget of alerts and segments, s.
const SIGNALS_MAX: f64 = 0.25;
/// How far p95 may move when recognisers die.
const SHIFT_MAX: f64 = 0.2;

/// A part of the table; each is measured in a process of its own, so that it fails alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Partials,
    Finals,
    Noise,
    Memory,
    Overload,
    Kills,
}

impl Section {
    const ALL: [Self; 6] =
        [Self::Partials, Self::Finals, Self::Noise, Self::Memory, Self::Overload, Self::Kills];

    pub(crate) fn named(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|section| section.name() == name);
        found.ok_or_else(|| format!("{name}: there is no such section"))
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Partials => "partials",
            Self::Finals => "finals",
            Self::Noise => "noise",
            Self::Memory => "memory",
            Self::Overload => "overload",
            Self::Kills => "kills",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Partials => "feeds of continuous speech with partials",
            Self::Finals => "feeds of continuous speech, finals only",
            Self::Noise => "feeds without speech",
            Self::Memory => "what a feed of speech holds beside the recognisers",
            Self::Overload => "three times more feeds than fit, none refused",
            Self::Kills => "a recogniser process killed every 5 s",
        }
    }

    /// What it measures; how long a line is, and with how many recognisers, can be asked for.
    pub(crate) fn args(self, asked: &Args) -> Args {
        let minute = Duration::from_secs(60);
        let args = |feeds: &[usize], length| Args {
            feeds: feeds.to_vec(),
            length: asked.length.or(Some(length)),
            n_recognisers: asked.n_recognisers,
            ..Args::default()
        };
        match self {
            Self::Partials => {
                Args { is_lost: true, plot: Some(plot_path()), ..args(&[1, 4, 8, 12, 16, 20], minute) }
            }
            Self::Finals => Args { is_finals: true, ..args(&[24, 32, 40], minute) },
            Self::Noise => Args { is_noise: true, ..args(&[1, 65], minute / 3) },
            Self::Memory => Args { is_scripted: true, ..args(&[33, 65], minute / 3) },
            Self::Overload => Args { is_lost: true, outages: Outages::Some, ..args(&[48], minute) },
            Self::Kills => Args {
                is_processes: true,
                is_lost: true,
                kill_every: Some(Duration::from_secs(5)),
                ..args(&[4], minute)
            },
        }
    }

    /// What holds and what does not; nothing where nothing could be measured.
    pub(crate) fn bars(self, lines: &[Figures]) -> Vec<Bar> {
        match (self, lines) {
            (_, []) => Vec::new(),
            (Self::Partials, lines) => partials(lines),
            (Self::Finals, lines) => {
                let fits = |line: &Figures| line.finals[1] <= BAR_SECS && line.loses_nothing();
                let n_feeds = knee(lines, fits).unwrap_or(0);
                let what = "feeds with final p95 <= 3 s and nothing lost";
                vec![Bar::new(what, n_feeds.to_string(), ">= 24, aim at 40", n_feeds >= FEEDS_FINALS_MIN)]
            }
            (Self::Overload, [line, ..]) => overload(line),
            (Self::Kills, [calm, killed, ..]) => kills(calm, killed),
            _ => Vec::new(),
        }
    }

    /// The same of what one more feed takes.
    pub(crate) fn cost_bars(self, costs: &[Cost]) -> Vec<Bar> {
        let &[few, many] = costs else { return Vec::new() };
        let (cores, kb) = few.of_one_more(many);
        let what =
            if self == Self::Noise { "one more feed without speech" } else { "one more feed of speech" };
        let memory = Bar::new(what, format!("{kb} kB"), "<= 1 MiB", kb <= MEMORY_MAX_KB);
        if self == Self::Memory {
            return vec![memory];
        }
        let cores = Bar::new(what, format!("{cores:.4} core"), "<= 0.005 core", cores <= CORES_NOISE_MAX);
        vec![cores, memory]
    }
}

/// Beside what else is built.
fn plot_path() -> PathBuf {
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    tmp.parent().unwrap_or(tmp).join("bench-feeds.svg")
}

/// A promise and what became of it.
pub(crate) struct Bar {
    what: &'static str,
    measured: String,
    bar: &'static str,
    holds: bool,
}

impl Bar {
    fn new(what: &'static str, measured: String, bar: &'static str, holds: bool) -> Self {
        Self { what, measured, bar, holds }
    }

    pub(crate) const fn holds(&self) -> bool {
        self.holds
    }
}

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.holds { "holds" } else { "does not hold" };
        let Self { what, measured, bar, .. } = self;
        write!(f, "  {verdict:<13}  {what}: {measured} ({bar})")
    }
}

/// Measures all sections.
pub(crate) fn all(args: &Args) {
    let program = std::env::current_exe().expect("this program is somewhere");
    println!("{}", crate::system::machine());
    let mut failed = Vec::new();
    for section in Section::ALL {
        println!("\n{}", section.title());
        let mut command = Command::new(&program);
        command.args(["--section", section.name(), "--recognisers", &args.n_recognisers.to_string()]);
        if let Some(length) = args.length {
            command.args(["--secs", &length.as_secs().to_string()]);
        }
        if !command.status().is_ok_and(|status| status.success()) {
            failed.push(section.name());
        }
    }
    let verdict = if failed.is_empty() { "everything holds".to_owned() } else { failed.join(", ") };
    println!("\n{}{verdict}", if failed.is_empty() { "" } else { "does not hold: " });
}

/// Measures what each number of feeds takes in a process of its own: one uses again what another one freed.
pub(crate) fn costs(args: &Args) -> Vec<Cost> {
    let program = std::env::current_exe().expect("this program is somewhere");
    let mut costs = Vec::new();
    for (idx, n_feeds) in args.feeds.iter().enumerate() {
        let mut command = Command::new(&program);
        let (n_recognisers, secs) = (args.n_recognisers.to_string(), args.length().as_secs().to_string());
        command.args(["--brief", "--recognisers", &n_recognisers, "--secs", &secs]);
        command.arg(if args.is_noise { "--noise" } else { "--scripted" }).arg(n_feeds.to_string());
        let output = command.output().expect("this program can be started");
        let said = String::from_utf8_lossy(&output.stdout);
        let (cost, lines): (Vec<&str>, Vec<&str>) = said.lines().partition(|line| line.starts_with("cost "));
        // The heading once.
        lines.iter().skip(2 * idx).for_each(|line| println!("{line}"));
        costs.extend(cost.into_iter().filter_map(Cost::parse));
    }
    costs
}

/// How a line is beside another one in which no recogniser was killed.
pub(crate) fn compare(calm: &Figures, killed: &Figures) -> String {
    let [words, finals] = shifts(calm, killed);
    format!(
        "{} feeds, p95 with kills / without: words {words:.2}, finals {finals:.2} (bar 0.80 to 1.20)",
        killed.n_feeds
    )
}

fn shifts(calm: &Figures, killed: &Figures) -> [f64; 2] {
    [killed.words[1] / calm.words[1], killed.finals[1] / calm.finals[1]]
}

/// The largest number of feeds that fits, with all smaller ones.
pub(crate) fn knee<'a>(
    lines: impl IntoIterator<Item = &'a Figures>,
    fits: impl Fn(&Figures) -> bool,
) -> Option<usize> {
    lines.into_iter().take_while(|line| fits(line)).map(|line| line.n_feeds).last()
}

fn partials(lines: &[Figures]) -> Vec<Bar> {
    let n_feeds = knee(lines, Figures::is_kept).unwrap_or(0);
    let what = "feeds with words seen p95 <= 3 s and nothing lost";
    let mut bars = vec![Bar::new(what, n_feeds.to_string(), ">= 8, aim at 16", n_feeds >= FEEDS_MIN)];
    let line = |n_feeds| lines.iter().find(|line| line.n_feeds == n_feeds);
    if let Some(line) = line(4) {
        let cores = line.cores / 4.0;
        let bar = "<= 0.25, aim at 0.12";
        bars.push(Bar::new("cores a feed, 4 feeds", format!("{cores:.3}"), bar, cores <= CORES_SPEECH_MAX));
    }
    if let Some(line) = line(16) {
        let what = "processor time beside recognition's, of it, 16 feeds";
        let percent = format!("{:.1} %", line.overhead * 100.0);
        bars.push(Bar::new(what, percent, "<= 5 %", line.overhead <= OVERHEAD_MAX));
    }
    bars
}

/// Every word is heard or in a gap.
fn accounted(line: &Figures) -> Bar {
    let n_lost = line.n_lost();
    let frames = if line.is_conserved { "" } else { ", and FRAMES" };
    let holds = n_lost == 0 && line.is_conserved;
    Bar::new("words lost without a gap", format!("{n_lost}{frames}"), "0", holds)
}

fn overload(line: &Figures) -> Vec<Bar> {
    let growth = line.memory.end as f64 / line.memory.third as f64 - 1.0;
    let percent = format!("{:+.1} % in the last two thirds", growth * 100.0);
    vec![
        accounted(line),
        Bar::new(
            "alerts and segments p99",
            format!("{:.3} s", line.signals),
            "<= 0.25 s",
            line.signals <= SIGNALS_MAX,
        ),
        Bar::new("memory", percent, "flat: at most + 2 %", growth <= GROWTH_MAX),
    ]
}

fn kills(calm: &Figures, killed: &Figures) -> Vec<Bar> {
    let shifts = shifts(calm, killed);
    let names = ["words seen p95, with kills / without", "finals p95, with kills / without"];
    let moved = |(what, shift): (&'static str, f64)| {
        let is_near = (1.0 - SHIFT_MAX..=1.0 + SHIFT_MAX).contains(&shift);
        Bar::new(what, format!("{shift:.2}"), "0.80 to 1.20", is_near)
    };
    // Had the engine ended, nobody would say so: then the section fails.
    let mut bars = vec![Bar::new("exits of the engine", "0".to_owned(), "0", true), accounted(killed)];
    bars.extend(names.into_iter().zip(shifts).map(moved));
    bars
}
