//! Programmes as written down: a TOML file of clips and of the parts that are played.
//!
//! ```toml
//! [clips.bridge]                # any number; all at one sample rate
//! file = "bridge.wav"           # beside this file; WAV, mono or stereo
//! # What is said, one of: nothing, `alignment`, `words`, `sentences`, `text`.
//! words = [{ text = "The", start_ms = 120, end_ms = 240 }, { text = "bridge", start_ms = 240, end_ms = 610 }]
//! # alignment = "bridge.json"   # words, as pocketsphinx writes them
//! # sentences = [{ text = "The bridge.", start_ms = 120, end_ms = 610 }]
//! # text = "The bridge."        # one sentence, the whole clip long
//!
//! [[parts]]                     # played one after the other, round and round
//! clip = { name = "bridge", gain_db = -3.0 }
//! [[parts]]
//! pause = { secs = 0.8 }        # room noise, dbfs = -60 unless given
//! [[parts]]
//! silence = { secs = 12 }       # digital
//! [[parts]]
//! tone = { hz = 440, dbfs = -20, secs = 2 }
//! [[parts]]
//! clip = { name = "bridge", clipped_db = 12 }   # its peak so far over full scale, and cut off there
//! ```
//!
//! Words whose times are not known count as words, and their sentence expects a final; they have no latency of their own.

use std::collections::BTreeMap;
use std::fs;
use std::ops::{Range, RangeInclusive};
use std::path::Path;

use engine::time::{MediaTime, SampleRate, Span};
use serde::Deserialize;
use toml::Spanned;

use super::Programme;
use super::compose::{Clip, Level, Part, ROOM_DBFS, compose};
use super::speech::{Speech, Timed};
use super::wav::Wav;
use crate::failure::Failure;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    #[serde(default)]
    clips: BTreeMap<String, ClipEntry>,
    parts: Vec<PartEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClipEntry {
    file: Spanned<String>,
    alignment: Option<Spanned<String>>,
    words: Option<Vec<Spanned<TextEntry>>>,
    sentences: Option<Vec<Spanned<TextEntry>>>,
    text: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TextEntry {
    text: String,
    start_ms: u64,
    end_ms: u64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum PartEntry {
    Clip(PlayEntry),
    Silence(LengthEntry),
    Pause(PauseEntry),
    Tone(ToneEntry),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlayEntry {
    name: Spanned<String>,
    gain_db: Option<Spanned<f64>>,
    clipped_db: Option<Spanned<f64>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LengthEntry {
    secs: Spanned<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PauseEntry {
    secs: Spanned<f64>,
    dbfs: Option<Spanned<f64>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ToneEntry {
    hz: Spanned<f64>,
    dbfs: Spanned<f64>,
    secs: Spanned<f64>,
}

/// The file that is read, for what is wrong with it.
struct Source<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Programme {
    /// Reads the manifest at `path` and the clips that it names.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let text =
            fs::read_to_string(path).map_err(|error| Failure::runtime(&path.display().to_string(), error))?;
        let source = Source { path, text: &text };
        let manifest: Manifest = toml::from_str(&text).map_err(|error| source.syntax(&error))?;
        let (rate, clips) = source.clips(&manifest)?;
        let parts: Vec<Part> =
            manifest.parts.iter().map(|part| source.part(part, rate, &clips)).collect::<Result<_, _>>()?;
        compose(rate, &parts).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))
    }
}

impl Source<'_> {
    /// The clips by name, and the rate that they share; 16 kHz where there are none.
    fn clips<'m>(&self, manifest: &'m Manifest) -> Result<(SampleRate, BTreeMap<&'m str, Clip>), Failure> {
        let mut known: Option<(&str, SampleRate)> = None;
        let mut clips = BTreeMap::new();
        for (name, entry) in &manifest.clips {
            let wav = Wav::read(&self.beside(entry.file.get_ref()))?;
            if let Some((first, rate)) = known.filter(|(_, rate)| *rate != wav.rate) {
                let why =
                    format!("clip {name} is at {}, clip {first} at {rate}: one rate is needed", wav.rate);
                return Err(self.fault(entry.file.span(), &why));
            }
            known = known.or(Some((name, wav.rate)));
            let length = MediaTime::from_frames(wav.samples.len() as u64, wav.rate);
            let speech = self.speech(entry, length)?;
            clips.insert(name.as_str(), Clip { samples: wav.samples, speech });
        }
        Ok((known.map_or(SampleRate::HZ_16000, |(_, rate)| rate), clips))
    }

    fn speech(&self, entry: &ClipEntry, length: MediaTime) -> Result<Speech, Failure> {
        match (&entry.alignment, &entry.words, &entry.sentences, &entry.text) {
            (None, None, None, None) => Ok(Speech::None),
            (Some(file), None, None, None) => Speech::read(&self.beside(file.get_ref())),
            (None, Some(words), None, None) => Ok(Speech::Words(self.timed(words, length)?)),
            (None, None, Some(sentences), None) => Ok(Speech::Sentences(self.timed(sentences, length)?)),
            (None, None, None, Some(text)) => {
                let span = Span::new(MediaTime::ZERO, length);
                Ok(Speech::Sentences(vec![Timed { text: text.clone(), span }]))
            }
            _ => Err(self.fault(entry.file.span(), "a clip has one of alignment, words, sentences and text")),
        }
    }

    /// Texts in the order of their times, within the clip.
    fn timed(&self, entries: &[Spanned<TextEntry>], length: MediaTime) -> Result<Vec<Timed>, Failure> {
        let mut before = 0;
        let mut timed = Vec::with_capacity(entries.len());
        for entry in entries {
            let TextEntry { text, start_ms, end_ms } = entry.get_ref();
            let is_in_order = before <= *start_ms && start_ms < end_ms && *end_ms <= length.as_millis();
            if !is_in_order {
                let why = format!(
                    "{text} is at {start_ms}..{end_ms} ms, expected after {before} ms and within the clip of {} ms",
                    length.as_millis()
                );
                return Err(self.fault(entry.span(), &why));
            }
            before = *end_ms;
            let span = Span::new(MediaTime::from_millis(*start_ms), MediaTime::from_millis(*end_ms));
            timed.push(Timed { text: text.clone(), span });
        }
        Ok(timed)
    }

    fn part<'c>(
        &self,
        part: &PartEntry,
        rate: SampleRate,
        clips: &'c BTreeMap<&str, Clip>,
    ) -> Result<Part<'c>, Failure> {
        match part {
            PartEntry::Clip(play) => {
                let name = play.name.get_ref().as_str();
                let clip = clips.get(name);
                let clip =
                    clip.ok_or_else(|| self.fault(play.name.span(), &format!("there is no clip {name}")))?;
                Ok(Part::Clip(clip, self.level(play)?))
            }
            PartEntry::Silence(entry) => Ok(Part::Silence(self.length(&entry.secs)?)),
            PartEntry::Pause(entry) => {
                let dbfs = entry.dbfs.as_ref().map(|dbfs| self.within(dbfs, -100.0..=-20.0)).transpose()?;
                Ok(Part::Pause(self.length(&entry.secs)?, dbfs.unwrap_or(ROOM_DBFS)))
            }
            PartEntry::Tone(tone) => {
                let hz = self.within(&tone.hz, 20.0..=f64::from(rate.hz()) / 2.0)?;
                // Louder ones are flat at their peaks, which is clipping or not, as one likes.
                let dbfs = self.within(&tone.dbfs, -100.0..=-1.5)?;
                Ok(Part::Tone(hz, dbfs, self.length(&tone.secs)?))
            }
        }
    }

    fn level(&self, play: &PlayEntry) -> Result<Level, Failure> {
        match (&play.gain_db, &play.clipped_db) {
            (None, None) => Ok(Level::Gain(0.0)),
            (Some(gain), None) => Ok(Level::Gain(self.within(gain, -60.0..=60.0)?)),
            (None, Some(clipped)) => Ok(Level::Clipped(self.within(clipped, 1.0..=40.0)?)),
            (Some(_), Some(clipped)) => Err(self.fault(clipped.span(), "either gain_db or clipped_db")),
        }
    }

    fn length(&self, secs: &Spanned<f64>) -> Result<MediaTime, Failure> {
        let secs = self.within(secs, 0.001..=3_600.0)?;
        Ok(MediaTime::from_millis((secs * 1e3).round() as u64))
    }

    fn within(&self, value: &Spanned<f64>, range: RangeInclusive<f64>) -> Result<f64, Failure> {
        if range.contains(value.get_ref()) {
            return Ok(*value.get_ref());
        }
        let why = format!("{}, expected {} to {}", value.get_ref(), range.start(), range.end());
        Err(self.fault(value.span(), &why))
    }

    fn beside(&self, file: &str) -> std::path::PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(file)
    }

    fn syntax(&self, error: &toml::de::Error) -> Failure {
        self.fault(error.span().unwrap_or_default(), error.message())
    }

    /// What is wrong with the value at `span`, with file, line and key.
    fn fault(&self, span: Range<usize>, why: &str) -> Failure {
        let before = self.text.get(..span.start).unwrap_or("");
        let line = before.matches('\n').count() + 1;
        let key = before.lines().last().filter(|_| !before.ends_with('\n')).and_then(|line| {
            let name = line.trim_end().strip_suffix('=')?.trim_end();
            name.rsplit(|c: char| !(c.is_alphanumeric() || "._-".contains(c))).next()
        });
        let key = key.map_or(String::new(), |key| format!("{key}: "));
        Failure::Usage(format!("{}: line {line}: {key}{why}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::programme::What;

    /// A WAV file of a second of a tone, 16 bits mono.
    fn wav(path: &Path, hz: u32) {
        let samples = (0..hz).flat_map(|n| (if n / 20 % 2 == 0 { 3_000_i16 } else { -3_000 }).to_le_bytes());
        let mut bytes = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
        bytes.extend(hz.to_le_bytes());
        bytes.extend(b"\0\0\0\0\x02\0\x10\0data\xff\xff\xff\xff");
        bytes.extend(samples);
        fs::write(path, bytes).unwrap();
    }

    fn read(manifest: &str) -> Result<Programme, String> {
        let folder = tempfile::tempdir().unwrap();
        wav(&folder.path().join("a.wav"), 8_000);
        wav(&folder.path().join("b.wav"), 16_000);
        let path = folder.path().join("p.toml");
        fs::write(&path, manifest).unwrap();
        let root = format!("{}/", folder.path().display());
        Programme::read(&path).map_err(|error| error.to_string().replace(&root, ""))
    }

    #[test]
    fn a_manifest_is_a_programme() {
        let programme = read(
            r#"
            [clips.a]
            file = "a.wav"
            words = [{ text = "One", start_ms = 100, end_ms = 300 }, { text = "word", start_ms = 300, end_ms = 600 }]
            [clips.again]
            file = "a.wav"
            text = "All of it"
            [[parts]]
            clip = { name = "a" }
            [[parts]]
            pause = { secs = 0.5 }
            [[parts]]
            clip = { name = "again", gain_db = -3 }
            [[parts]]
            tone = { hz = 440, dbfs = -20.5, secs = 2 }
            "#,
        )
        .unwrap();
        assert_eq!((programme.rate.hz(), programme.length()), (8_000, MediaTime::from_millis(4_500)));
        let facts: Vec<(u64, &What)> =
            programme.facts.iter().map(|fact| (fact.proven_at.as_millis(), &fact.what)).collect();
        let word = |text: &str| What::Word(text.to_owned());
        let all = What::Sentence(["all", "of", "it"].map(str::to_owned).to_vec());
        let expected =
            [(300, &word("1")), (600, &word("word")), (600, &What::Sentence(Vec::new())), (2_500, &all)];
        assert_eq!(facts, expected);
    }

    #[test]
    fn what_is_wrong_is_named_with_file_line_and_key() {
        let check = |manifest: &str, expected: &str| assert_eq!(read(manifest).unwrap_err(), expected);
        let part = "[[parts]]\nsilence = { secs = 1 }\n";
        check("[[parts]]\nsilence = { secs = -1 }", "p.toml: line 2: secs: -1, expected 0.001 to 3600");
        check(
            "[[parts]]\nsilence = { secs = 'x' }",
            "p.toml: line 2: secs: invalid type: string \"x\", expected f64",
        );
        check("[[parts]]\nsilence = { hz = 1 }", "p.toml: line 2: unknown field `hz`, expected `secs`");
        check("[[parts]]\nclip = { name = 'x' }", "p.toml: line 2: name: there is no clip x");
        check("clip = 1\n", "p.toml: line 1: unknown field `clip`, expected `clips` or `parts`");
        check(
            &format!("[clips.a]\nfile = 'a.wav'\n[clips.b]\nfile = 'b.wav'\n{part}"),
            "p.toml: line 4: file: clip b is at 16000 Hz, clip a at 8000 Hz: one rate is needed",
        );
        check(
            &format!(
                "[clips.a]\nfile = 'a.wav'\nsentences = [{{ text = 'x', start_ms = 10, end_ms = 1001 }}]\n{part}"
            ),
            "p.toml: line 3: x is at 10..1001 ms, expected after 0 ms and within the clip of 1000 ms",
        );
        check(
            &format!("[clips.a]\nfile = 'a.wav'\ntext = 'x'\nsentences = []\n{part}"),
            "p.toml: line 2: file: a clip has one of alignment, words, sentences and text",
        );
        check(&format!("[clips.a]\nfile = 'c.wav'\n{part}"), "c.wav: No such file or directory (os error 2)");
    }
}
