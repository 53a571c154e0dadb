//! What can be asked for on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueHint};

use crate::report::parse_allowed;
use crate::scenario::{
    AudioFrom, Codec, Disturbance, Draft, Objective, Scenario, TargetKind, Token, Transport, parse_duration,
};

const AFTER: &str = "\
Examples:
  aircheck-loadtest run --target http://127.0.0.1:8080 --feeds 8 --length 5m
  aircheck-loadtest find-max --scenario loadtest/scenarios/capacity.toml
  aircheck-loadtest run --kind deepgram --target wss://example.org/v1/listen --token-env KEY --feeds 4
  aircheck-loadtest run --feeds 8 --slo 'transcript.final:p95<3s' --slo 'coverage>=0.995' \\
      --baseline last/report.json --fail-on-regression 10%
  aircheck-loadtest chaos --start 'aircheck serve --listen {listen}' --trouble 'freeze 3s at 30s'

Exit status: 0 met, 3 objectives missed, 4 generator saturated (the numbers would be about this program),
2 wrong usage, 1 it failed while running. loadtest/README.md explains the method.";

/// Finds how many live feeds a server carries, and whether it keeps its promises.
///
/// Plays labelled audio into a server, open loop: every piece of audio has a due time, and latency counts from it. What never
/// comes is infinitely late.
#[derive(Debug, Parser)]
#[command(name = "aircheck-loadtest", version, after_help = AFTER, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Play N feeds once, and judge.
    Run(Common),
    /// Play more and more feeds, up to the knee and one step beyond.
    Ramp(RampArgs),
    /// Find how many feeds the server carries: the most that meet all objectives three times in a row.
    FindMax(FindMaxArgs),
    /// Play N feeds for long: does memory, do descriptors, does latency grow?
    Soak(Common),
    /// Play N feeds, make trouble after trouble, and see whether the server recovers from each in time.
    Chaos(ChaosArgs),
    /// Play one labelled round every so often into a live system, and tell Prometheus how it was. Ends by SIGINT or SIGTERM.
    Probe(ProbeArgs),
    /// Compare commands of a server (models, cadences ...): words, latency and feeds per core side by side.
    Frontier(FrontierArgs),
    /// Say what is wrong with a scenario, or what it asks for.
    Check {
        /// Scenario file.
        #[arg(value_hint = ValueHint::FilePath)]
        scenario: PathBuf,
    },
    /// Print the JSON Schema of report.json.
    Schema,
    /// Compare two reports: figure by figure, the second one against the first.
    Compare {
        /// report.json to compare with.
        #[arg(value_hint = ValueHint::FilePath)]
        baseline: PathBuf,
        /// report.json that is compared.
        #[arg(value_hint = ValueHint::FilePath)]
        report: PathBuf,
        /// Worse by more than this is a regression, and exit status 3.
        #[arg(long, value_name = "SHARE", default_value = "10%", value_parser = parse_allowed)]
        fail_on_regression: f64,
    },
}

/// What every measurement needs to know. Flags stand above the scenario file.
#[derive(Clone, Debug, Default, Args)]
pub struct Common {
    /// Scenario file (TOML); without it, defaults and flags.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub scenario: Option<PathBuf>,
    /// Address of the server.
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub target: Option<String>,
    /// What the server speaks.
    #[arg(long)]
    pub kind: Option<TargetKind>,
    /// Environment variable that holds the token of the server.
    #[arg(long, value_name = "NAME")]
    pub token_env: Option<String>,
    /// Start the server with this command, split at spaces; `{listen}` stands for a free address.
    #[arg(long, value_name = "COMMAND", conflicts_with = "pid")]
    pub start: Option<String>,
    /// Process of a server that runs already, for memory, descriptors and processor time.
    #[arg(long)]
    pub pid: Option<u32>,
    /// Feeds that play at once.
    #[arg(long, value_name = "N")]
    pub feeds: Option<usize>,
    /// How audio gets to the server.
    #[arg(long)]
    pub transport: Option<Transport>,
    /// How audio is coded.
    #[arg(long)]
    pub codec: Option<Codec>,
    /// Time that is measured, of each run.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub length: Option<Duration>,
    /// Time before that.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub warm_up: Option<Duration>,
    /// Time after that for what is still to come; what is not there then never comes.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub grace: Option<Duration>,
    /// An objective such as 'transcript.final:p95<3s'; all of them stand in place of those of the file.
    #[arg(long, value_name = "OBJECTIVE")]
    pub slo: Vec<Objective>,
    /// A disturbance such as 'stall 5s at 30s on 50%'; all of them stand in place of those of the file.
    #[arg(long, value_name = "TROUBLE")]
    pub trouble: Vec<Disturbance>,
    /// Labelled sample set that is played.
    #[arg(long, value_name = "NAME", conflicts_with = "manifest")]
    pub sample: Option<String>,
    /// Labelled audio of your own that is played.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub manifest: Option<PathBuf>,
    /// Folder of the sample sets.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub sample_dir: Option<PathBuf>,
    /// Seed of everything random.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Folder for the report, which must not exist yet [default: a new one in loadtest-report/].
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: Option<PathBuf>,
    /// Compare with this report.json.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub baseline: Option<PathBuf>,
    /// Worse than the baseline by more than this is missed.
    #[arg(long, value_name = "SHARE", value_parser = parse_allowed, default_value = "10%", requires = "baseline")]
    pub fail_on_regression: f64,
    /// Do not draw in the terminal while it runs.
    #[arg(long)]
    pub no_terminal: bool,
}

/// `ramp`.
#[derive(Clone, Debug, Args)]
pub struct RampArgs {
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print it")]
    pub common: Common,
    /// The first load.
    #[arg(long, value_name = "N")]
    pub from: Option<usize>,
    /// The last load.
    #[arg(long, value_name = "N")]
    pub to: Option<usize>,
    /// From one load to the next.
    #[arg(long, value_name = "N")]
    pub step: Option<usize>,
}

/// `find-max`.
#[derive(Clone, Debug, Args)]
pub struct FindMaxArgs {
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print it")]
    pub common: Common,
    /// The load to begin with.
    #[arg(long, value_name = "N")]
    pub from: Option<usize>,
    /// The most that is tried.
    #[arg(long, value_name = "N")]
    pub to: Option<usize>,
}

/// `chaos`.
#[derive(Clone, Debug, Args)]
pub struct ChaosArgs {
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print it")]
    pub common: Common,
    /// Time after a trouble until latencies have to be within the objectives again.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub recovery: Option<Duration>,
}

/// `probe`.
#[derive(Clone, Debug, Args)]
pub struct ProbeArgs {
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print it")]
    pub common: Common,
    /// From the start of one round to that of the next.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub every: Option<Duration>,
    /// Address that Prometheus scrapes.
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
}

/// `frontier`.
#[derive(Clone, Debug, Args)]
pub struct FrontierArgs {
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print it")]
    pub common: Common,
    /// Find how many feeds each variant carries, in place of playing --feeds into each.
    #[arg(long, conflicts_with = "feeds")]
    pub find_max: bool,
}

impl Common {
    /// The scenario file, if there is one, with these flags on top.
    pub(super) fn draft(&self) -> Result<Draft, crate::failure::Failure> {
        let mut draft = match &self.scenario {
            Some(file) => Draft::read(file)?,
            None => Draft::default(),
        };
        self.put(&mut draft.scenario);
        Ok(draft)
    }

    fn put(&self, scenario: &mut Scenario) {
        let target = &mut scenario.target;
        put(&mut target.kind, self.kind);
        put_some(&mut target.url, self.target.clone());
        put_some(&mut target.token, self.token_env.clone().map(Token::Env));
        put(
            &mut target.command,
            self.start.as_ref().map(|line| line.split_whitespace().map(str::to_owned).collect()),
        );
        put_some(&mut target.pid, self.pid);
        put_some(&mut scenario.feeds.n, self.feeds);
        put_some(&mut scenario.feeds.transport, self.transport);
        put_some(&mut scenario.feeds.codec, self.codec);
        put(&mut scenario.run.length, self.length);
        put(&mut scenario.run.warm_up, self.warm_up);
        put(&mut scenario.run.grace, self.grace);
        put_some(&mut scenario.slo, (!self.slo.is_empty()).then(|| self.slo.clone()));
        put(&mut scenario.chaos, (!self.trouble.is_empty()).then(|| self.trouble.clone()));
        put(&mut scenario.programme.from, self.sample.clone().map(AudioFrom::Sample));
        put(&mut scenario.programme.from, self.manifest.clone().map(AudioFrom::Manifest));
        put_some(&mut scenario.programme.sample_dir, self.sample_dir.clone());
        put(&mut scenario.seed, self.seed);
    }
}

/// Overrides a value if a flag said something.
pub(super) fn put<T>(value: &mut T, flag: Option<T>) {
    if let Some(flag) = flag {
        *value = flag;
    }
}

fn put_some<T>(value: &mut Option<T>, flag: Option<T>) {
    if flag.is_some() {
        *value = flag;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_makes_sense() {
        Cli::command().debug_assert();
    }

    fn common(flags: &str) -> Common {
        let words =
            ["aircheck-loadtest", "run"].into_iter().chain(flags.split('|').filter(|word| !word.is_empty()));
        match Cli::try_parse_from(words).unwrap().command {
            Command::Run(common) => common,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn flags_alone_suffice() {
        let scenario = common("").draft().unwrap().finish().unwrap();
        assert_eq!(scenario, Scenario::default());
    }

    #[test]
    fn flags_stand_above_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.toml");
        std::fs::write(
            &file,
            "seed = 3\nslo = [\"wer<1\"]\n[feeds]\nn = 4\ncodec = \"aac\"\n[run]\nlength = \"1m\"",
        )
        .unwrap();
        let flags =
            "--feeds|9|--length|5m|--slo|coverage>=0.9|--trouble|kill at 30s|--start|aircheck serve {listen}";
        let common = Common { scenario: Some(file), ..common(flags) };
        let scenario = common.draft().unwrap().finish().unwrap();
        assert_eq!(
            (scenario.feeds.n, scenario.run.length, scenario.seed),
            (Some(9), Duration::from_secs(300), 3)
        );
        assert_eq!(scenario.codec(), Codec::Aac);
        assert_eq!(
            scenario.objectives().iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["coverage>=0.9"]
        );
        assert_eq!((scenario.chaos.len(), scenario.target.command.len()), (1, 3));
    }

    #[test]
    fn what_flags_break_is_told() {
        let told = |flags: &str| common(flags).draft().and_then(Draft::finish).unwrap_err().to_string();
        assert_eq!(told("--feeds|0"), "feeds.n: 0, expected 1 to 10000");
        assert!(told("--kind|deepgram|--target|http://h").contains("expects ws:// or wss://"));
        let wrong = |flags: [&str; 2]| {
            Cli::try_parse_from(["x", "run"].into_iter().chain(flags)).unwrap_err().to_string()
        };
        assert!(wrong(["--slo", "covrage>1"]).contains("did you mean \"coverage\"?"));
        assert!(wrong(["--length", "5"]).contains("expected a duration such as"));
        assert!(wrong(["--trouble", "stall 5s"]).contains("does not say when"));
    }
}
