//! Makes inputs with ffmpeg, hears them through `Audio`, and compares.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use engine::audio::{Block, Format};
use engine::event::{Feed, FeedState, Gap, Marker, Metadata};
use engine::time::{MediaTime, Span};
use jiff::Timestamp;
use server::ingest::{Anchor, Audio, Hint, IngestError, Origin, Step, Stream};
use tempfile::TempDir;

/// Runs ffmpeg; `args` are split at spaces.
pub(crate) fn ffmpeg(dir: &Path, args: &str) {
    let output = ffmpeg_output(dir, args);
    assert!(!output.is_empty() || !args.contains("pipe:1"), "ffmpeg {args} wrote nothing");
}

/// What ffmpeg writes to its standard output.
pub(crate) fn ffmpeg_output(dir: &Path, args: &str) -> Vec<u8> {
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-y"])
        .args(args.split(' ').filter(|arg| !arg.is_empty()))
        .current_dir(dir)
        .stderr(Stdio::piped())
        .output()
        .expect("these tests need ffmpeg: run `make setup`");
    assert!(output.status.success(), "ffmpeg {args}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// A signal that no alignment but the right one fits: a chirp for each channel.
pub(crate) fn chirp(n_channels: usize, rate_hz: u32, secs: f64) -> String {
    let one = |channel: usize| format!("0.3*sin(2*PI*({}+{}*t)*t)", 180 + 70 * channel, 60 + 25 * channel);
    let all: Vec<_> = (0..n_channels).map(one).collect();
    format!("-f lavfi -i aevalsrc={}:s={rate_hz}:d={secs}", all.join("|"))
}

/// What was heard of an input.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) streams: Vec<Stream>,
    /// Frames of each channel, all stretches joined.
    pub(crate) channels: Vec<Vec<f32>>,
    pub(crate) gaps: Vec<(Span, Gap)>,
    pub(crate) titles: Vec<Metadata>,
    pub(crate) notes: Vec<String>,
    pub(crate) markers: Vec<(Span, Marker)>,
    /// What was heard when, by the source.
    pub(crate) walls: Vec<(MediaTime, Timestamp)>,
    /// Which segments of the source began where.
    pub(crate) anchors: Vec<(MediaTime, Anchor)>,
    pub(crate) feeds: Vec<Feed>,
    /// Steps in order, blocks of a stretch joined.
    pub(crate) order: Vec<&'static str>,
    pub(crate) error: Option<IngestError>,
}

impl Heard {
    pub(crate) fn n_frames(&self) -> usize {
        self.channels.first().map_or(0, Vec::len)
    }

    pub(crate) fn states(&self) -> Vec<FeedState> {
        self.feeds.iter().map(|feed| feed.state).collect()
    }

    /// The one line of an input that was refused.
    pub(crate) fn message(&self) -> String {
        self.error.as_ref().expect("it should have been refused").to_string()
    }

    fn take(&mut self, block: &Block) {
        self.channels.resize_with(block.format().n_channels().max(self.channels.len()), Vec::new);
        for (all, channel) in self.channels.iter_mut().zip(block.channels()) {
            all.extend_from_slice(channel);
        }
    }
}

/// Pulls until the end, or until `enough` says so; checks that positions are unbroken.
pub(crate) fn hear_until(audio: &mut Audio, mut enough: impl FnMut(&Heard) -> bool) -> Heard {
    let mut heard = Heard::default();
    let mut block = Block::new(Format::SPEECH, 4_096, Instant::now());
    while !enough(&heard) {
        let before = audio.position();
        let name = match audio.next_block(&mut block) {
            Ok(Step::Block) => {
                assert!(block.n_frames() > 0 && block.span().end == audio.position());
                assert_eq!(block.span().start, before, "blocks follow each other");
                heard.take(&block);
                "block"
            }
            Ok(Step::Format(stream)) => {
                block = Block::new(stream.format, 4_096, Instant::now());
                heard.streams.push(stream);
                "format"
            }
            Ok(Step::Gap(span, gap)) => {
                assert_eq!((span.start, span.end), (before, audio.position()));
                heard.gaps.push((span, gap));
                "gap"
            }
            Ok(Step::Metadata(metadata)) => {
                heard.titles.push(metadata);
                "title"
            }
            Ok(Step::Marker(span, marker)) => {
                heard.markers.push((span, marker));
                "marker"
            }
            Ok(Step::Wall(wall)) => {
                heard.walls.push((audio.position(), wall));
                "wall"
            }
            Ok(Step::Anchor(anchor)) => {
                heard.anchors.push((audio.position(), anchor));
                continue;
            }
            Ok(Step::Note(note)) => {
                heard.notes.push(note);
                "note"
            }
            Ok(Step::Feed(feed)) => {
                heard.feeds.push(feed);
                "feed"
            }
            Ok(Step::Endpoint) => "endpoint",
            Ok(Step::End) => break,
            Err(error) => {
                heard.error = Some(error);
                break;
            }
        };
        if heard.order.last() != Some(&name) {
            heard.order.push(name);
        }
    }
    heard
}

/// Hears whatever can be opened.
pub(crate) fn hear(audio: Result<Audio, IngestError>) -> Heard {
    match audio {
        Ok(mut audio) => hear_until(&mut audio, |_| false),
        Err(error) => Heard { error: Some(error), ..Heard::default() },
    }
}

pub(crate) fn hear_file(path: &Path) -> Heard {
    hear(Audio::from_file(path, None))
}

/// Hears bytes through a pipe that gives at most `n` of them at once.
pub(crate) fn hear_pipe(bytes: &[u8], n: usize, hint: &Hint) -> Heard {
    struct Pipe(Vec<u8>, usize, usize);
    impl Read for Pipe {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let n = self.2.min(buffer.len());
            let n = (&self.0[self.1..]).read(&mut buffer[..n])?;
            self.1 += n;
            Ok(n)
        }
    }
    hear(Audio::from_origin("pipe", Origin::Stream(Box::new(Pipe(bytes.to_vec(), 0, n))), hint))
}

/// A folder for a test's files.
pub(crate) struct Files(pub(crate) TempDir);

impl Files {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Lets ffmpeg make `name` from a chirp with `args`; answers with its bytes.
    pub(crate) fn make(&self, name: &str, args: &str) -> Vec<u8> {
        self.make_from(name, &chirp(2, 48_000, 4.0), args)
    }

    pub(crate) fn make_from(&self, name: &str, source: &str, args: &str) -> Vec<u8> {
        ffmpeg(self.0.path(), &format!("{source} {args} {name}"));
        self.read(name)
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        std::fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }

    /// What ffmpeg hears in `name` with `decoder` (empty: its own), a plane for each channel.
    pub(crate) fn reference(&self, name: &str, decoder: &str, n_channels: usize) -> Vec<Vec<f32>> {
        let bytes = ffmpeg_output(self.0.path(), &format!("{decoder} -i {name} -map 0:a:0 -f f32le pipe:1"));
        let samples: Vec<f32> =
            bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        (0..n_channels)
            .map(|channel| samples.iter().skip(channel).step_by(n_channels).copied().collect())
            .collect()
    }
}

/// Signal to noise in dB at the best alignment of up to `shift_max` frames, and that alignment: `ours` is later by it.
/// The ends, where decoders trim differently, are left out.
pub(crate) fn snr_db(ours: &[f32], reference: &[f32], shift_max: usize) -> (f64, isize) {
    let margin = shift_max + 3_000;
    let span = margin..reference.len().min(ours.len()).saturating_sub(margin);
    let noise = |shift: isize, step: usize| {
        let pairs =
            span.clone().step_by(step).map(|i| (reference[i], ours[i.checked_add_signed(shift).unwrap()]));
        pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>()
    };
    let limit = isize::try_from(shift_max).unwrap();
    let shift = (-limit..=limit).min_by(|&a, &b| noise(a, 97).total_cmp(&noise(b, 97))).unwrap();
    let signal: f64 = span.clone().map(|i| f64::from(reference[i]).powi(2)).sum();
    (10.0 * (signal / noise(shift, 1).max(1e-30)).log10(), shift)
}

/// Where the measuring material lies, when it is there.
pub(crate) fn shared_data() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    // Beside the repository, or beside the work trees.
    [root.join("../shared/data"), root.join("../../shared/data")].into_iter().find(|path| path.is_dir())
}
