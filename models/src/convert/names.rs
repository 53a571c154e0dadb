//! What a Whisper model consists of: its dimensions, and which CTranslate2 tensor becomes which GGML tensor.
//! Fused projections are split by rows; the key projection's bias, all zero in Whisper, has no place in GGML.

use std::io::{Read, Seek};
use std::ops::Range;

use super::ConvertError;
use super::ct2::{Ct2, wrong};

/// Dimensions of a model, as the GGML header states them.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) n_vocab: u32,
    pub(super) audio_context: u32,
    pub(super) audio_state: u32,
    pub(super) audio_heads: u32,
    pub(super) audio_layers: u32,
    pub(super) text_context: u32,
    pub(super) text_state: u32,
    pub(super) text_heads: u32,
    pub(super) text_layers: u32,
    pub(super) n_mels: u32,
}

/// One tensor to write.
#[derive(Debug)]
pub(super) struct Planned {
    /// GGML (OpenAI) name.
    pub(super) name: String,
    /// CTranslate2 name.
    pub(super) source: String,
    /// Its part of the source's flat values.
    pub(super) values: Range<u64>,
    /// Dimensions, outermost first.
    pub(super) dims: Vec<u32>,
}

const LAYERS_MAX: u32 = 64;

pub(super) fn shape<R: Read + Seek>(ct2: &mut Ct2<R>) -> Result<Shape, ConvertError> {
    let [n_vocab, text_state] = dims(ct2, "decoder/embeddings/weight")?;
    let [audio_context, audio_state] = dims(ct2, "encoder/position_encodings/encodings")?;
    let [text_context, _] = dims(ct2, "decoder/position_encodings/encodings")?;
    let [_, n_mels, _] = dims(ct2, "encoder/conv1/weight")?;
    let [audio_heads, text_heads] = [heads(ct2, "encoder")?, heads(ct2, "decoder")?];
    Ok(Shape {
        n_vocab: within(n_vocab, 51_864, 51_866, "decoder/embeddings/weight", "rows")?,
        audio_context: within(audio_context, 1, 1_500, "encoder/position_encodings/encodings", "rows")?,
        audio_state,
        audio_heads,
        audio_layers: layers(ct2, "encoder")?,
        text_context: within(text_context, 1, 448, "decoder/position_encodings/encodings", "rows")?,
        text_state,
        text_heads,
        text_layers: layers(ct2, "decoder")?,
        n_mels: within(n_mels, 1, 128, "encoder/conv1/weight", "columns")?,
    })
}

fn dims<const N: usize, R: Read + Seek>(ct2: &Ct2<R>, name: &str) -> Result<[u32; N], ConvertError> {
    let shape = ct2.shape(name)?;
    shape.try_into().map_err(|_| wrong(name, "rank", shape.len(), N))
}

fn within(n: u32, min: u32, max: u32, name: &str, what: &'static str) -> Result<u32, ConvertError> {
    if (min..=max).contains(&n) { Ok(n) } else { Err(wrong(name, what, n, format!("{min} to {max}"))) }
}

fn heads<R: Read + Seek>(ct2: &mut Ct2<R>, side: &str) -> Result<u32, ConvertError> {
    let name = format!("{side}/num_heads");
    let n = ct2.scalar(&name)?;
    u32::try_from(n).ok().filter(|n| (1..=64).contains(n)).ok_or_else(|| wrong(&name, "value", n, "1 to 64"))
}

fn layers<R: Read + Seek>(ct2: &Ct2<R>, side: &str) -> Result<u32, ConvertError> {
    let n = (0..LAYERS_MAX).take_while(|i| ct2.has(&format!("{side}/layer_{i}/ffn/linear_0/weight"))).count();
    let n = u32::try_from(n).unwrap_or(LAYERS_MAX);
    if n == 0 {
        Err(ConvertError::Missing { name: format!("{side}/layer_0/ffn/linear_0/weight") })
    } else {
        Ok(n)
    }
}

/// What to do with the source's values.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Every tensor of the GGML file, in the order of the reference converter.
    pub(super) tensors: Vec<Planned>,
    /// Parts that GGML has no place for, and that must be zero.
    pub(super) dropped: Vec<Planned>,
}

pub(super) fn plan<R: Read + Seek>(ct2: &Ct2<R>, shape: &Shape) -> Result<Plan, ConvertError> {
    let mut plan = Planner { ct2, plan: Plan::default() };
    plan.whole("encoder/position_encodings/encodings", "encoder.positional_embedding", 2)?;
    plan.convolution("conv1")?;
    plan.convolution("conv2")?;
    plan.norm("encoder/layer_norm", "encoder.ln_post")?;
    for i in 0..shape.audio_layers {
        plan.layer("encoder", i)?;
    }
    plan.whole("decoder/position_encodings/encodings", "decoder.positional_embedding", 2)?;
    plan.whole("decoder/embeddings/weight", "decoder.token_embedding.weight", 2)?;
    plan.norm("decoder/layer_norm", "decoder.ln")?;
    for i in 0..shape.text_layers {
        plan.layer("decoder", i)?;
    }
    Ok(plan.plan)
}

struct Planner<'a, R> {
    ct2: &'a Ct2<R>,
    plan: Plan,
}

impl<R: Read + Seek> Planner<'_, R> {
    fn layer(&mut self, side: &str, i: u32) -> Result<(), ConvertError> {
        let (src, dst) = (format!("{side}/layer_{i}"), format!("{side}.blocks.{i}"));
        let own = format!("{src}/self_attention");
        self.norm(&format!("{own}/layer_norm"), &format!("{dst}.attn_ln"))?;
        self.fused(&format!("{own}/linear_0"), &format!("{dst}.attn"), &["query", "key", "value"])?;
        self.linear(&format!("{own}/linear_1"), &format!("{dst}.attn.out"))?;
        if side == "decoder" {
            let cross = format!("{src}/attention");
            self.norm(&format!("{cross}/layer_norm"), &format!("{dst}.cross_attn_ln"))?;
            self.linear(&format!("{cross}/linear_0"), &format!("{dst}.cross_attn.query"))?;
            self.fused(&format!("{cross}/linear_1"), &format!("{dst}.cross_attn"), &["key", "value"])?;
            self.linear(&format!("{cross}/linear_2"), &format!("{dst}.cross_attn.out"))?;
        }
        self.norm(&format!("{src}/ffn/layer_norm"), &format!("{dst}.mlp_ln"))?;
        self.linear(&format!("{src}/ffn/linear_0"), &format!("{dst}.mlp.0"))?;
        self.linear(&format!("{src}/ffn/linear_1"), &format!("{dst}.mlp.2"))
    }

    /// whisper.cpp wants the bias of a convolution as a column.
    fn convolution(&mut self, name: &str) -> Result<(), ConvertError> {
        let (src, dst) = (format!("encoder/{name}"), format!("encoder.{name}"));
        self.whole(&format!("{src}/weight"), &format!("{dst}.weight"), 3)?;
        self.whole(&format!("{src}/bias"), &format!("{dst}.bias"), 1)?;
        if let Some(bias) = self.plan.tensors.last_mut() {
            bias.dims.push(1);
        }
        Ok(())
    }

    fn linear(&mut self, src: &str, dst: &str) -> Result<(), ConvertError> {
        self.whole(&format!("{src}/weight"), &format!("{dst}.weight"), 2)?;
        self.whole(&format!("{src}/bias"), &format!("{dst}.bias"), 1)
    }

    fn norm(&mut self, src: &str, dst: &str) -> Result<(), ConvertError> {
        self.whole(&format!("{src}/gamma"), &format!("{dst}.weight"), 1)?;
        self.whole(&format!("{src}/beta"), &format!("{dst}.bias"), 1)
    }

    fn fused(&mut self, src: &str, dst: &str, parts: &[&str]) -> Result<(), ConvertError> {
        for (idx, part) in parts.iter().enumerate() {
            let which = (idx, parts.len());
            let weight = self.part(&format!("{src}/weight"), format!("{dst}.{part}.weight"), 2, which)?;
            self.plan.tensors.push(weight);
            let bias = self.part(&format!("{src}/bias"), format!("{dst}.{part}.bias"), 1, which)?;
            if *part == "key" { self.plan.dropped.push(bias) } else { self.plan.tensors.push(bias) }
        }
        Ok(())
    }

    fn whole(&mut self, src: &str, dst: &str, rank: usize) -> Result<(), ConvertError> {
        let planned = self.part(src, dst.to_owned(), rank, (0, 1))?;
        self.plan.tensors.push(planned);
        Ok(())
    }

    /// Rows `idx`/`n` .. (`idx` + 1)/`n` of `src`.
    fn part(
        &self,
        src: &str,
        name: String,
        rank: usize,
        (idx, n): (usize, usize),
    ) -> Result<Planned, ConvertError> {
        let shape = self.ct2.shape(src)?;
        let (Some((rows, inner)), true) = (shape.split_first(), shape.len() == rank) else {
            return Err(wrong(src, "rank", shape.len(), rank));
        };
        if shape.contains(&0) || !(*rows as usize).is_multiple_of(n) {
            return Err(wrong(
                src,
                "shape",
                format!("{shape:?}"),
                format!("rows that {n} divides, none empty"),
            ));
        }
        let dims: Vec<u32> = std::iter::once(rows / n as u32).chain(inner.iter().copied()).collect();
        let n_values: u64 = dims.iter().map(|d| u64::from(*d)).product();
        let values = idx as u64 * n_values..(idx as u64 + 1) * n_values;
        Ok(Planned { name, source: src.to_owned(), values, dims })
    }
}
