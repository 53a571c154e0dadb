//! `aircheck recognizer`: recognises what is asked for on stdin, for the `aircheck` that started it.

use std::io;
use std::num::NonZeroUsize;
use std::time::Instant;

use models::whisper::{Whisper, WhisperOptions, WhisperRecognizer};
use models::{DecodeOptions, Recognizer, SAMPLE_RATE_HZ, Transcription};
use rustix::process::{Signal, nice, set_parent_process_death_signal};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use super::model::store;
use crate::failure::Failure;
use crate::recognise::process::frame::Ready;
use crate::recognise::process::{enclose, serve};

/// How much lower its priority is than that of the process that hears the feeds: a third of its share of a busy core. That
/// process needs little and comes first; much lower, and whatever else the machine does would delay every transcript.
const NICENESS: i32 = 5;

/// Runs the command until stdin ends: decodes up to `n_states` requests at a time, with the weights loaded once.
pub(super) fn run(model: &str, n_states: NonZeroUsize) -> Result<(), Failure> {
    let started_at = Instant::now();
    // Now, not at the end of the decode that is running.
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(Failure::runtime)?;
    nice(NICENESS).map_err(Failure::runtime)?;
    leave_signals_to_the_parent().map_err(Failure::runtime)?;
    let mut output = frames_only().map_err(Failure::runtime)?;

    let verified = store()?.resolve(model).map_err(Failure::runtime)?;
    let options = WhisperOptions { n_recognizers_max: n_states, ..WhisperOptions::default() };
    let whisper = Whisper::load(&verified, options).map_err(Failure::runtime)?;
    let mut recognizers = Vec::with_capacity(n_states.get());
    for _ in 0..n_states.get() {
        recognizers.push(whisper.recognizer().map_err(Failure::runtime)?);
    }
    warm(&mut recognizers)?;
    for missing in enclose(n_states) {
        tracing::info!("recogniser process {}: not fenced in by {missing}", std::process::id());
    }

    let ready = Ready {
        model: whisper.name().to_owned(),
        is_multilingual: whisper.is_multilingual(),
        load_ms: u32::try_from(started_at.elapsed().as_millis()).unwrap_or(u32::MAX),
    };
    serve(&mut recognizers, &ready, &mut io::stdin().lock(), &mut output).map_err(Failure::runtime)
}

/// Has each of them decode a second of silence, all at once: the first decode takes longer than those that follow.
fn warm(recognizers: &mut [WhisperRecognizer]) -> Result<(), Failure> {
    let silence = vec![0.0; SAMPLE_RATE_HZ as usize];
    let decode = |recognizer: &mut WhisperRecognizer| {
        recognizer.recognize(&silence, &DecodeOptions::default(), &mut Transcription::default())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            recognizers.iter_mut().map(|recognizer| scope.spawn(|| decode(recognizer))).collect();
        threads.into_iter().try_for_each(|thread| match thread.join() {
            Ok(decoded) => decoded.map_err(Failure::runtime),
            Err(_) => Err(Failure::Runtime("the first decode panicked".to_owned())),
        })
    })
}

/// A terminal sends Ctrl-C to all of its processes: what was said until then still wants to be recognised. The parent
/// closes stdin when it is done.
fn leave_signals_to_the_parent() -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let _entered = runtime.enter();
    // Tokio's handlers stay when these are dropped.
    signal(SignalKind::interrupt()).map(drop)?;
    signal(SignalKind::terminate()).map(drop)
}

/// What stdout was. Whatever else is printed goes to stderr from here on.
fn frames_only() -> io::Result<std::fs::File> {
    let output = rustix::io::dup(io::stdout())?;
    rustix::stdio::dup2_stdout(io::stderr())?;
    Ok(output.into())
}
