#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
//! A tiny synthetic CTranslate2 model goes in; a reader written apart from the writer takes the GGML file apart.

use std::collections::BTreeMap;
use std::io::Cursor;

use half::f16;

use super::{ConvertError, Format, convert};

const STATE: u32 = 32;
const N_VOCAB: u32 = 51_864;

/// One variable of the synthetic model: name, shape, data type id, bytes.
type Variable = (String, Vec<u32>, u8, Vec<u8>);

fn halves(name: &str, shape: &[u32], value: impl Fn(u32) -> f32) -> Variable {
    let n = shape.iter().product::<u32>();
    let bytes = (0..n).flat_map(|i| f16::from_f32(value(i)).to_le_bytes()).collect();
    (name.to_owned(), shape.to_vec(), 4, bytes)
}

fn linear(out: &mut Vec<Variable>, name: &str, rows: u32, columns: u32) {
    out.push(halves(&format!("{name}/weight"), &[rows, columns], |i| (i % 127) as f32 / 64.0 - 1.0));
    out.push(halves(
        &format!("{name}/bias"),
        &[rows],
        |i| if (32..64).contains(&i) { 0.0 } else { i as f32 },
    ));
}

fn norm(out: &mut Vec<Variable>, name: &str) {
    out.push(halves(&format!("{name}/gamma"), &[STATE], |i| i as f32));
    out.push(halves(&format!("{name}/beta"), &[STATE], |_| 0.5));
}

fn layer(out: &mut Vec<Variable>, side: &str) {
    let prefix = format!("{side}/layer_0");
    norm(out, &format!("{prefix}/self_attention/layer_norm"));
    linear(out, &format!("{prefix}/self_attention/linear_0"), 3 * STATE, STATE);
    linear(out, &format!("{prefix}/self_attention/linear_1"), STATE, STATE);
    if side == "decoder" {
        norm(out, &format!("{prefix}/attention/layer_norm"));
        linear(out, &format!("{prefix}/attention/linear_0"), STATE, STATE);
        out.push(halves(&format!("{prefix}/attention/linear_1/weight"), &[2 * STATE, STATE], |i| i as f32));
        out.push(halves(&format!("{prefix}/attention/linear_1/bias"), &[2 * STATE], |i| {
            if i < STATE { 0.0 } else { i as f32 }
        }));
        linear(out, &format!("{prefix}/attention/linear_2"), STATE, STATE);
    }
    norm(out, &format!("{prefix}/ffn/layer_norm"));
    linear(out, &format!("{prefix}/ffn/linear_0"), 4 * STATE, STATE);
    linear(out, &format!("{prefix}/ffn/linear_1"), STATE, 4 * STATE);
}

fn variables() -> Vec<Variable> {
    let mut out = Vec::new();
    for side in ["encoder", "decoder"] {
        out.push((format!("{side}/num_heads"), vec![], 2, vec![2, 0]));
        out.push(halves(&format!("{side}/position_encodings/encodings"), &[20, STATE], |i| i as f32));
        norm(&mut out, &format!("{side}/layer_norm"));
        layer(&mut out, side);
    }
    for (name, columns) in [("encoder/conv1", 80), ("encoder/conv2", STATE)] {
        out.push(halves(&format!("{name}/weight"), &[STATE, columns, 3], |i| i as f32));
        out.push(halves(&format!("{name}/bias"), &[STATE], |i| i as f32));
    }
    out.push(halves("decoder/embeddings/weight", &[N_VOCAB, STATE], |i| (i % 64) as f32 / 32.0));
    out
}

fn string(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u16 + 1).to_le_bytes());
    out.extend(text.as_bytes());
    out.push(0);
}

fn ct2(variables: &[Variable]) -> Vec<u8> {
    let mut out = 6_u32.to_le_bytes().to_vec();
    string(&mut out, "WhisperSpec");
    out.extend(3_u32.to_le_bytes());
    out.extend((variables.len() as u32).to_le_bytes());
    for (name, shape, dtype, bytes) in variables {
        string(&mut out, name);
        out.push(shape.len() as u8);
        shape.iter().for_each(|d| out.extend(d.to_le_bytes()));
        out.push(*dtype);
        out.extend((bytes.len() as u32).to_le_bytes());
        out.extend(bytes);
    }
    out.extend(1_u32.to_le_bytes());
    string(&mut out, "decoder/projection/weight");
    string(&mut out, "decoder/embeddings/weight");
    out
}

fn vocabulary() -> String {
    let mut text = "Ġhé\n".to_owned();
    text.push_str(&"a\n".repeat(50_255));
    text + "<|endoftext|>\n<|startoftranscript|>\n"
}

/// A model that converts, and its vocabulary.
pub(crate) fn synthetic() -> (Vec<u8>, String) {
    (ct2(&variables()), vocabulary())
}

fn converted(model: &[u8], format: Format) -> Result<Vec<u8>, ConvertError> {
    let mut out = Vec::new();
    convert(Cursor::new(model), vocabulary().as_bytes(), format, &mut out)?;
    Ok(out)
}

/// A GGML file taken apart: header numbers, tokens, and per tensor its dimensions, type and bytes.
struct Ggml {
    header: Vec<u32>,
    tokens: Vec<Vec<u8>>,
    tensors: BTreeMap<String, (Vec<u32>, u32, Vec<u8>)>,
}

fn take<'a>(bytes: &mut &'a [u8], n: usize) -> &'a [u8] {
    let (head, tail) = bytes.split_at(n);
    *bytes = tail;
    head
}

fn take_u32(bytes: &mut &[u8]) -> u32 {
    u32::from_le_bytes(take(bytes, 4).try_into().unwrap())
}

fn parsed(mut bytes: &[u8]) -> Ggml {
    let bytes = &mut bytes;
    let header = (0..12).map(|_| take_u32(bytes)).collect();
    let (n_mels, n_bins) = (take_u32(bytes), take_u32(bytes));
    assert_eq!((n_mels, n_bins), (80, 201));
    take(bytes, 80 * 201 * 4);
    let n_tokens = take_u32(bytes);
    let mut token = || {
        let n = take_u32(bytes) as usize;
        take(bytes, n).to_vec()
    };
    let tokens = (0..n_tokens).map(|_| token()).collect();
    let mut tensors = BTreeMap::new();
    while !bytes.is_empty() {
        let (rank, n_name, kind) = (take_u32(bytes), take_u32(bytes), take_u32(bytes));
        let dims: Vec<u32> = (0..rank).map(|_| take_u32(bytes)).collect();
        let name = String::from_utf8(take(bytes, n_name as usize).to_vec()).unwrap();
        let n = dims.iter().product::<u32>() as usize;
        let n_bytes = match kind {
            0 => n * 4,
            1 => n * 2,
            8 => n / 32 * 34,
            other => panic!("type {other}"),
        };
        tensors.insert(name, (dims, kind, take(bytes, n_bytes).to_vec()));
    }
    Ggml { header, tokens, tensors }
}

#[test]
fn header_states_the_dimensions_and_the_format() {
    let model = ct2(&variables());
    let expected = [0x6767_6d6c, N_VOCAB, 20, STATE, 2, 1, 20, STATE, 2, 1, 80];
    for (format, ftype) in [(Format::F16, 1), (Format::Q8_0, 2_007)] {
        let ggml = parsed(&converted(&model, format).unwrap());
        assert_eq!(ggml.header[..11], expected);
        assert_eq!(ggml.header[11], ftype);
    }
}

#[test]
fn tokens_are_bytes_again() {
    let ggml = parsed(&converted(&ct2(&variables()), Format::F16).unwrap());
    assert_eq!(ggml.tokens.len(), 50_256);
    assert_eq!(ggml.tokens[0], [b' ', b'h', 0xe9]);
    assert_eq!(ggml.tokens[1], b"a");
}

#[test]
fn fused_projections_are_split_and_vectors_are_f32() {
    let ggml = parsed(&converted(&ct2(&variables()), Format::F16).unwrap());
    // 10 + 15 encoder and 24 decoder layer tensors, as whisper.cpp counts them: 5 + 4 ends, 2 + 2 norms counted there
    assert_eq!(ggml.tensors.len(), 1 + 4 + 2 + 15 + 2 + 2 + 24);
    let (dims, kind, bytes) = &ggml.tensors["decoder.blocks.0.cross_attn.value.weight"];
    assert_eq!((dims.as_slice(), *kind), (&[32, 32][..], 1));
    assert_eq!(bytes[..2], f16::from_f32(1_024.0).to_le_bytes());
    let (dims, kind, bytes) = &ggml.tensors["decoder.blocks.0.cross_attn.value.bias"];
    assert_eq!((dims.as_slice(), *kind), (&[32][..], 0));
    assert_eq!(bytes[..4], 32.0_f32.to_le_bytes());
    assert!(!ggml.tensors.contains_key("decoder.blocks.0.cross_attn.key.bias"));
    assert_eq!(ggml.tensors["encoder.conv1.bias"].0, [1, 32]);
    assert_eq!(ggml.tensors["encoder.conv1.weight"].0, [3, 80, 32]);
}

#[test]
fn q8_0_quantises_matrices_and_nothing_else() {
    let ggml = parsed(&converted(&ct2(&variables()), Format::Q8_0).unwrap());
    for (name, (dims, kind, _)) in &ggml.tensors {
        let matrix = dims.len() == 2 && dims[0] > 1 && !name.ends_with("positional_embedding");
        assert_eq!(*kind == 8, matrix, "{name} {dims:?} has type {kind}");
    }
    // One row is i / 32 for i in 0..32: amax 31/32, so d = 31/32/127 and q = round(i/32 * 1/d)
    let bytes = &ggml.tensors["decoder.token_embedding.weight"].2;
    let scale = 31.0_f32 / 32.0 / 127.0;
    assert_eq!(bytes[..2], f16::from_f32(scale).to_le_bytes());
    for (i, q) in bytes[2..34].iter().enumerate() {
        assert_eq!(f32::from(q.cast_signed()), (i as f32 / 32.0 / scale).round());
    }
}

#[test]
fn a_cut_model_is_an_error_at_every_length() {
    let model = ct2(&variables());
    let mut cuts: Vec<usize> = (0..400).collect();
    cuts.extend((400..model.len()).step_by(model.len() / 200));
    for cut in cuts {
        let error = converted(&model[..cut], Format::F16).expect_err("cut model");
        assert!(
            matches!(error, ConvertError::Length { actual, .. } if actual == cut as u64),
            "{cut}: {error}"
        );
    }
}

/// Flips bytes of names, shapes, types and lengths: an error or a file, never a panic.
#[test]
fn altered_indexes_never_panic() {
    let model = ct2(&variables());
    let index_end = 3_000;
    for place in (0..index_end).step_by(13).chain(model.len() - 80..model.len()) {
        let mut altered = model.clone();
        altered[place] ^= 0xa5_u8.rotate_left(place as u32 % 8);
        drop(converted(&altered, Format::Q8_0));
    }
}

fn check(change: impl Fn(&mut Vec<Variable>), expected: &str) {
    let mut variables = variables();
    change(&mut variables);
    assert_eq!(converted(&ct2(&variables), Format::Q8_0).expect_err(expected).to_string(), expected);
}

#[test]
fn what_is_wrong_is_named() {
    check(|v| v.retain(|v| v.0 != "encoder/conv2/bias"), "tensor encoder/conv2/bias is missing");
    check(
        |v| v.iter_mut().find(|v| v.0 == "encoder/num_heads").unwrap().3 = vec![0xff, 0xff],
        "tensor encoder/num_heads: value is -1, expected 1 to 64",
    );
    check(
        |v| *v.last_mut().unwrap() = halves("decoder/embeddings/weight", &[N_VOCAB, 31], |_| 0.0),
        "tensor decoder/embeddings/weight: columns is 31, expected a multiple of 32",
    );
    check(
        |v| v.iter_mut().find(|v| v.0 == "decoder/layer_0/attention/linear_1/bias").unwrap().3[0] = 1,
        "tensor decoder/layer_0/attention/linear_1/bias: bias of the keys is 0.000000059604645, expected 0",
    );
    let error = convert(Cursor::new(ct2(&variables())), &b"a\nb"[..], Format::F16, &mut Vec::new());
    assert_eq!(error.unwrap_err().to_string(), "vocabulary line 3: \"\", expected <|endoftext|>");
    let error = convert(Cursor::new(b"\x07\0\0\0"), &b""[..], Format::F16, &mut Vec::new());
    assert_eq!(error.unwrap_err().to_string(), "model header: version is 7, expected 6");
}
