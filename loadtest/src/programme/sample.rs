//! The speech that is played when no other is given: recordings fetched by `make loadtest-sample`. Fetches nothing.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use engine::time::{MediaTime, SampleRate};

use super::Programme;
use super::compose::{Clip, Level, Part, ROOM_DBFS, compose};
use super::speech::Speech;
use super::wav::Wav;
use crate::failure::Failure;

/// Between two recordings.
const PAUSE: Part = Part::Pause(MediaTime::from_millis(800), ROOM_DBFS);
/// On either side of the silence: loud enough, well over the level at which dead air is over even after an mp3 encoder, and
/// long enough to give it sharp edges; too short to be anything else.
const EDGE: Part = Part::Pause(MediaTime::from_millis(100), -38.0);
/// Two seconds more than dead air needs.
const SILENCE: Part = Part::Silence(MediaTime::from_secs(12));
/// A word of the alignments that nobody says, and where it is in which recording: "a more a amiable woman". The book has
/// no second "a", and neither Whisper nor pocketsphinx hears one.
const UNSAID: (&str, &str, MediaTime) =
    ("sense_and_sensibility_01_austen_64kb-0920", "a", MediaTime::from_millis(1_410));
/// How far over full scale the clipped passage is driven: it stays understandable.
const CLIPPED_DB: f64 = 12.0;

impl Programme {
    /// The programme of the fetched recordings, 46 s a round: five sentences, dead air, one of them clipped.
    pub fn sample() -> Result<Self, Failure> {
        Self::librivox(&sample_folder()?)
    }

    /// As [`Programme::sample`], from a folder with `fileids` (names, one a line), and for each a `.wav` and a `.json` that
    /// has the times of its words. The clipped one is the shortest.
    pub fn librivox(folder: &Path) -> Result<Self, Failure> {
        let list = folder.join("fileids");
        let names = fs::read_to_string(&list).map_err(|error| {
            Failure::runtime(
                &list.display().to_string(),
                format!("{error}; `make loadtest-sample` fetches it"),
            )
        })?;
        let mut clips = Vec::new();
        let mut known: Option<SampleRate> = None;
        for name in names.split_whitespace() {
            let wav = Wav::read(&folder.join(format!("{name}.wav")))?;
            if known.is_some_and(|rate| rate != wav.rate) {
                return Err(Failure::Runtime(format!("{name}.wav is at {}, unlike the others", wav.rate)));
            }
            known = Some(wav.rate);
            let mut speech = Speech::read(&folder.join(format!("{name}.json")))?;
            if let Speech::Words(words) = &mut speech {
                words.retain(|word| (name, word.text.as_str(), word.span.start) != UNSAID);
            }
            clips.push(Clip { samples: wav.samples, speech });
        }
        let mut parts: Vec<Part> =
            clips.iter().flat_map(|clip| [Part::Clip(clip, Level::Gain(0.0)), PAUSE]).collect();
        let shortest = clips.iter().min_by_key(|clip| clip.samples.len());
        parts.extend([EDGE, SILENCE, EDGE, PAUSE]);
        parts.extend(shortest.map(|clip| Part::Clip(clip, Level::Clipped(CLIPPED_DB))));
        // As long as clipping needs to be over: no fact of a round reaches into the next.
        parts.extend([PAUSE, PAUSE]);
        compose(known.unwrap_or(SampleRate::HZ_16000), &parts)
    }
}

/// Where `scripts/loadtest-sample.sh` puts the recordings.
fn sample_folder() -> Result<PathBuf, Failure> {
    let is_path = |path: &PathBuf| path.is_absolute();
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(is_path);
    let cache = cache.or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".cache")));
    let cache = cache.ok_or_else(|| Failure::Runtime("neither XDG_CACHE_HOME nor HOME is set".to_owned()))?;
    Ok(cache.join("aircheck/loadtest/librivox-1"))
}
