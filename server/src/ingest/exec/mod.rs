//! A command that writes audio to its standard output: what is run, by its own words or by those of an address. Splits
//! and shows it; [`super::live`] runs it. No shell ever sees it.

mod preset;
mod words;

use std::fmt;
use std::str::FromStr;

use super::error::IngestError;
use super::pcm::PcmSpec;

const EXPECTED: &str = "exec: and a command such as exec:ffmpeg -i rtsp://camera/1 -f wav -";
/// Longest command, bytes.
const TEXT_BYTES_MAX: usize = 8_192;
/// Most words of a command.
const WORDS_MAX: usize = 256;

/// A command. Shows itself without what may be secret: of a command all but its program, of an address user, password
/// and query.
#[derive(Clone, PartialEq, Eq)]
pub struct ExecSource {
    text: String,
    shown: String,
    /// The program, then its arguments; not empty.
    argv: Vec<String>,
    /// What it writes, where it is known: else that is looked for.
    pcm: Option<PcmSpec>,
}

impl ExecSource {
    /// Schemes of addresses that stand for a command, as they are listed.
    pub const SCHEMES: &'static str = "srt://, rtmp://, rtsp://, alsa:";

    /// Whether `scheme` is one of those that stand for a command, or `exec`.
    #[must_use]
    pub fn is_scheme(scheme: &str) -> bool {
        scheme == "exec" || preset::is_scheme(scheme)
    }

    /// As it is written, with its secrets.
    #[must_use]
    pub fn with_secrets(&self) -> &str {
        &self.text
    }

    /// The program and its arguments.
    pub(super) fn argv(&self) -> &[String] {
        &self.argv
    }

    /// What it writes, where that is no container.
    pub(super) const fn pcm(&self) -> Option<PcmSpec> {
        self.pcm
    }
}

impl FromStr for ExecSource {
    type Err = IngestError;

    fn from_str(text: &str) -> Result<Self, IngestError> {
        // What is wrong with a command is told without it: it may hold secrets.
        let wrong = |found: String| IngestError::Usage { place: "command".into(), found, expected: EXPECTED };
        if text.len() > TEXT_BYTES_MAX || text.contains('\0') {
            return Err(wrong(format!("over {TEXT_BYTES_MAX} bytes, or with a NUL in it")));
        }
        let text = text.trim();
        let Some(command) = text.strip_prefix("exec:") else {
            let preset = preset::expand(text).map_err(wrong)?;
            return Ok(Self {
                text: text.into(),
                shown: preset.shown,
                argv: preset.argv,
                pcm: Some(preset.pcm),
            });
        };
        let argv = words::split(command).map_err(|what| wrong(what.into()))?;
        if argv.len() > WORDS_MAX {
            return Err(wrong(format!("{} words, at most {WORDS_MAX}", argv.len())));
        }
        let program =
            argv.first().filter(|program| !program.is_empty()).ok_or_else(|| wrong("no program".into()))?;
        let name = program.rsplit('/').next().unwrap_or(program);
        let shown = format!("exec:{name}{}", if argv.len() > 1 { " …" } else { "" });
        Ok(Self { text: text.into(), shown, argv, pcm: None })
    }
}

impl fmt::Display for ExecSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for ExecSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExecSource({})", self.shown)
    }
}

/// A line that a program wrote, as it may be shown: without control characters, without users, passwords and queries of
/// addresses in it, and not too long.
pub(super) fn printable(line: &str) -> String {
    const CHARS_MAX: usize = 300;
    let shown = line.split_whitespace().map(preset::without_secrets).collect::<Vec<_>>().join(" ");
    shown.chars().filter(|c| !c.is_control()).take(CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn commands_are_shown_without_their_arguments() {
        let source: ExecSource = "exec:/usr/bin/ffmpeg -i 'rtsp://u:c4nary@h/1' -f wav -".parse().unwrap();
        assert_eq!(source.to_string(), "exec:ffmpeg …");
        assert_eq!(source.argv()[2], "rtsp://u:c4nary@h/1");
        assert!(!format!("{source:?}").contains("c4nary") && source.with_secrets().contains("c4nary"));
        assert_eq!("exec:radio".parse::<ExecSource>().unwrap().to_string(), "exec:radio");
    }

    #[test]
    fn what_cannot_be_run_is_told_without_secrets() {
        let many = format!("exec:a{}", " b".repeat(256));
        let long = format!("exec:{}", "a".repeat(TEXT_BYTES_MAX));
        for (text, expected) in [
            ("exec:", "no program"),
            ("exec:''", "no program"),
            ("exec:a 'c4nary", "a quote that does not end"),
            ("exec:a c4nary\0", "NUL"),
            ("ftp://c4nary", "expected exec:"),
            (&many, "257 words"),
            (&long, "over 8192 bytes"),
        ] {
            let error = text.parse::<ExecSource>().unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("c4nary"), "{error}");
        }
    }

    #[test]
    fn lines_of_programs_are_shown_without_secrets() {
        let line = "[tcp @ 0x55] srt://u:c4nary@h:9000?passphrase=c4nary: \u{1b}[31mrefused";
        assert_eq!(printable(line), "[tcp @ 0x55] srt://h:9000?… [31mrefused");
        assert_eq!(printable(&"x".repeat(400)).len(), 300);
    }
}
