//! What a client asks for in the query of its address. Parses only: nothing is started or refused here but a query
//! that makes no sense.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use engine::audio::{CHANNELS_MAX, Format};
use engine::time::{MediaTime, SampleRate};
use thiserror::Error;
use url::form_urlencoded;

use super::parameters::{Fate, fate};
use crate::ingest::{Hint, PcmSpec, SampleFormat};

/// Terms that a client may have looked for, as the vendor allows.
const TERMS_MAX: usize = 100;
/// Longest text of a term, a tag or something extra, bytes.
const TEXT_BYTES_MAX: usize = 200;
/// Tags and extras that are sent back.
const EXTRAS_MAX: usize = 32;
/// Least `utterance_end_ms`: results come about once a second.
const UTTERANCE_END_MIN_MS: u64 = 1_000;
const UTTERANCE_END_MAX_MS: u64 = 60_000;
/// Endpoint where there is to be none: as long as there can be.
const NO_ENDPOINT: Duration = Duration::from_secs(5);

/// A parameter that cannot be served.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{parameter}: {reason}")]
pub(super) struct Wrong {
    parameter: String,
    reason: String,
}

impl Wrong {
    fn new(parameter: &str, reason: impl Into<String>) -> Self {
        let shown = |c: &char| !c.is_control();
        Self { parameter: parameter.chars().filter(shown).take(64).collect(), reason: reason.into() }
    }
}

/// How words are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Spelling {
    /// Lower case, no punctuation.
    #[default]
    Plain,
    /// As a writer would.
    Punctuated,
}

/// What a client asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Query {
    /// What its bytes are. `None`: their container says it.
    pub(super) encoding: Option<Encoding>,
    /// Each channel is a feed of its own.
    pub(super) multichannel: bool,
    /// Text that may still change is wanted.
    pub(super) interim_results: bool,
    /// Silence that ends an utterance. `None`: as configured.
    pub(super) endpointing: Option<Duration>,
    /// Silence after the last word that is told.
    pub(super) utterance_end: Option<MediaTime>,
    /// Onsets are told.
    pub(super) vad_events: bool,
    pub(super) spelling: Spelling,
    /// Words and phrases to alert on.
    pub(super) terms: Vec<String>,
    /// Language code.
    pub(super) language: Option<String>,
    /// What is sent back with the metadata.
    pub(super) tags: Vec<String>,
    pub(super) extra: BTreeMap<String, String>,
    /// Gaps are told, in a message that the vendor does not know.
    pub(super) gaps: bool,
    /// Parameters that nobody knows.
    pub(super) ignored: Vec<String>,
}

/// What a client's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Samples.
    Raw(PcmSpec),
    /// A container or bare frames of a codec, with this extension.
    Contained(&'static str),
}

impl Query {
    /// Reads the query of an address.
    pub(super) fn parse(query: &str) -> Result<Self, Wrong> {
        let mut parsed = Self::default();
        let mut raw = RawAudio::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match fate(&name) {
                Some(Fate::Used) if raw.take(&name, &value)? => {}
                Some(Fate::Used) => parsed.take(&name, &value)?,
                Some(Fate::Taken) => {}
                Some(Fate::TakenFlag) => drop(flag(&name, &value)?),
                Some(Fate::Refused(_)) if ["", "false"].contains(&&*value) => {}
                Some(Fate::Refused(why)) => return Err(Wrong::new(&name, format!("not supported: {why}"))),
                None if parsed.ignored.len() < EXTRAS_MAX => parsed.ignored.push(name.into_owned()),
                None => {}
            }
        }
        parsed.encoding = raw.encoding()?;
        parsed.check()?;
        Ok(parsed)
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), Wrong> {
        match name {
            "multichannel" => self.multichannel = flag(name, value)?,
            "interim_results" => self.interim_results = flag(name, value)?,
            "vad_events" => self.vad_events = flag(name, value)?,
            "punctuate" | "smart_format" | "dictation" => {
                if flag(name, value)? {
                    self.spelling = Spelling::Punctuated;
                }
            }
            "endpointing" => self.endpointing = endpointing(name, value)?,
            "utterance_end_ms" => self.utterance_end = utterance_end(name, value)?,
            "keyterm" => push(&mut self.terms, TERMS_MAX, name, value)?,
            // The vendor's weight, `term:2`, has no use here.
            "keywords" => {
                let weight = value.rsplit_once(':').filter(|(_, weight)| weight.parse::<f64>().is_ok());
                push(&mut self.terms, TERMS_MAX, name, weight.map_or(value, |(term, _)| term))?;
            }
            "language" => self.language = language(name, value)?,
            "tag" => push(&mut self.tags, EXTRAS_MAX, name, value)?,
            "extra" => self.take_extra(name, value)?,
            _ if number::<u8>(name, value)? == 1 => {}
            _ => return Err(Wrong::new(name, "there is one alternative, expected 1")),
        }
        Ok(())
    }

    fn take_extra(&mut self, name: &str, value: &str) -> Result<(), Wrong> {
        let (key, said) = value.split_once(':').unwrap_or((value, ""));
        if key == "aircheck_gaps" {
            self.gaps = flag("extra=aircheck_gaps", said)?;
        }
        checked(name, value)?;
        if self.extra.len() >= EXTRAS_MAX {
            return Err(Wrong::new(name, format!("more than {EXTRAS_MAX} of them")));
        }
        self.extra.insert(key.to_owned(), said.to_owned());
        Ok(())
    }

    fn check(&self) -> Result<(), Wrong> {
        if self.utterance_end.is_some() && !self.interim_results {
            return Err(Wrong::new("utterance_end_ms", "it needs interim_results=true"));
        }
        match self.encoding {
            _ if !self.multichannel => Ok(()),
            Some(Encoding::Raw(_)) => Ok(()),
            _ => Err(Wrong::new("multichannel", "it needs raw audio: encoding, sample_rate and channels")),
        }
    }

    /// For whoever decodes one stream.
    pub(super) fn hint(&self) -> Hint {
        match self.encoding {
            Some(Encoding::Raw(spec)) if self.multichannel => {
                let mono = Format::new(spec.format.rate(), 1).unwrap_or(spec.format);
                Hint { pcm: Some(PcmSpec { format: mono, ..spec }), ..Hint::default() }
            }
            Some(Encoding::Raw(spec)) => Hint { pcm: Some(spec), ..Hint::default() },
            Some(Encoding::Contained(extension)) => {
                Hint { extension: Some(extension.to_owned()), ..Hint::default() }
            }
            None => Hint::default(),
        }
    }

    /// Streams that are transcribed, 1 to 8, and bytes of a sample where they have to be taken apart.
    pub(super) fn streams(&self) -> (usize, Option<usize>) {
        match self.encoding {
            Some(Encoding::Raw(spec)) if self.multichannel => {
                (spec.format.n_channels(), Some(spec.sample.n_bytes()))
            }
            _ => (1, None),
        }
    }
}

/// Encoding, rate and channels: they make sense together only.
#[derive(Default)]
struct RawAudio {
    encoding: Option<String>,
    sample_rate: Option<u32>,
    channels: Option<usize>,
}

impl RawAudio {
    /// `false`: it is none of the three.
    fn take(&mut self, name: &str, value: &str) -> Result<bool, Wrong> {
        match name {
            "encoding" => self.encoding = Some(value.to_ascii_lowercase()).filter(|it| !it.is_empty()),
            "sample_rate" => self.sample_rate = Some(number(name, value)?),
            "channels" => self.channels = Some(number(name, value)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn encoding(&self) -> Result<Option<Encoding>, Wrong> {
        let Some(encoding) = &self.encoding else { return Ok(None) };
        let sample = match encoding.as_str() {
            "linear16" => SampleFormat::S16Le,
            "linear32" => SampleFormat::F32Le,
            "mulaw" => SampleFormat::MuLaw,
            "alaw" => SampleFormat::ALaw,
            "flac" => return Ok(Some(Encoding::Contained("flac"))),
            "opus" | "ogg-opus" => return Ok(Some(Encoding::Contained("ogg"))),
            "amr-nb" | "amr-wb" | "speex" | "g729" => {
                return Err(Wrong::new("encoding", format!("{encoding} cannot be decoded, {ENCODINGS}")));
            }
            _ => return Err(Wrong::new("encoding", format!("{encoding:?} is unknown, {ENCODINGS}"))),
        };
        let hz = self.sample_rate;
        let hz = hz.ok_or_else(|| Wrong::new("sample_rate", format!("{encoding} needs it, expected Hz")))?;
        let rate = SampleRate::new(hz);
        let rate =
            rate.map_err(|_| Wrong::new("sample_rate", format!("{hz} Hz, expected 8000 to 192000")))?;
        let n_channels = self.channels.unwrap_or(1);
        let format = Format::new(rate, n_channels).map_err(|_| {
            Wrong::new("channels", format!("{n_channels} channels, expected 1 to {CHANNELS_MAX}"))
        })?;
        Ok(Some(Encoding::Raw(PcmSpec { sample, format })))
    }
}

const ENCODINGS: &str = "expected linear16, linear32, mulaw, alaw, flac, opus or ogg-opus; or none, for audio in a \
                         container";

fn flag(name: &str, value: &str) -> Result<bool, Wrong> {
    match value.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Wrong::new(name, format!("{value:?}, expected true or false"))),
    }
}

fn number<T: FromStr>(name: &str, value: &str) -> Result<T, Wrong> {
    value.parse().map_err(|_| Wrong::new(name, format!("{value:?}, expected a whole number")))
}

fn endpointing(name: &str, value: &str) -> Result<Option<Duration>, Wrong> {
    if let Ok(is_wanted) = flag(name, value) {
        return Ok((!is_wanted).then_some(NO_ENDPOINT));
    }
    let millis =
        value.parse().map_err(|_| Wrong::new(name, format!("{value:?}, expected ms, true or false")));
    Ok(Some(Duration::from_millis(millis?)))
}

fn utterance_end(name: &str, value: &str) -> Result<Option<MediaTime>, Wrong> {
    if value.is_empty() || value == "false" {
        return Ok(None);
    }
    let range = UTTERANCE_END_MIN_MS..=UTTERANCE_END_MAX_MS;
    let millis = Some(number::<u64>(name, value)?).filter(|millis| range.contains(millis));
    let expected = || format!("{value} ms, expected {UTTERANCE_END_MIN_MS} to {UTTERANCE_END_MAX_MS}");
    millis.map(|millis| Some(MediaTime::from_millis(millis))).ok_or_else(|| Wrong::new(name, expected()))
}

/// The code without its region; `multi` leaves it to the service.
fn language(name: &str, value: &str) -> Result<Option<String>, Wrong> {
    let code = value.split(['-', '_']).next().unwrap_or("").to_ascii_lowercase();
    match code.as_str() {
        "multi" => Ok(None),
        code if (2..=3).contains(&code.len()) && code.chars().all(|c| c.is_ascii_lowercase()) => {
            Ok(Some(code.to_owned()))
        }
        _ => Err(Wrong::new(name, format!("{value:?}, expected a code such as en or en-US"))),
    }
}

fn push(list: &mut Vec<String>, n_max: usize, name: &str, value: &str) -> Result<(), Wrong> {
    let value = checked(name, value.trim())?;
    if list.len() >= n_max {
        return Err(Wrong::new(name, format!("more than {n_max} of them")));
    }
    if !value.is_empty() {
        list.push(value.to_owned());
    }
    Ok(())
}

/// Text that may be stored and shown.
fn checked<'a>(name: &str, value: &'a str) -> Result<&'a str, Wrong> {
    match value {
        long if long.len() > TEXT_BYTES_MAX => {
            Err(Wrong::new(name, format!("{} bytes, expected at most {TEXT_BYTES_MAX}", long.len())))
        }
        odd if odd.chars().any(char::is_control) => Err(Wrong::new(name, "control characters in it")),
        fine => Ok(fine),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn wrong(query: &str) -> String {
        Query::parse(query).map_or_else(|wrong| wrong.to_string(), |_| "fine".to_owned())
    }

    #[test]
    fn what_the_sdks_send_is_understood() {
        let query = "model=nova-3&encoding=linear16&sample_rate=16000&channels=2&multichannel=True&interim_results=true\
                     &endpointing=10&utterance_end_ms=1000&vad_events=true&smart_format=true&keyterm=two+cities\
                     &keywords=Dickens%3A2&language=en-GB&tag=a&extra=k:v&extra=aircheck_gaps:true&diarize=false&is_final=true";
        let parsed = Query::parse(query).unwrap();
        assert_eq!(parsed.streams(), (2, Some(2)));
        assert_eq!(parsed.hint().pcm.unwrap().format, Format::SPEECH);
        assert_eq!(parsed.endpointing, Some(Duration::from_millis(10)));
        assert_eq!(parsed.utterance_end, Some(MediaTime::from_secs(1)));
        assert_eq!(
            (parsed.terms, parsed.language),
            (vec!["two cities".into(), "Dickens".into()], Some("en".into()))
        );
        assert!(parsed.interim_results && parsed.vad_events && parsed.gaps);
        assert_eq!((parsed.spelling, parsed.ignored), (Spelling::Punctuated, vec!["is_final".into()]));
        assert_eq!((parsed.tags, parsed.extra.len()), (vec!["a".into()], 2));
    }

    #[test]
    fn without_parameters_everything_is_found_out_from_the_audio() {
        assert_eq!(Query::parse("").unwrap(), Query::default());
        assert_eq!(Query::parse("encoding=ogg-opus").unwrap().hint().extension.unwrap(), "ogg");
        assert_eq!(Query::parse("endpointing=true").unwrap().endpointing, None);
        assert_eq!(Query::parse("endpointing=false").unwrap().endpointing, Some(NO_ENDPOINT));
    }

    #[test]
    fn what_cannot_be_served_is_named() {
        let raw = "encoding=linear16&sample_rate=8000";
        for (query, expected) in [
            ("encoding=speex", "encoding: speex cannot be decoded"),
            ("encoding=mp9", "encoding: \"mp9\" is unknown"),
            ("encoding=linear16", "sample_rate: linear16 needs it"),
            ("encoding=mulaw&sample_rate=4000", "sample_rate: 4000 Hz, expected 8000 to 192000"),
            (&format!("{raw}&channels=9"), "channels: 9 channels, expected 1 to 8"),
            ("sample_rate=x", "sample_rate: \"x\", expected a whole number"),
            ("multichannel=true", "multichannel: it needs raw audio"),
            ("interim_results=maybe", "interim_results: \"maybe\", expected true or false"),
            ("numerals=2", "numerals: \"2\", expected true or false"),
            ("endpointing=soon", "endpointing: \"soon\", expected ms, true or false"),
            ("utterance_end_ms=1000", "utterance_end_ms: it needs interim_results=true"),
            ("interim_results=true&utterance_end_ms=500", "utterance_end_ms: 500 ms, expected 1000 to 60000"),
            ("diarize=true", "diarize: not supported: speakers are not told apart"),
            ("redact=ssn", "redact: not supported: nothing is redacted"),
            ("callback=http://x/", "callback: not supported"),
            ("language=../etc", "language: \"../etc\", expected a code"),
            ("alternatives=3", "alternatives: there is one alternative"),
            ("keyterm=a%0Ab", "keyterm: control characters in it"),
            (&format!("tag={}", "x".repeat(201)), "tag: 201 bytes, expected at most 200"),
            (&"keyterm=x&".repeat(101), "keyterm: more than 100 of them"),
        ] {
            assert!(wrong(query).starts_with(expected), "{query}: {}", wrong(query));
        }
        assert_eq!(wrong("alternatives=1&diarize=false&redact=&mip_opt_out=true"), "fine");
    }
}
