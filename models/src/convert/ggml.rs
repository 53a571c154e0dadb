//! Writes the parts of a GGML Whisper file (whisper.cpp, `models/convert-pt-to-ggml.py` and `examples/quantize`).

use std::io::{self, Write};

use half::f16;

use super::names::{Planned, Shape};
use super::{ConvertError, Format, ct2::wrong, mel};

const MAGIC: u32 = 0x6767_6d6c; // "ggml"
/// Header types: `GGML_FTYPE_MOSTLY_F16`, and `GGML_QNT_VERSION` 2 x 1000 + `GGML_FTYPE_MOSTLY_Q8_0`.
const FTYPE_F16: u32 = 1;
const FTYPE_Q8_0: u32 = 2_007;
/// `QK8_0`: values that share one scale.
const BLOCK: usize = 32;

/// How the values of one tensor are stored: a `ggml_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    F32 = 0,
    F16 = 1,
    Q8_0 = 8,
}

/// Vectors and positional embeddings stay f32, convolutions f16, matrices follow `format`.
pub(super) fn encoding(planned: &Planned, format: Format) -> Result<Encoding, ConvertError> {
    let Some(columns) = planned.dims.get(1).filter(|c| **c > 1) else { return Ok(Encoding::F32) };
    if planned.name.ends_with("positional_embedding") {
        return Ok(Encoding::F32);
    }
    if format == Format::F16 || planned.dims.len() != 2 {
        return Ok(Encoding::F16);
    }
    if (*columns as usize).is_multiple_of(BLOCK) {
        Ok(Encoding::Q8_0)
    } else {
        Err(wrong(&planned.source, "columns", columns, format!("a multiple of {BLOCK}")))
    }
}

impl Encoding {
    /// Appends `values` (for `Q8_0` whole blocks) to `out`.
    pub(super) fn encode(self, values: &[f32], out: &mut Vec<u8>) {
        match self {
            Self::F32 => out.extend(values.iter().flat_map(|v| v.to_le_bytes())),
            Self::F16 => out.extend(values.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes())),
            Self::Q8_0 => values.as_chunks::<BLOCK>().0.iter().for_each(|block| quantise(block, out)),
        }
    }
}

/// `quantize_row_q8_0_ref` of ggml-quants.c, on values that went through f16 as they do there.
fn quantise(block: &[f32; BLOCK], out: &mut Vec<u8>) {
    let values = block.map(|v| f16::from_f32(v).to_f32());
    let scale = values.iter().fold(0.0_f32, |max, v| max.max(v.abs())) / 127.0;
    let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
    out.extend(f16::from_f32(scale).to_le_bytes());
    out.extend(values.map(|v| ((v * inverse).round() as i8).cast_unsigned()));
}

pub(super) fn write_header(out: &mut impl Write, shape: &Shape, format: Format) -> io::Result<()> {
    let ftype = match format {
        Format::F16 => FTYPE_F16,
        Format::Q8_0 => FTYPE_Q8_0,
    };
    write_u32s(out, &[MAGIC, shape.n_vocab, shape.audio_context, shape.audio_state, shape.audio_heads])?;
    write_u32s(out, &[shape.audio_layers, shape.text_context, shape.text_state, shape.text_heads])?;
    write_u32s(out, &[shape.text_layers, shape.n_mels, ftype])
}

pub(super) fn write_mel(out: &mut impl Write, n_mels: u32) -> io::Result<()> {
    write_u32s(out, &[n_mels, mel::N_BINS as u32])?;
    let filters = mel::filters(n_mels as usize);
    let bytes: Vec<u8> = filters.iter().flat_map(|w| w.to_le_bytes()).collect();
    out.write_all(&bytes)
}

pub(super) fn write_vocabulary(out: &mut impl Write, tokens: &[Vec<u8>]) -> io::Result<()> {
    write_u32s(out, &[tokens.len() as u32])?;
    for token in tokens {
        write_u32s(out, &[token.len() as u32])?;
        out.write_all(token)?;
    }
    Ok(())
}

/// Dimensions go innermost first.
pub(super) fn write_tensor_header(
    out: &mut impl Write,
    planned: &Planned,
    encoding: Encoding,
) -> io::Result<()> {
    write_u32s(out, &[planned.dims.len() as u32, planned.name.len() as u32, encoding as u32])?;
    for dim in planned.dims.iter().rev() {
        write_u32s(out, &[*dim])?;
    }
    out.write_all(planned.name.as_bytes())
}

fn write_u32s(out: &mut impl Write, values: &[u32]) -> io::Result<()> {
    values.iter().try_for_each(|v| out.write_all(&v.to_le_bytes()))
}
