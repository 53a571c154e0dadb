//! The speech model of a run: found, checked, loaded.

use std::num::NonZeroUsize;

use models::Recognizer;
use models::store::{ModelError, Store, Verified};
use models::whisper::{Whisper, WhisperOptions};

use crate::failure::Failure;
use crate::recognise::process::{ProcessConfig, ProcessRecognizer};

/// The store of this user.
pub(super) fn store() -> Result<Store, Failure> {
    let dir = Store::default_dir().map_err(Failure::runtime)?;
    Store::open(dir).map_err(Failure::runtime)
}

/// A loaded model and a recogniser for each thread.
pub(super) struct Loaded {
    /// Its name, as events report it.
    pub(super) name: String,
    /// Whether it knows languages other than English.
    pub(super) is_multilingual: bool,
    /// One a thread.
    pub(super) recognizers: Vec<Box<dyn Recognizer>>,
}

/// Loads `model`, a name or a file, for `n_threads` threads. It is not fetched: that takes a command of its own.
pub(super) fn load(model: &str, n_threads: NonZeroUsize) -> Result<Loaded, Failure> {
    let verified = find(model)?;
    let options = WhisperOptions { n_recognizers_max: n_threads, ..WhisperOptions::default() };
    let whisper = Whisper::load(&verified, options).map_err(Failure::runtime)?;
    let recognizers = (0..n_threads.get()).map(|_| {
        let recognizer = whisper.recognizer().map_err(Failure::runtime)?;
        Ok(Box::new(recognizer) as Box<dyn Recognizer>)
    });
    Ok(Loaded {
        name: whisper.name().to_owned(),
        is_multilingual: whisper.is_multilingual(),
        recognizers: recognizers.collect::<Result<_, Failure>>()?,
    })
}

/// Recognisers for `n` threads in processes that load `model` (docs/adr/0006).
pub(super) fn load_apart(model: &str, n: NonZeroUsize) -> Result<Loaded, Failure> {
    // Before anything starts: what is wrong with a model is said once, and here.
    find(model)?;
    let program = std::env::current_exe()
        .map_err(|e| Failure::Runtime(format!("cannot find this program to start it again: {e}")))?;
    let config = ProcessConfig::new(program, ["recognizer", "--model", model]);
    let processes = ProcessRecognizer::start(&config, n.get()).map_err(Failure::runtime)?;
    Ok(Loaded {
        name: processes.first().map_or(model, Recognizer::model).to_owned(),
        is_multilingual: processes.first().is_some_and(ProcessRecognizer::is_multilingual),
        recognizers: processes.into_iter().map(|p| Box::new(p) as Box<dyn Recognizer>).collect(),
    })
}

fn find(model: &str) -> Result<Verified, Failure> {
    store()?.resolve(model).map_err(|error| match error {
        ModelError::NotInstalled { .. } => Failure::Runtime(format!(
            "{error}; fetch it with `aircheck models pull {model}`, or do without transcripts (--no-transcript, or transcript = false in all profiles)"
        )),
        other => Failure::runtime(other),
    })
}
