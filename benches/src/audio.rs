//! Reads audio files for measuring: whole, decoded, planar. Not the ingest of the program.

use std::fs::File;
use std::path::Path;

use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::errors::Error;
use symphonia::core::formats::FormatOptions;
use symphonia::core::formats::probe::Hint;
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;

/// Decoded audio: one plane a channel, of equal length.
#[derive(Clone, Debug, Default)]
pub struct Audio {
    /// Hz.
    pub rate_hz: u32,
    /// Samples, nominally in [-1, 1].
    pub planes: Vec<Vec<f32>>,
}

impl Audio {
    /// Decodes the first audio track of a file. Corrupt packets are left out.
    pub fn read(path: &Path) -> Result<Self, String> {
        let failed = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
        let file = File::open(path).map_err(|e| failed(&e))?;
        let stream = MediaSourceStream::new(Box::new(file), MediaSourceStreamOptions::default());
        let mut reader = symphonia::default::get_probe()
            .probe(&Hint::new(), stream, FormatOptions::default(), MetadataOptions::default())
            .map_err(|e| failed(&e))?;
        let track = reader.tracks().iter().find_map(|track| match &track.codec_params {
            Some(CodecParameters::Audio(params)) => Some((track.id, params.clone())),
            _ => None,
        });
        let (track_id, params) = track.ok_or_else(|| failed(&"no audio track"))?;
        let mut decoder = symphonia::default::get_codecs()
            .make_audio_decoder(&params, &AudioDecoderOptions::default())
            .map_err(|e| failed(&e))?;
        let mut audio = Self::default();
        let mut planes = Vec::new();
        while let Some(packet) = reader.next_packet().map_err(|e| failed(&e))? {
            if packet.track_id != track_id {
                continue;
            }
            match decoder.decode(&packet) {
                Ok(buffer) => {
                    audio.rate_hz = buffer.spec().rate();
                    buffer.copy_to_vecs_planar::<f32>(&mut planes);
                    audio.extend(&planes);
                }
                Err(Error::DecodeError(_)) => {}
                Err(e) => return Err(failed(&e)),
            }
        }
        Ok(audio)
    }

    fn extend(&mut self, planes: &[Vec<f32>]) {
        self.planes.resize_with(planes.len(), Vec::new);
        for (plane, new) in self.planes.iter_mut().zip(planes) {
            plane.extend_from_slice(new);
        }
    }

    /// Frames of each plane.
    #[must_use]
    pub fn n_frames(&self) -> usize {
        self.planes.iter().map(Vec::len).min().unwrap_or(0)
    }

    /// Length.
    #[must_use]
    pub fn secs(&self) -> f64 {
        self.n_frames() as f64 / f64::from(self.rate_hz.max(1))
    }
}
