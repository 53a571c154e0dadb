//! Opening: from the first bytes to a demuxer and a track, or to one line that says what it is instead.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use engine::audio::Format;
use engine::time::SampleRate;
use symphonia::core::common::Limit;
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::{Hint as ProbeHint, Probe};
use symphonia::core::formats::well_known::{FORMAT_ID_MKV, FORMAT_ID_OGG};
use symphonia::core::formats::{FormatOptions, FormatReader};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;
use symphonia::default::formats::{AdtsReader, MpaReader};
use symphonia::default::get_probe;
use symphonia::default::meta::Id3v2Reader;

use super::planes::Planes;
use super::sniff::{self, Kind};
use super::source::{Meter, Origin, Source};
use super::timeline::{Junk, Timeline};
use super::track::Track;
use super::{Decoder, IngestError};
use crate::ingest::pcm::PcmSpec;

/// Most bytes without audio in a stream of bare packets.
const BUDGET_BARE: u64 = 1 << 20;
/// Most bytes without audio in a container: pictures, indexes, video between two packets of audio.
const BUDGET_CONTAINER: u64 = 64 << 20;
/// Largest picture that is kept while tags are read. We show none.
const PICTURE_BYTES_MAX: usize = 64 << 10;
/// Largest tag text that is kept.
const TAG_BYTES_MAX: usize = 64 << 10;

const EXPECTED: &str = "wav, aiff, flac, mp3, aac, m4a/mp4, ogg, opus, webm/mkv or caf";

/// What is known of an input's format before it is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hint {
    /// As HTTP says it. Decides where the bytes do not: AAC looks like MP3.
    pub content_type: Option<String>,
    /// Of a path or an address, without the dot.
    pub extension: Option<String>,
    /// It is raw samples, and nothing is guessed.
    pub pcm: Option<PcmSpec>,
}

pub(super) fn open(
    place: &str,
    origin: Origin,
    hint: &Hint,
    meter: &Arc<Meter>,
) -> Result<Decoder, IngestError> {
    let at = Place { place, meter };
    meter.allow(BUDGET_CONTAINER);
    let is_part = matches!(origin, Origin::Memory(_));
    let source = Source::new(origin, sniff::HEAD_BYTES, Arc::clone(meter));
    let mut source = source.map_err(|source| at.read_error(source))?;
    if source.head().is_empty() {
        return Err(at.not_audio("empty".into()));
    }
    let kind = sniff::sniff(source.head(), hint.content_type.as_deref(), hint.extension.as_deref());
    let byte_len = source.byte_len();
    let adts_header_len = sniff::adts_header_len(source.head());
    match kind {
        Kind::Refused(what) => return Err(at.not_audio(what.into())),
        Kind::Wav | Kind::Rf64(_) => sniff::mend_wav(source.head_mut()),
        Kind::Indexed => source.allow_seeking().map_err(|source| at.read_error(source))?,
        Kind::Adts | Kind::Mpeg | Kind::Unknown => meter.allow(BUDGET_BARE),
        Kind::Known => meter.allow(BUDGET_CONTAINER + sniff::id3_len(source.head())),
    }
    let start = starts_with(source.head());
    let reader = probe(kind, source).map_err(|error| at.open_error(error, &start, byte_len.is_some()))?;
    let track = Track::choose(reader.as_ref()).map_err(|what| at.unsupported(what))?;
    if let Some(Err(source)) = track.n_channels().map(|n| Format::new(SampleRate::HZ_16000, n)) {
        // Before a decoder makes room for them.
        return Err(IngestError::Channels { place: place.into(), source });
    }
    let format = reader.format_info().short_name;
    let format_id = reader.format_info().format;
    let frames_max = match kind {
        Kind::Rf64(n_bytes) => track.pcm_frames(n_bytes),
        _ => None,
    };
    Ok(Decoder {
        place: place.into(),
        reader,
        planes: Planes::default(),
        meter: Arc::clone(meter),
        byte_len,
        // ADTS is a guess of symphonia's, Matroska's length is that of the picture, too.
        has_promise: !is_part && format != "aac" && format_id != FORMAT_ID_MKV && format_id != FORMAT_ID_OGG,
        frames_max,
        timeline: Timeline::default(),
        junk: match format {
            "mp1" | "mp2" | "mp3" => Some(Junk::new(0)),
            "aac" => Some(Junk::new(adts_header_len)),
            _ => None,
        },
        ready: VecDeque::new(),
        stream: None,
        title: None,
        corrupt_frames: 0,
        corrupt_run: 0,
        last_error: None,
        stumbles: (0, 0),
        decoded_frames: 0,
        joined_frames: 0,
        lost_frames: 0,
        ended: false,
        track,
    })
}

fn probe(kind: Kind, source: Source) -> Result<Box<dyn FormatReader>, Error> {
    let stream = MediaSourceStream::new(Box::new(source), MediaSourceStreamOptions::default());
    let metadata = MetadataOptions::default()
        .limit_visual_bytes(Limit::Maximum(PICTURE_BYTES_MAX))
        .limit_tag_bytes(Limit::Maximum(TAG_BYTES_MAX));
    let mut bare = Probe::default();
    let probe = match kind {
        Kind::Adts => {
            bare.register_format::<AdtsReader<'_>>();
            bare.register_metadata::<Id3v2Reader<'_>>();
            &bare
        }
        Kind::Mpeg => {
            bare.register_format::<MpaReader<'_>>();
            bare.register_metadata::<Id3v2Reader<'_>>();
            &bare
        }
        _ => get_probe(),
    };
    probe.probe(&ProbeHint::default(), stream, FormatOptions::default(), metadata)
}

/// The first bytes for a message, as hexadecimal numbers.
fn starts_with(head: &[u8]) -> String {
    head.iter().take(8).map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

struct Place<'a> {
    place: &'a str,
    meter: &'a Meter,
}

impl Place<'_> {
    fn not_audio(&self, found: String) -> IngestError {
        IngestError::NotAudio { place: self.place.into(), found, expected: EXPECTED }
    }

    fn unsupported(&self, what: String) -> IngestError {
        IngestError::Unsupported { place: self.place.into(), what }
    }

    fn read_error(&self, source: io::Error) -> IngestError {
        IngestError::Read { place: self.place.into(), byte: self.meter.pulled(), source }
    }

    fn open_error(&self, error: Error, start: &str, is_file: bool) -> IngestError {
        match error {
            Error::Unsupported(what) if what.contains("missing moov") => self.unsupported(if is_file {
                "an MP4 file without its index (moov): the recording was not finished".into()
            } else {
                "an MP4 whose index (moov) comes at the end, and a pipe cannot be rewound: give the file itself, or \
                 write it with `-movflags +faststart`"
                    .into()
            }),
            Error::Unsupported(what) if what.contains("no suitable format reader") => {
                self.undecodable(format!("no known audio format, it begins {start}, expected {EXPECTED}"))
            }
            Error::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                self.undecodable("it ends inside its header".into())
            }
            Error::IoError(error) if error.get_ref().is_none() => self.read_error(error),
            error => self.undecodable(error.to_string()),
        }
    }

    fn undecodable(&self, reason: String) -> IngestError {
        IngestError::Undecodable { place: self.place.into(), byte: self.meter.pulled(), reason }
    }
}
