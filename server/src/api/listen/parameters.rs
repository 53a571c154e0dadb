//! The query parameters that the vendor's API knows and what becomes of each that `query` does not use itself. A
//! request is served as it was meant, or refused: what would come out otherwise is never passed over.

/// What becomes of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Its value is used, see `query`.
    Used,
    /// Taken, whatever it says: what comes out may differ in ways that docs/listen.md names.
    Taken,
    /// Taken where it says `true` or `false`, as above.
    TakenFlag,
    /// Refused, unless it is switched off, because of this.
    Refused(&'static str),
}

use Fate::{Refused, Taken, TakenFlag, Used};

const NO_SPEAKERS: &str = "speakers are not told apart";
const NO_REDACTION: &str = "nothing is redacted";
const NOT_LIVE: &str = "it is for recordings that are sent whole";

/// By name.
const PARAMETERS: [(&str, Fate); 48] = [
    ("encoding", Used),
    ("sample_rate", Used),
    ("channels", Used),
    ("multichannel", Used),
    ("interim_results", Used),
    ("endpointing", Used),
    ("utterance_end_ms", Used),
    ("vad_events", Used),
    ("punctuate", Used),
    ("smart_format", Used),
    ("dictation", Used),
    ("keyterm", Used),
    ("keywords", Used),
    ("language", Used),
    ("tag", Used),
    ("extra", Used),
    ("alternatives", Used),
    ("model", Taken),
    ("tier", Taken),
    ("version", Taken),
    ("language_hint", Taken),
    ("callback_method", Taken),
    ("token", Taken),
    ("access_token", Taken),
    ("mip_opt_out", TakenFlag),
    ("no_delay", TakenFlag),
    ("numerals", TakenFlag),
    ("filler_words", TakenFlag),
    ("measurements", TakenFlag),
    ("callback", Refused("results go to the client that sends the audio, nowhere else")),
    ("diarize", Refused(NO_SPEAKERS)),
    ("diarize_model", Refused(NO_SPEAKERS)),
    ("diarize_version", Refused(NO_SPEAKERS)),
    ("redact", Refused(NO_REDACTION)),
    ("redaction", Refused(NO_REDACTION)),
    ("profanity_filter", Refused("nothing that was said is left out")),
    ("replace", Refused("nothing that was said is replaced")),
    ("search", Refused("use keyterm, whose hits are events of the feed")),
    ("detect_entities", Refused("entities are not detected")),
    ("detect_language", Refused("the language is that of the service, or the parameter language")),
    ("translate", Refused("nothing is translated")),
    ("sentiment", Refused(NOT_LIVE)),
    ("summarize", Refused(NOT_LIVE)),
    ("topics", Refused(NOT_LIVE)),
    ("intents", Refused(NOT_LIVE)),
    ("paragraphs", Refused(NOT_LIVE)),
    ("utterances", Refused(NOT_LIVE)),
    ("utt_split", Refused(NOT_LIVE)),
];

/// What becomes of the parameter `name`. `None`: nobody knows it.
pub(super) fn fate(name: &str) -> Option<Fate> {
    PARAMETERS.iter().find(|(known, _)| *known == name).map(|(_, fate)| *fate)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// docs/listen.md is the contract: it names each of them.
    #[test]
    fn each_is_documented() {
        let page = include_str!("../../../../docs/listen.md");
        for (name, _) in PARAMETERS {
            assert!(page.contains(&format!("`{name}`")), "{name}");
        }
    }
}
