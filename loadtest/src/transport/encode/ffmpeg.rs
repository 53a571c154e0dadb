//! Runs ffmpeg, and cuts what it makes into frames. Keeps nothing.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Stdio};

use bytes::Bytes;

use super::ogg;
use super::shape::{Container, Shape};
use crate::failure::Failure;

/// An encoded stream, taken apart.
pub(super) struct Frames {
    /// What goes before the first frame.
    pub(super) heads: Vec<Bytes>,
    pub(super) frames: Vec<Bytes>,
}

/// What ffmpeg makes of `samples` of 16 bits, mono, at `rate_hz`. `scratch` is the path of a file that nobody else writes to.
pub(super) fn encoded(
    samples: &[u8],
    rate_hz: u32,
    shape: &Shape,
    scratch: &Path,
) -> Result<Vec<u8>, Failure> {
    let tried = format!("write {}", scratch.display());
    fs::write(scratch, samples).map_err(|error| Failure::runtime(&tried, error))?;
    let output = command(rate_hz, shape, scratch).output();
    // It was ours alone, and is made anew where it is missing.
    let _removed = fs::remove_file(scratch);
    let output = output.map_err(|error| match error.kind() {
        ErrorKind::NotFound => Failure::Runtime("ffmpeg is not installed: run `make setup`".into()),
        _ => Failure::runtime("run ffmpeg", error),
    })?;
    if !output.status.success() {
        return Err(Failure::runtime("run ffmpeg", String::from_utf8_lossy(&output.stderr)));
    }
    Ok(output.stdout)
}

fn command(rate_hz: u32, shape: &Shape, scratch: &Path) -> Command {
    // The encoder's delay is left out of its input, so that what is decoded is not late.
    let Shape { hz, delay, gain_db, .. } = shape;
    let gain = if *gain_db == 0 { String::new() } else { format!(",volume={gain_db}dB") };
    let filter = format!("aresample={hz},atrim=start_sample={delay}{gain}");
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "error", "-f", "s16le", "-ac", "1", "-ar", &rate_hz.to_string(), "-i"]);
    command.arg(scratch).args(["-af", &filter, "-ac", &shape.n_channels.to_string()]);
    command.args(["-flags", "+bitexact", "-fflags", "+bitexact"]).args(&shape.options);
    command.args(["-f", shape.container.name(), "pipe:1"]).stdin(Stdio::null());
    command
}

/// Takes a stream apart. `None`: it is not whole.
pub(super) fn frames(stream: &Bytes, container: Container) -> Option<Frames> {
    match container {
        Container::Mp3 { frame_bytes } => {
            let frames = even(stream, frame_bytes);
            let is_whole =
                frames.iter().all(|frame| frame.len() == frame_bytes && frame.starts_with(&[0xff]));
            is_whole.then_some(Frames { heads: Vec::new(), frames })
        }
        Container::Adts => adts(stream).map(|frames| Frames { heads: Vec::new(), frames }),
        Container::Ogg => {
            let mut heads = ogg::packets(stream)?;
            let frames = (heads.len() > 2).then(|| heads.split_off(2))?;
            Some(Frames { heads, frames })
        }
    }
}

fn even(stream: &Bytes, frame_bytes: usize) -> Vec<Bytes> {
    let starts = (0..stream.len()).step_by(frame_bytes.max(1));
    starts.map(|start| stream.slice(start..stream.len().min(start + frame_bytes))).collect()
}

/// ISO/IEC 14496-3, 1.A.2.2: each frame says how many bytes it has, its header included.
fn adts(stream: &Bytes) -> Option<Vec<Bytes>> {
    let (mut frames, mut rest) = (Vec::new(), stream.clone());
    while !rest.is_empty() {
        let [sync, _, _, high, middle, low] = *rest.first_chunk::<6>()?;
        let n_bytes = usize::from(high & 3) << 11 | usize::from(middle) << 3 | usize::from(low) >> 5;
        if sync != 0xff || n_bytes < 7 || n_bytes > rest.len() {
            return None;
        }
        frames.push(rest.split_to(n_bytes));
    }
    Some(frames)
}
