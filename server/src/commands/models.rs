//! `aircheck models`: list, fetch, check and add speech models.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use models::store::{DEFAULT_MODEL, Fetchers, Pip, Progress, State, Store};

use super::model::store;
use super::print;
use crate::cli::ModelsCommand;
use crate::failure::Failure;
use crate::fetch::HttpFetch;

/// Runs a subcommand.
pub(super) fn run(command: &ModelsCommand) -> Result<(), Failure> {
    match command {
        ModelsCommand::List => list(),
        ModelsCommand::Pull { models } => pull(models),
        ModelsCommand::Verify { models } => verify(models),
        ModelsCommand::Path { model } => {
            let verified = store()?.verify(model).map_err(Failure::runtime)?;
            print(format!("{}\n", verified.path().display()).as_bytes())
        }
        ModelsCommand::Add { file, name } => add(file, name.as_deref()),
        ModelsCommand::Probe { file } => models::whisper::probe(file).map_err(Failure::runtime),
        ModelsCommand::Sample { name } => sample(name),
    }
}

fn list() -> Result<(), Failure> {
    let mut out = format!("{:<16} {:>9}  {:<8}  {:<12}  sha256\n", "model", "size", "licence", "state");
    for entry in store()?.list() {
        let state = match entry.state {
            State::Missing => "-".to_owned(),
            State::Installed => "installed".to_owned(),
            State::WrongSize { .. } => "wrong size".to_owned(),
        };
        let megabytes = entry.pin.size_bytes as f64 / 1e6;
        let sha256 = entry.pin.sha256.to_string();
        let short = sha256.get(..16).unwrap_or(&sha256);
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "{:<16} {megabytes:>6.1} MB  {:<8}  {state:<12}  {short}...",
            entry.name, entry.licence
        );
    }
    print(out.as_bytes())
}

fn pull(models: &[String]) -> Result<(), Failure> {
    let store = store()?;
    for model in or_default(models) {
        let bar = Bar::new(model);
        let verified = store.pull(model, &mut fetchers(), &mut |p| bar.show(p)).map_err(Failure::runtime)?;
        bar.done();
        print(format!("{}\n", verified.path().display()).as_bytes())?;
    }
    Ok(())
}

fn sample(name: &str) -> Result<(), Failure> {
    let bar = Bar::new(name);
    let path = store()?.sample(name, &mut fetchers(), &mut |p| bar.show(p)).map_err(Failure::runtime)?;
    bar.done();
    print(format!("{}\n", path.display()).as_bytes())
}

fn verify(models: &[String]) -> Result<(), Failure> {
    let store = store()?;
    let installed = || {
        let here = store.list().into_iter().filter(|entry| entry.state != State::Missing);
        here.map(|entry| entry.name).collect::<Vec<_>>()
    };
    let names = if models.is_empty() { installed() } else { models.to_vec() };
    let mut n_wrong = 0;
    for name in &names {
        match store.verify(name) {
            Ok(verified) => print(format!("{name}: right, {}\n", verified.path().display()).as_bytes())?,
            Err(error) => {
                n_wrong += 1;
                print(format!("{name}: {error}\n").as_bytes())?;
            }
        }
    }
    match n_wrong {
        0 => Ok(()),
        n => Err(Failure::Runtime(format!("{n} of {} models are not right", names.len()))),
    }
}

fn add(file: &Path, name: Option<&str>) -> Result<(), Failure> {
    let stem = || file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let name = name.map_or_else(stem, str::to_owned);
    let mut store: Store = store()?;
    let verified = store.add(file, &name, &mut probe_apart).map_err(Failure::runtime)?;
    print(format!("{name}: added, {}\n", verified.path().display()).as_bytes())
}

/// Loads a file in a process of its own, which it may kill.
fn probe_apart(file: &Path) -> Result<(), String> {
    let program: PathBuf = std::env::current_exe().map_err(|e| format!("cannot find this program: {e}"))?;
    let output = Command::new(program)
        .args(["models", "probe"])
        .arg(file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .output()
        .map_err(|e| format!("cannot start a process to load it in: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let said = stderr.lines().rfind(|line| line.starts_with("aircheck: "));
    Err(said.map_or_else(
        || format!("loading it killed the process ({})", output.status),
        |line| line.trim_start_matches("aircheck: ").to_owned(),
    ))
}

fn or_default(models: &[String]) -> Vec<&str> {
    if models.is_empty() { vec![DEFAULT_MODEL] } else { models.iter().map(String::as_str).collect() }
}

fn fetchers() -> Fetchers<HttpFetch> {
    Fetchers { http: HttpFetch, pip: Pip::default() }
}

/// A progress bar, on a terminal only.
struct Bar(ProgressBar);

impl Bar {
    fn new(name: &str) -> Self {
        let bar = ProgressBar::new(0);
        let template = "{prefix}  {bar:30} {bytes:>10} of {total_bytes:10} {bytes_per_sec:>12}  {msg}";
        bar.set_style(
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        bar.set_prefix(name.to_owned());
        Self(bar)
    }

    /// Nothing is shown before the first call: what is there already needs no bar.
    fn show(&self, progress: Progress<'_>) {
        self.0.enable_steady_tick(Duration::from_millis(200));
        match progress {
            Progress::Waiting => self.0.set_message("waiting for another process"),
            Progress::Fetching { from, done, total } => {
                self.0.set_length(total.unwrap_or(done));
                self.0.set_position(done);
                self.0.set_message(from.to_owned());
            }
            Progress::SourceFailed { reason } => self.0.println(format!("source failed: {reason}")),
            Progress::Unpacking => self.0.set_message("unpacking"),
            Progress::Converting => self.0.set_message("converting"),
        }
    }

    fn done(self) {
        self.0.finish_and_clear();
    }
}
