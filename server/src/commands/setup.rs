//! From arguments to a run: model, operators, keywords, sinks.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::event::LoudnessProfile;
use engine::lane::WhenFull;
use engine::time::MediaTime;
use models::{DecodeOptions, Recognizer};
use operators::{
    AnalysisConfig, DeadAirConfig, DecodePolicy, KeywordRules, Keywords, LoudnessConfig, LoudnessTarget,
    Meters, UtteranceConfig,
};

use super::model;
use crate::cli::{AnalysisArgs, Profile};
use crate::failure::Failure;
use crate::host::Host;
use crate::output::{Stdout, sinks};
use crate::publish::{FeedIdentity, Sink, Tally, WallClock};
use crate::recognise::{Admission, Entry, Listener, PoolConfig, measure};
use crate::run::{FeedRun, RunError, Setup, Travel};
use crate::summary::{RunFacts, Summary};

/// Finals of a file that may wait for a recogniser; more make the file wait.
const BATCH_FINALS: usize = 4;
/// Finals of a live feed that may wait; more are shed, each as a gap.
const LIVE_FINALS: usize = 16;
/// How long after its deadline a final of a live feed is still decoded; then it is a gap.
const LIVE_PATIENCE: Duration = Duration::from_millis(3_500);
/// Encoder contexts at which a looping final is decoded again. The full context of 1500 would mend a few more, and take
/// two recognisers from 210 to 275 MB for good: a recogniser keeps the memory of the longest context it has used.
const RETRY_CONTEXTS: [u32; 2] = [768, 896];
/// Target that loudness is compared with when none is asked for: what podcast platforms want.
const DEFAULT_TARGET: LoudnessTarget = LoudnessTarget::PODCAST;

/// How a feed is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// A file or a pipe, as fast as it goes.
    Batch,
    /// Live, or a file at its own pace.
    Live,
}

/// A run and what its summary needs.
pub(super) struct Prepared {
    pub(super) run: FeedRun,
    stdout: Stdout,
    input: String,
    model: Option<String>,
    target: LoudnessTarget,
    started: Instant,
}

/// Loads and opens everything, and starts the run's threads. `input` is shown to people: no secrets. `more`: sinks
/// beside those that `args` ask for.
pub(super) fn prepare(
    args: &AnalysisArgs,
    pace: Pace,
    identity: FeedIdentity,
    input: String,
    more: Vec<Box<dyn Sink>>,
) -> Result<Prepared, Failure> {
    let keywords = args.keywords.as_deref().map(read_keywords).transpose()?;
    let speech = if args.no_transcript { None } else { Some(speech(args, pace)?) };
    let stdout = Stdout::of(args);
    let target = args.profile.map_or(DEFAULT_TARGET, target_of);
    let (model, policy, mut recognizers) = match speech {
        Some(speech) => (Some(speech.model), speech.policy, speech.recognizers),
        None => (None, DecodePolicy::default(), Vec::new()),
    };
    let measured = match recognizers.first_mut() {
        Some(recognizer) if pace == Pace::Live => {
            Some(measure(&mut **recognizer, 1).map_err(Failure::runtime)?)
        }
        _ => None,
    };
    let pool = match pace {
        Pace::Batch => {
            let when_full = WhenFull::Wait;
            PoolConfig { finals_max: BATCH_FINALS, when_full, patience: None, policy, measured: None }
        }
        Pace::Live => {
            let when_full = WhenFull::ShedAfter(Duration::ZERO);
            let (finals_max, patience) = (LIVE_FINALS, Some(LIVE_PATIENCE));
            PoolConfig { finals_max, when_full, patience, policy, measured }
        }
    };
    let setup = Setup {
        identity,
        clock: if pace == Pace::Batch { WallClock::file() } else { WallClock::live() },
        travel: if pace == Pace::Batch { Travel::BATCH } else { Travel::LIVE },
        analysis: analysis(args, pace),
        listener: Listener::new(keywords),
        entry: Entry { priority: 0, admission: Admission::IfItFits },
        sinks: sinks(args, stdout).map_err(Failure::usage)?.into_iter().chain(more).collect(),
    };
    let started = Instant::now();
    let host = Host::start(NonZeroUsize::MIN, recognizers, pool).map_err(Failure::runtime)?;
    let run = FeedRun::start(setup, Arc::new(host)).map_err(Failure::runtime)?;
    Ok(Prepared { run, stdout, input, model, target, started })
}

impl Prepared {
    /// Ends the run and prints the summary. `failure`: why the input ended before its end, reported after it.
    pub(super) fn finish(self, failure: Option<Failure>) -> Result<(), Failure> {
        let tally = match self.run.finish() {
            Ok(tally) => tally,
            // Whoever read our output has read enough.
            Err(RunError::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(failure.unwrap_or_else(|| Failure::runtime(error))),
        };
        if failure.is_none() || tally.conservation.received > 0 {
            let facts = RunFacts {
                input: self.input,
                elapsed: self.started.elapsed(),
                model: self.model,
                target: (self.target.profile, self.target.lufs),
            };
            print_summary(facts, &tally, self.stdout)?;
        }
        failure.map_or(Ok(()), Err)
    }
}

fn print_summary(facts: RunFacts, tally: &Tally, stdout: Stdout) -> Result<(), Failure> {
    match stdout.print(&Summary::new(facts, tally)) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::Runtime(format!("cannot write the summary: {error}")))
        }
        _ => Ok(()),
    }
}

struct Speech {
    model: String,
    policy: DecodePolicy,
    recognizers: Vec<Box<dyn Recognizer>>,
}

fn speech(args: &AnalysisArgs, pace: Pace) -> Result<Speech, Failure> {
    let one_a_core = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let n_threads = match (args.threads, pace) {
        (Some(n), _) => NonZeroUsize::new(usize::from(n)).unwrap_or(NonZeroUsize::MIN),
        (None, Pace::Batch) => one_a_core(),
        (None, Pace::Live) => NonZeroUsize::MIN,
    };
    let loaded = match pace {
        Pace::Live if !args.in_process => model::load_apart(&args.model, n_threads)?,
        // One file, and nobody else to hurt.
        Pace::Live | Pace::Batch => model::load(&args.model, n_threads)?,
    };
    let language = language(&args.language, &loaded)?;
    let policy = DecodePolicy {
        options: DecodeOptions { language, ..DecodeOptions::default() },
        retry_contexts: RETRY_CONTEXTS.to_vec(),
        ..DecodePolicy::default()
    };
    Ok(Speech { model: loaded.name, policy, recognizers: loaded.recognizers })
}

fn language(asked: &str, loaded: &model::Loaded) -> Result<Option<&'static str>, Failure> {
    match (asked, loaded.is_multilingual) {
        ("auto", true) => Ok(None),
        ("auto" | "en", false) => Ok(Some("en")),
        (other, false) => Err(Failure::Usage(format!(
            "--language {other}: {} knows English only; `aircheck models list` names multilingual models",
            loaded.name
        ))),
        (code, true) => match models::whisper::language(code) {
            Some(code) => Ok(Some(code)),
            None => Err(Failure::Usage(format!(
                "--language {code}: not a language that Whisper knows, expected a code such as en, de or es, or auto"
            ))),
        },
    }
}

fn analysis(args: &AnalysisArgs, pace: Pace) -> AnalysisConfig {
    let utterances = match pace {
        Pace::Batch => UtteranceConfig::batch(),
        Pace::Live => UtteranceConfig::live(),
    };
    AnalysisConfig {
        dead_air: DeadAirConfig {
            open_after: MediaTime::from_secs(args.dead_air.into()),
            ..DeadAirConfig::default()
        },
        loudness: LoudnessConfig {
            meters: if args.meter { Meters::TenHertz } else { Meters::Off },
            target: args.profile.map(target_of),
            ..LoudnessConfig::default()
        },
        utterances: if args.no_transcript { None } else { Some(utterances) },
        ..AnalysisConfig::default()
    }
}

fn target_of(profile: Profile) -> LoudnessTarget {
    match profile.loudness() {
        LoudnessProfile::EbuR128 => LoudnessTarget::EBU_R128,
        LoudnessProfile::AtscA85 => LoudnessTarget::ATSC_A85,
        LoudnessProfile::Podcast | LoudnessProfile::Custom => LoudnessTarget::PODCAST,
    }
}

fn read_keywords(path: &Path) -> Result<Keywords, Failure> {
    let place = path.display();
    let list = std::fs::read_to_string(path).map_err(|e| Failure::Usage(format!("{place}: {e}")))?;
    let rules = KeywordRules::parse(&list).map_err(|e| Failure::Usage(format!("{place}: {e}")))?;
    Ok(Keywords::new(rules))
}

/// The epoch of a feed that starts now: seconds since 1970, so that it rises with every start.
pub(super) fn epoch_now() -> u64 {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since_1970.as_ref().map_or(0, Duration::as_secs)
}

/// A name that a feed may have, from an address or a path: letters, digits, `.`, `_`, and `-` for the rest.
pub(super) fn feed_name(text: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "._".contains(c) { c } else { '-' };
    let name: String = text.chars().map(allowed).collect();
    let name = name.trim_matches(['-', '.']);
    if name.is_empty() { "feed".to_owned() } else { name.chars().take(64).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feed_names_hold_nothing_odd() {
        assert_eq!(feed_name("radio.example:8000/live.mp3"), "radio.example-8000-live.mp3");
        assert_eq!(feed_name("../é\"\n"), "feed");
    }
}
