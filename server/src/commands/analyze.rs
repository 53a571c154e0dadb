//! `aircheck analyze`: a file or a pipe, as fast as it goes.

use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::setup::{Pace, feed_name, prepare};
use crate::cli::AnalyzeArgs;
use crate::failure::Failure;
use crate::ingest::decode::{Decoded, Decoder, Hint, Origin};
use crate::ingest::error::{Fault, IngestError};
use crate::publish::FeedIdentity;
use crate::pump::Pump;

/// Runs the command.
pub(super) fn run(args: &AnalyzeArgs) -> Result<(), Failure> {
    let mut decoder = open(&args.input)?;
    let name = Path::new(&args.input).file_name().map_or_else(|| "stdin".into(), |n| n.to_string_lossy());
    let identity = FeedIdentity { name: feed_name(&name), epoch: 1 };
    let mut prepared = prepare(&args.analysis, Pace::Batch, identity, args.input.clone())?;
    let mut pump = Pump::new(&mut prepared.run);
    let failure = play(&mut decoder, &mut pump).err();
    prepared.finish(failure)
}

fn open(input: &str) -> Result<Decoder, Failure> {
    let file = std::fs::File::open(input).map_err(|e| Failure::Unreachable(format!("{input}: {e}")))?;
    Decoder::open(input, Origin::File(file), &Hint::default()).map_err(failure)
}

fn play(decoder: &mut Decoder, pump: &mut Pump<'_>) -> Result<(), Failure> {
    let bar = bar();
    while let Some(decoded) = decoder.next().map_err(failure)? {
        match decoded {
            Decoded::Stream(stream) => pump.stream(stream),
            Decoded::Frames => pump.frames(decoder.planes(), Instant::now()).map_err(Failure::runtime)?,
            Decoded::Lost(lost) => pump.lost(lost.frames, lost.reason),
            Decoded::Metadata(metadata) => pump.metadata(metadata),
            Decoded::Note(note) => tracing::warn!("{note}"),
        }
        bar.set_position(pump.position().as_millis() / 1_000);
        if !pump.run().is_publishing() {
            break;
        }
    }
    bar.finish_and_clear();
    Ok(())
}

/// Shows how much audio has gone in, on a terminal only.
fn bar() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    let style = ProgressStyle::with_template("{spinner} {pos} s of audio, {per_sec}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// The exit status of an input's error.
pub(super) fn failure(error: IngestError) -> Failure {
    match error.fault() {
        Fault::Usage => Failure::usage(error),
        Fault::Unreachable => Failure::Unreachable(error.to_string()),
        Fault::Input => Failure::runtime(error),
    }
}
