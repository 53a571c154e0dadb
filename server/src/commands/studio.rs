//! What the feeds of a command share, made from its arguments: host, model, outputs. A feed begins and ends here.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Instant;

use engine::budget::Budgets;
use models::DecodeOptions;
use operators::{AnalysisConfig, DecodePolicy, KeywordRules, Keywords, LoudnessTarget};

use super::setup::{DEFAULT_TARGET, Pace, analysis, cores, read_keywords, speech, target_of};
use crate::cli::AnalysisArgs;
use crate::failure::Failure;
use crate::host::Host;
use crate::output::{Outputs, Stdout};
use crate::publish::{FeedIdentity, Sink, Tally, WallClock};
use crate::recognise::{Entry, Listener, PoolConfig, measure};
use crate::run::{FeedRun, RunError, Setup, Travel};
use crate::summary::{RunFacts, Summary};

/// See the module.
pub(super) struct Studio {
    pace: Pace,
    host: Arc<Host>,
    analysis: AnalysisConfig,
    keywords: Option<KeywordRules>,
    outputs: Outputs,
    model: Option<String>,
    target: LoudnessTarget,
}

impl Studio {
    /// Loads and opens everything for `n_feeds`, and starts the threads that they share.
    pub(super) fn open(args: &AnalysisArgs, pace: Pace, n_feeds: NonZeroUsize) -> Result<Self, Failure> {
        let keywords = args.keywords.as_deref().map(read_keywords).transpose()?;
        let speech = if args.no_transcript { None } else { Some(speech(args, pace, n_feeds)?) };
        let (model, policy, mut recognizers) = match speech {
            Some(speech) => (Some(speech.model), speech.policy, speech.recognizers),
            None => (None, DecodePolicy::default(), Vec::new()),
        };
        let config = match (pace, recognizers.first_mut()) {
            (Pace::Batch, _) => PoolConfig::batch(policy),
            (Pace::Live, None) => PoolConfig::live(policy, None),
            (Pace::Live, Some(recognizer)) => {
                let measured =
                    measure(&mut **recognizer, &DecodeOptions::default(), 1).map_err(Failure::runtime)?;
                PoolConfig::live(policy, Some(measured))
            }
        };
        let outputs = Outputs::open(args, n_feeds.get()).map_err(Failure::usage)?;
        let n_workers = cores().min(n_feeds);
        let host = Host::start(n_workers, recognizers, config).map_err(Failure::runtime)?;
        Ok(Self {
            pace,
            host: Arc::new(host),
            analysis: analysis(args, pace),
            keywords,
            outputs,
            model,
            target: args.profile.map_or(DEFAULT_TARGET, target_of),
        })
    }

    /// Starts a feed. `input` is shown to people: no secrets. `more`: sinks beside those that were asked for.
    pub(super) fn feed(
        &mut self,
        identity: FeedIdentity,
        input: String,
        entry: Entry,
        more: Vec<Box<dyn Sink>>,
    ) -> Result<Prepared, RunError> {
        let sinks = self.outputs.of_feed(&identity.name);
        let is_batch = self.pace == Pace::Batch;
        let setup = Setup {
            identity,
            clock: if is_batch { WallClock::file() } else { WallClock::live() },
            budgets: Budgets::default(),
            travel: if is_batch { Travel::BATCH } else { Travel::LIVE },
            analysis: self.analysis.clone(),
            listener: Listener::new(self.keywords.clone().map(Keywords::new)),
            entry,
            sinks: sinks.into_iter().chain(more).collect(),
        };
        let started = Instant::now();
        let run = FeedRun::start(setup, Arc::clone(&self.host))?;
        let (model, target) = (self.model.clone(), self.target);
        Ok(Prepared { run, stdout: self.outputs.stdout(), input, model, target, started })
    }
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
