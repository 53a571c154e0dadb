//! `aircheck analyze`: a file, a pipe or a recording on the network, as fast as it goes.

use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::setup::{Pace, feed_name};
use super::studio::Studio;
use super::watch::{name_in, runtime};
use crate::cli::AnalyzeArgs;
use crate::failure::Failure;
use crate::ingest::{Audio, Fault, IngestError, Input, LiveConfig, PcmSpec, Wants};
use crate::publish::FeedIdentity;
use crate::pump::{PumpError, Tempo, pump};
use crate::recognise::{Admission, Entry};

/// Runs the command.
pub(super) fn run(args: &AnalyzeArgs) -> Result<(), Failure> {
    let pcm = args.pcm.as_deref().map(str::parse::<PcmSpec>).transpose().map_err(ingest_failure)?;
    let input = Input::parse(&args.input).map_err(ingest_failure)?;
    let runtime = runtime()?;
    let audio = match &input {
        Input::Stdin => Audio::from_stdin(pcm),
        Input::File(path) => Audio::from_file(path, pcm),
        Input::Live(address) => {
            let config = LiveConfig { wants: Wants::Recording, reconnect: false, ..LiveConfig::default() };
            Audio::from_stream(address, config, runtime.handle())
        }
        live @ (Input::Rtp(_) | Input::Exec(_)) => {
            return Err(Failure::Usage(format!("{live}: a live stream; use `aircheck watch {live}`")));
        }
    };
    let name = name_in(&input);
    let mut audio = audio.map_err(ingest_failure)?;
    let identity = FeedIdentity { name: feed_name(&name), epoch: 1 };
    let mut studio = Studio::open(&args.analysis, Pace::Batch, NonZeroUsize::MIN)?;
    let entry = Entry { priority: 0, admission: Admission::Always };
    let prepared = studio.feed(identity, input.to_string(), entry, Vec::new());
    drop(studio);
    let mut prepared = prepared.map_err(Failure::runtime)?;
    let bar = bar();
    let mut progress = |audio: &Audio| bar.set_position(audio.position().as_millis() / 1_000);
    let pumped = pump(&mut audio, &mut prepared.run, Tempo::Free, &mut progress);
    bar.finish_and_clear();
    prepared.finish(pumped.map_err(pump_failure).err())
}

/// The name of a file, for its feed.
pub(super) fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// Shows how much audio has gone in, on a terminal only.
fn bar() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    let style = ProgressStyle::with_template("{spinner} {pos} s of audio, {per_sec}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// How a command fails when its input does.
pub(super) fn ingest_failure(error: IngestError) -> Failure {
    match error.fault() {
        Fault::Usage => Failure::usage(error),
        Fault::Unreachable => Failure::Unreachable(error.to_string()),
        Fault::Input => Failure::runtime(error),
    }
}

/// How a command fails when pumping does.
pub(super) fn pump_failure(error: PumpError) -> Failure {
    match error {
        PumpError::Ingest(error) => ingest_failure(error),
        PumpError::Run(error) => Failure::runtime(error),
    }
}
