//! Which track of a container is decoded, and with what. Reads no packets.

use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::well_known::*;
use symphonia::core::codecs::audio::{AudioCodecId, AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error;
use symphonia::core::formats::{FormatReader, Track as ContainerTrack, TrackType};
use symphonia::core::packet::{Packet, PacketRef};
use symphonia::core::units::{Duration, TimeBase};

use super::opus::{self, OpusStream};
use super::planes::Planes;

/// A track that is being decoded.
pub(super) struct Track {
    /// As packets name it.
    pub(super) id: u32,
    /// Name of the codec, such as `mp3`.
    pub(super) codec: &'static str,
    /// Something that the listener should know about the quality of what is decoded.
    pub(super) note: Option<String>,
    /// Length of a tick of the packets' times.
    time_base: Option<TimeBase>,
    /// Length in ticks by the container's header.
    duration: Option<u64>,
    params: AudioCodecParameters,
    decoder: Decoder,
    /// Frames that were cut off as an encoder's padding at the end.
    padding_frames: u64,
}

/// Longest padding that an encoder of MPEG audio can declare (LAME tag: 12 bits) and the packet that it is in. A file
/// that goes on after it has several parts, each with a tag of its own: the end of the first is not the end.
const PADDING_MAX: u64 = 4_095 + 1_152;

enum Decoder {
    Symphonia(Box<dyn AudioDecoder>),
    Opus(Box<OpusStream>),
}

/// Why a packet gave no frames.
pub(super) enum PacketError {
    /// It is corrupt; the next may be fine.
    Corrupt(String),
    /// The decoder must be made anew.
    Reset,
}

impl Track {
    /// The first audio track that can be decoded; otherwise, what keeps the first one from it.
    pub(super) fn choose(reader: &dyn FormatReader) -> Result<Self, String> {
        let mut failure = None;
        let audio = reader.tracks().iter().filter(|track| track.track_type() != Some(TrackType::Video));
        for track in audio {
            let Some(CodecParameters::Audio(params)) = &track.codec_params else { continue };
            match Self::build(track, params) {
                Ok(track) => return Ok(track),
                Err(what) => {
                    failure.get_or_insert(what);
                }
            }
        }
        Err(failure.unwrap_or_else(|| {
            if reader.tracks().iter().any(|track| track.codec_params.is_none()) {
                "no audio track of a codec that is known".into()
            } else {
                "no audio track in it".into()
            }
        }))
    }

    fn build(track: &ContainerTrack, params: &AudioCodecParameters) -> Result<Self, String> {
        let (params, note) = low_half(params);
        let (decoder, codec) = make(&params)?;
        let n_channels = params.channels.as_ref().map_or(0, |channels| channels.count());
        // Symphonia 0.6.1 undoes several channel couplings in the wrong order (Vorbis I, 4.3.5).
        let mixed = (params.codec == CODEC_ID_VORBIS && n_channels > 2)
            .then(|| format!("vorbis with {n_channels} channels: coupled channels are mixed up in decoding"));
        Ok(Self {
            id: track.id,
            codec,
            note: note.or(mixed),
            time_base: track.time_base,
            duration: track.duration.map(|ticks| ticks.get()).filter(|&ticks| ticks > 0),
            params,
            decoder,
            padding_frames: 0,
        })
    }

    /// Takes over the decoder of `before`, with what it remembers, where that decodes the same.
    pub(super) fn go_on(&mut self, before: &mut Self) {
        let like = |track: &Self| {
            let params = &track.params;
            (params.codec, params.sample_rate, params.extra_data.clone(), track.n_channels())
        };
        if like(self) == like(before) {
            std::mem::swap(&mut self.decoder, &mut before.decoder);
        }
    }

    /// Makes the decoder anew, after errors or a change inside the stream.
    pub(super) fn renew(&mut self) -> Result<(), String> {
        (self.decoder, _) = make(&self.params)?;
        Ok(())
    }

    /// Channels that the container states. The decoder has the last word.
    pub(super) fn n_channels(&self) -> Option<usize> {
        self.params.channels.as_ref().map(|channels| channels.count())
    }

    /// Rate that the container states, Hz. The decoder has the last word.
    pub(super) fn rate_hz(&self) -> Option<u32> {
        self.params.sample_rate.filter(|&rate| rate > 0)
    }

    /// Frames of `ticks` at `rate_hz`.
    pub(super) fn frames(&self, ticks: i64, rate_hz: u32) -> i64 {
        let Some(TimeBase { numer, denom }) = self.time_base else { return 0 };
        let scaled = i128::from(ticks) * i128::from(numer.get()) * i128::from(rate_hz);
        i64::try_from(scaled / i128::from(denom.get())).unwrap_or(0)
    }

    /// Whole length by the header, frames at `rate_hz`.
    pub(super) fn promised(&self, rate_hz: u32) -> Option<u64> {
        let ticks = i64::try_from(self.duration?).ok()?;
        u64::try_from(self.frames(ticks, rate_hz)).ok()
    }

    /// Frames in `n_bytes` of uncompressed audio. `None`: it is compressed.
    pub(super) fn pcm_frames(&self, n_bytes: u64) -> Option<u64> {
        let bits = u64::from(self.params.bits_per_coded_sample?);
        let n_channels = self.params.channels.as_ref()?.count() as u64;
        n_bytes.checked_div(bits.div_ceil(8) * n_channels)
    }

    /// Decodes a packet into `planes`; answers with rate (Hz) and channels.
    pub(super) fn decode(
        &mut self,
        packet: &Packet,
        planes: &mut Planes,
    ) -> Result<(u32, usize), PacketError> {
        match &mut self.decoder {
            Decoder::Opus(stream) => {
                stream.decode(&packet.data, planes).map_err(|what| PacketError::Corrupt(what.into()))?;
                let trim = usize::try_from(packet.trim_end.get()).unwrap_or(usize::MAX);
                planes.trim(0, trim);
                Ok((opus::RATE_HZ, stream.n_channels()))
            }
            Decoder::Symphonia(decoder) => match decoder.decode_ref(&whole(packet, &mut self.padding_frames))
            {
                Ok(buffer) => {
                    planes.fill_from(&buffer);
                    Ok((buffer.spec().rate(), buffer.num_planes()))
                }
                Err(Error::ResetRequired) => Err(PacketError::Reset),
                Err(error) => Err(PacketError::Corrupt(error.to_string())),
            },
        }
    }
}

/// A packet without the trimming of its end, when more was trimmed than a padding can be.
fn whole<'a>(packet: &'a Packet, padding_frames: &mut u64) -> PacketRef<'a> {
    let mut packet = packet.as_packet_ref();
    *padding_frames = padding_frames.saturating_add(packet.trim_end.get());
    if *padding_frames > PADDING_MAX {
        packet.trim_end = Duration::ZERO;
    }
    packet
}

fn make(params: &AudioCodecParameters) -> Result<(Decoder, &'static str), String> {
    if params.codec == CODEC_ID_OPUS {
        let header = params.extra_data.as_deref().ok_or("opus without its header")?;
        return Ok((Decoder::Opus(Box::new(OpusStream::new(header)?)), "opus"));
    }
    let n_channels = params.channels.as_ref().map_or(0, |channels| channels.count());
    if params.codec == CODEC_ID_AAC && n_channels > 2 {
        return Err(format!("aac with {n_channels} channels, expected 1 or 2"));
    }
    match symphonia::default::get_codecs().make_audio_decoder(params, &AudioDecoderOptions::default()) {
        Ok(decoder) => {
            let name = decoder.codec_info().short_name;
            Ok((Decoder::Symphonia(decoder), name))
        }
        Err(error) if is_known(params.codec) => {
            Err(format!("{} of a kind that cannot be decoded: {error}", name(params.codec)))
        }
        Err(_) => {
            Err(format!("{} audio, expected pcm, flac, alac, mp3, aac, vorbis or opus", name(params.codec)))
        }
    }
}

fn is_known(codec: AudioCodecId) -> bool {
    symphonia::default::get_codecs().get_audio_decoder(codec).is_some()
}

fn name(codec: AudioCodecId) -> &'static str {
    match codec {
        CODEC_ID_AAC => "aac",
        CODEC_ID_AC3 => "ac-3",
        CODEC_ID_EAC3 => "e-ac-3",
        CODEC_ID_AC4 => "ac-4",
        CODEC_ID_DCA => "dts",
        CODEC_ID_TRUEHD => "truehd",
        CODEC_ID_SPEEX => "speex",
        CODEC_ID_MUSEPACK => "musepack",
        CODEC_ID_WAVPACK => "wavpack",
        CODEC_ID_WMA => "wma",
        CODEC_ID_TTA => "tta",
        CODEC_ID_ADPCM_G722 => "g.722",
        CODEC_ID_ADPCM_G726 | CODEC_ID_ADPCM_G726LE => "g.726",
        CODEC_ID_FLAC => "flac",
        CODEC_ID_ALAC => "alac",
        CODEC_ID_VORBIS => "vorbis",
        CODEC_ID_MP1 | CODEC_ID_MP2 | CODEC_ID_MP3 => "mpeg",
        _ => "an unknown kind of",
    }
}

/// HE-AAC is AAC-LC for the lower half of the spectrum, and instructions (SBR) to guess the upper one. Symphonia
/// refuses it where it is declared, so the declaration is rewritten to what can be decoded (ISO/IEC 14496-3, 1.6.2.1).
fn low_half(params: &AudioCodecParameters) -> (AudioCodecParameters, Option<String>) {
    let mut params = params.clone();
    if params.codec != CODEC_ID_AAC {
        return (params, None);
    }
    let rate = params.sample_rate.unwrap_or(0);
    let Some(config) = params.extra_data.as_deref() else {
        let note =
            format!("aac at {rate} Hz without a declaration: were it HE-AAC, only its lower half is decoded");
        return (params, (rate <= 24_000).then_some(note));
    };
    match declared_sbr(config) {
        Sbr::None => (params, None),
        Sbr::Implied => (params, Some(HALF.into())),
        Sbr::Declared(plain) => {
            params.extra_data = Some(plain.into());
            params.profile = None;
            (params, Some(HALF.into()))
        }
    }
}

const HALF: &str = "HE-AAC: only the lower half of its spectrum is decoded";

#[derive(Debug, PartialEq, Eq)]
enum Sbr {
    None,
    /// Declared so that a plain decoder need not know (object type 2 with an extension after it).
    Implied,
    /// Declared first; the plain declaration instead.
    Declared([u8; 2]),
}

fn declared_sbr(config: &[u8]) -> Sbr {
    let mut bytes = [0; 8];
    for (target, &byte) in bytes.iter_mut().zip(config) {
        *target = byte;
    }
    let bits = u64::from_be_bytes(bytes);
    let field = |start: u32, n: u32| (bits << start) >> (64 - n);
    let (object, rate, channels) = (field(0, 5), field(5, 4), field(9, 4));
    match object {
        5 | 29 if rate < 15 => {
            let plain = (2 << 11) | (rate << 7) | (channels << 3);
            Sbr::Declared((plain as u16).to_be_bytes())
        }
        2 if field(16, 11) == 0x2b7 && field(32, 1) == 1 => Sbr::Implied,
        _ => Sbr::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declarations_of_he_aac_are_rewritten_to_their_lower_half() {
        // What ffmpeg and fdk-aac write: LC 44.1 kHz stereo; HE 22.05 kHz; HE-v2; LC with an SBR extension after it.
        assert_eq!(declared_sbr(&[0x12, 0x10]), Sbr::None);
        assert_eq!(declared_sbr(&[0x2b, 0x92, 0x08, 0x00]), Sbr::Declared([0x13, 0x90]));
        assert_eq!(declared_sbr(&[0xeb, 0x8a, 0x08, 0x00]), Sbr::Declared([0x13, 0x88]));
        assert_eq!(declared_sbr(&[0x13, 0x90, 0x56, 0xe5, 0xa0]), Sbr::Implied);
        assert_eq!(declared_sbr(&[]), Sbr::None);
    }
}
