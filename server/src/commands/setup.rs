//! From arguments to configurations: model, recognition, operators, keywords, names.

use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use engine::event::LoudnessProfile;
use engine::time::MediaTime;
use models::{DecodeOptions, Recognizer};
use operators::{
    AnalysisConfig, DeadAirConfig, DecodePolicy, KeywordRules, LoudnessConfig, LoudnessTarget, Meters,
    UtteranceConfig,
};

use super::model;
use crate::cli::{AnalysisArgs, Profile};
use crate::failure::Failure;
use crate::recognise;

/// Target that loudness is compared with when none is asked for: what podcast platforms want.
pub(super) const DEFAULT_TARGET: LoudnessTarget = LoudnessTarget::PODCAST;

/// How a feed is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// A file or a pipe, as fast as it goes.
    Batch,
    /// Live, or a file at its own pace.
    Live,
}

/// What speech is recognised with.
pub(super) struct Speech {
    pub(super) model: String,
    pub(super) policy: DecodePolicy,
    pub(super) recognizers: Vec<Box<dyn Recognizer>>,
}

/// Whether recognisers run in processes of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Apart {
    /// Which may crash without harm (docs/adr/0006).
    Yes,
    /// One file, and nobody else to hurt.
    No,
}

/// Loads the model, for `n_feeds`.
pub(super) fn speech(args: &AnalysisArgs, pace: Pace, n_feeds: NonZeroUsize) -> Result<Speech, Failure> {
    let asked = args.threads.and_then(|n| NonZeroUsize::new(n.into()));
    let n_threads = match pace {
        Pace::Batch => cores(),
        Pace::Live => cores().min(n_feeds),
    };
    let apart = if pace == Pace::Live && !args.in_process { Apart::Yes } else { Apart::No };
    load_speech(&args.model, asked.unwrap_or(n_threads), &args.language, apart)
}

/// Loads `model`, a name or a file, `n` times, for `language`.
pub(super) fn load_speech(
    model: &str,
    n: NonZeroUsize,
    language: &str,
    apart: Apart,
) -> Result<Speech, Failure> {
    let loaded = match apart {
        Apart::Yes => model::load_apart(model, n)?,
        Apart::No => model::load(model, n)?,
    };
    let policy = DecodePolicy {
        options: DecodeOptions { language: known_language(language, &loaded)?, ..DecodeOptions::default() },
        retry_contexts: recognise::RETRY_CONTEXTS.to_vec(),
        ..DecodePolicy::default()
    };
    Ok(Speech { model: loaded.name, policy, recognizers: loaded.recognizers })
}

/// Cores that this process may use.
pub(super) fn cores() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

fn known_language(asked: &str, loaded: &model::Loaded) -> Result<Option<&'static str>, Failure> {
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

/// What is analysed of each feed.
pub(super) fn analysis(args: &AnalysisArgs, pace: Pace) -> AnalysisConfig {
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

/// The target of a profile.
pub(super) fn target_of(profile: Profile) -> LoudnessTarget {
    match profile.loudness() {
        LoudnessProfile::EbuR128 => LoudnessTarget::EBU_R128,
        LoudnessProfile::AtscA85 => LoudnessTarget::ATSC_A85,
        LoudnessProfile::Podcast | LoudnessProfile::Custom => LoudnessTarget::PODCAST,
    }
}

/// The keywords of a file.
pub(super) fn read_keywords(path: &Path) -> Result<KeywordRules, Failure> {
    let place = path.display();
    let list = std::fs::read_to_string(path).map_err(|e| Failure::Usage(format!("{place}: {e}")))?;
    KeywordRules::parse(&list).map_err(|e| Failure::Usage(format!("{place}: {e}")))
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
