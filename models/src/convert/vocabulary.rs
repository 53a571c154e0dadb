//! Reads `vocabulary.txt`: one token a line, bytes written as GPT-2's printable characters.

use std::io::Read;

use super::ConvertError;

/// Whisper's vocabularies have under 0.5 MB.
const BYTES_MAX: u64 = 4 << 20;
const END: &str = "<|endoftext|>";

/// Bytes of the text tokens by id, up to `<|endoftext|>`; the special ones after it are made by whisper.cpp.
pub(super) fn read(file: impl Read, n_vocab: u32) -> Result<Vec<Vec<u8>>, ConvertError> {
    let mut text = String::new();
    file.take(BYTES_MAX).read_to_string(&mut text)?;
    let n_text = if n_vocab >= 51_865 { 50_257 } else { 50_256 };
    let undo = byte_of_char();
    let mut tokens = Vec::with_capacity(n_text);
    let mut lines = text.split('\n').enumerate();
    for (idx, line) in lines.by_ref().take(n_text) {
        let bytes: Option<Vec<u8>> = line.chars().map(|c| undo.get(c as usize).copied().flatten()).collect();
        tokens.push(bytes.ok_or_else(|| wrong(idx, line, "only characters that stand for bytes"))?);
    }
    match lines.next() {
        Some((_, END)) => Ok(tokens),
        Some((idx, line)) => Err(wrong(idx, line, END)),
        None => Err(wrong(tokens.len(), "", END)),
    }
}

fn wrong(line_idx: usize, line: &str, expected: &'static str) -> ConvertError {
    ConvertError::Vocabulary { line: line_idx + 1, actual: line.chars().take(40).collect(), expected }
}

/// GPT-2's `bytes_to_unicode`, the other way round: printable Latin-1 stands for itself, the other bytes in
/// order for U+0100 and up.
fn byte_of_char() -> Vec<Option<u8>> {
    let mut bytes = vec![None; 512];
    let mut others = 0x100..;
    for byte in 0..=u8::MAX {
        let printable = matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
        let place = if printable { Some(usize::from(byte)) } else { others.next() };
        if let Some(slot) = place.and_then(|p| bytes.get_mut(p)) {
            *slot = Some(byte);
        }
    }
    bytes
}
