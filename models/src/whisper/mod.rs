//! Whisper through whisper.cpp: weights shared by a fixed pool of decoding states.
//! Opens nothing but [`Verified`] bytes: whisper.cpp can abort the process on a bad file.

mod align;
mod decode;
mod words;

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use whisper_rs::{WhisperContext, WhisperContextParameters, WhisperState, install_logging_hooks};

pub use decode::WhisperRecognizer;

use crate::store::{ModelError, Verified, read_unverified};
use crate::{DecodeOptions, Recognizer, SAMPLE_RATE_HZ, Transcription};

/// How many recognisers one model serves, and how wide each runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WhisperOptions {
    /// Threads of one call. One thread and several recognisers beat several threads (docs/adr/0003).
    pub n_threads: NonZeroUsize,
    /// Most recognisers at a time; each holds 35 to 140 MB, by the longest context it has used.
    pub n_recognizers_max: NonZeroUsize,
}

impl Default for WhisperOptions {
    fn default() -> Self {
        Self { n_threads: NonZeroUsize::MIN, n_recognizers_max: NonZeroUsize::MIN }
    }
}

/// A loaded model. Hands out [`WhisperRecognizer`]s, which share its weights.
#[derive(Debug)]
pub struct Whisper {
    context: WhisperContext,
    name: String,
    options: WhisperOptions,
    pool: Mutex<Pool>,
}

/// States are made once and reused: one made per call creeps (docs/adr/0003).
#[derive(Debug, Default)]
struct Pool {
    idle: Vec<WhisperState>,
    n_states: usize,
}

impl Whisper {
    /// Loads a model. Its bytes are hashed once more, as they are loaded: a file that changed since it was verified
    /// is refused. Holds the file's bytes beside the loaded weights until it returns.
    pub fn load(model: &Verified, options: WhisperOptions) -> Result<Arc<Self>, ModelError> {
        let bytes = model.read()?;
        Self::from_bytes(&bytes, model.path(), model.name(), options)
    }

    fn from_bytes(
        bytes: &[u8],
        path: &Path,
        name: &str,
        options: WhisperOptions,
    ) -> Result<Arc<Self>, ModelError> {
        install_logging_hooks();
        let parameters = WhisperContextParameters { use_gpu: false, ..WhisperContextParameters::default() };
        let context = WhisperContext::new_from_buffer_with_params(bytes, parameters)
            .map_err(|_| ModelError::NotAModel { path: path.to_owned() })?;
        Ok(Arc::new(Self { context, name: name.to_owned(), options, pool: Mutex::default() }))
    }

    /// Lends a recogniser; dropping it gives its state back.
    pub fn recognizer(self: &Arc<Self>) -> Result<WhisperRecognizer, ModelError> {
        let state = self.take_state()?;
        Ok(WhisperRecognizer::new(Arc::clone(self), state))
    }

    fn take_state(&self) -> Result<WhisperState, ModelError> {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(state) = pool.idle.pop() {
            return Ok(state);
        }
        let expected = self.options.n_recognizers_max.get();
        if pool.n_states >= expected {
            return Err(ModelError::AllLent { name: self.name.clone(), expected });
        }
        let state = self
            .context
            .create_state()
            .map_err(|e| ModelError::State { name: self.name.clone(), message: e.to_string() })?;
        pool.n_states += 1;
        Ok(state)
    }

    fn give_back(&self, state: WhisperState) {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).idle.push(state);
    }

    /// Name of the model in its manifest.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it knows languages other than English.
    #[must_use]
    pub fn is_multilingual(&self) -> bool {
        self.context.is_multilingual()
    }
}

/// The code of a language as Whisper knows it. `None`: it does not.
#[must_use]
pub fn language(code: &str) -> Option<&'static str> {
    // whisper-rs panics on a NUL byte, and knows full names too.
    let is_code = (2..=3).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_lowercase());
    if is_code { whisper_rs::get_lang_id(code).and_then(whisper_rs::get_lang_str) } else { None }
}

/// Loads the unverified file at `path` and recognises a second of silence with it.
///
/// A bad file can abort or corrupt the process: call this only in a process made for it.
pub fn probe(path: &Path) -> Result<(), ModelError> {
    let bytes = read_unverified(path)?;
    let whisper = Whisper::from_bytes(&bytes, path, "probed", WhisperOptions::default())?;
    let silence = vec![0.0; SAMPLE_RATE_HZ as usize];
    let mut out = Transcription::default();
    whisper
        .recognizer()?
        .recognize(&silence, &DecodeOptions::default(), &mut out)
        .map_err(|e| ModelError::State { name: path.display().to_string(), message: e.to_string() })
}
