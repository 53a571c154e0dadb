//! Converts the weights of a CTranslate2 Whisper model (`model.bin` and `vocabulary.txt`) to a GGML file that
//! whisper.cpp opens. Streaming: a few hundred KiB of memory whatever the model. Not a trainer, not an optimiser:
//! `f16` is bit-exact, `q8_0` rounds exactly as ggml does.

mod ct2;
mod ggml;
mod mel;
mod names;
mod vocabulary;

use std::io::{self, Read, Seek, Write};

use serde::Deserialize;
use thiserror::Error;

use ct2::Ct2;
use names::Planned;

/// How the big matrices are stored in the GGML file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Format {
    /// Half-precision floats, as in the source.
    #[serde(rename = "f16")]
    F16,
    /// Blocks of 32 signed bytes with one half-precision scale.
    #[serde(rename = "q8_0")]
    Q8_0,
}

/// Why weights could not be converted.
#[derive(Debug, Error)]
pub enum ConvertError {
    /// The source could not be read or the output not written.
    #[error("converting weights: {0}")]
    Io(#[from] io::Error),
    /// The file is not a CTranslate2 Whisper model of a known version.
    #[error("model header: {what} is {actual}, expected {expected}")]
    Header {
        /// Which field.
        what: &'static str,
        /// Value found.
        actual: String,
        /// Value or range expected.
        expected: String,
    },
    /// The file ends too early, or goes on after its last entry.
    #[error("model of {actual} bytes, expected {expected}")]
    Length {
        /// Bytes in the file.
        actual: u64,
        /// Bytes that its own index calls for.
        expected: u64,
    },
    /// A tensor that a Whisper model must have is not there.
    #[error("tensor {name} is missing")]
    Missing {
        /// CTranslate2 name.
        name: String,
    },
    /// A tensor is not what a Whisper model has under that name.
    #[error("tensor {name}: {what} is {actual}, expected {expected}")]
    Tensor {
        /// CTranslate2 name.
        name: String,
        /// Which property.
        what: &'static str,
        /// Value found.
        actual: String,
        /// Value or range expected.
        expected: String,
    },
    /// The vocabulary does not fit the model.
    #[error("vocabulary line {line}: {actual:?}, expected {expected}")]
    Vocabulary {
        /// Line number from 1.
        line: usize,
        /// Text found, shortened.
        actual: String,
        /// What a Whisper vocabulary has there.
        expected: &'static str,
    },
}

/// Converts `model` (CTranslate2 `model.bin`) and `vocabulary` (`vocabulary.txt`) to a GGML file in `out`.
///
/// Output is written front to back in pieces of at most 64 KiB; on an error what was written is not a model.
pub fn convert<M, V, W>(model: M, vocabulary: V, format: Format, out: &mut W) -> Result<(), ConvertError>
where
    M: Read + Seek,
    V: Read,
    W: Write,
{
    let mut ct2 = Ct2::open(model)?;
    let shape = names::shape(&mut ct2)?;
    let tokens = vocabulary::read(vocabulary, shape.n_vocab)?;
    let plan = names::plan(&ct2, &shape)?;
    for dropped in &plan.dropped {
        expect_zero(&mut ct2, dropped)?;
    }
    ggml::write_header(out, &shape, format)?;
    ggml::write_mel(out, shape.n_mels)?;
    ggml::write_vocabulary(out, &tokens)?;
    for planned in &plan.tensors {
        write_tensor(&mut ct2, planned, format, out)?;
    }
    Ok(())
}

/// Values converted at once; a multiple of ggml's block of 32.
const STRIDE: usize = 16_384;

fn write_tensor<M: Read + Seek>(
    ct2: &mut Ct2<M>,
    planned: &Planned,
    format: Format,
    out: &mut impl Write,
) -> Result<(), ConvertError> {
    let encoding = ggml::encoding(planned, format)?;
    ggml::write_tensor_header(out, planned, encoding)?;
    let mut encoded = Vec::with_capacity(STRIDE * size_of::<f32>());
    ct2.for_values(&planned.source, planned.values.clone(), STRIDE, &mut |values| {
        encoded.clear();
        encoding.encode(values, &mut encoded);
        out.write_all(&encoded).map_err(ConvertError::Io)
    })
}

fn expect_zero<M: Read + Seek>(ct2: &mut Ct2<M>, dropped: &Planned) -> Result<(), ConvertError> {
    ct2.for_values(&dropped.source, dropped.values.clone(), STRIDE, &mut |values| match values
        .iter()
        .find(|v| **v != 0.0)
    {
        Some(v) => Err(ct2::wrong(&dropped.source, "bias of the keys", v, "0")),
        None => Ok(()),
    })
}

#[cfg(test)]
pub(crate) mod tests;
