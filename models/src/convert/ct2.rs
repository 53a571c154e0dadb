//! Reads the index of a CTranslate2 `model.bin` and streams its tensors. Trusts no number in the file: each is
//! checked against the file's length before it is used.
//!
//! Layout, little endian (CTranslate2 4, `models/model.cc`, binary version 6): u32 version, string specification,
//! u32 revision, u32 count, then per variable a string name, u8 rank, u32 per dimension, u8 data type, u32 bytes, data;
//! then u32 count and that many pairs of strings (alias, target). A string is a u16 length that counts its NUL.

use std::collections::BTreeMap;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::ops::Range;

use half::f16;

use super::ConvertError;

const VERSION: u32 = 6;
const SPECIFICATION: &str = "WhisperSpec";
/// Whisper large has 1 259 variables in this format.
const N_TENSORS_MAX: u32 = 8_192;
const RANK_MAX: u8 = 4;
const NAME_BYTES_MAX: u16 = 256;

/// Type of the values of one variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dtype {
    F32,
    I8,
    I16,
    I32,
    F16,
}

impl Dtype {
    fn from_id(id: u8) -> Option<Self> {
        match id {
            0 => Some(Self::F32),
            1 => Some(Self::I8),
            2 => Some(Self::I16),
            3 => Some(Self::I32),
            4 => Some(Self::F16),
            _ => None,
        }
    }

    fn bytes(self) -> u64 {
        match self {
            Self::I8 => 1,
            Self::I16 | Self::F16 => 2,
            Self::F32 | Self::I32 => 4,
        }
    }
}

#[derive(Clone, Debug)]
struct Tensor {
    dtype: Dtype,
    shape: Vec<u32>,
    offset: u64,
}

/// An opened `model.bin`: its index in memory, its values in the file.
pub(super) struct Ct2<R> {
    file: BufReader<R>,
    tensors: BTreeMap<String, Tensor>,
}

impl<R: Read + Seek> Ct2<R> {
    pub(super) fn open(mut file: R) -> Result<Self, ConvertError> {
        let n_bytes = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(0))?;
        let mut index = Index { file: BufReader::new(file), offset: 0, n_bytes };
        index.header()?;
        let tensors = index.tensors()?;
        Ok(Self { file: index.file, tensors })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Dimensions of `name`, outermost first.
    pub(super) fn shape(&self, name: &str) -> Result<&[u32], ConvertError> {
        Ok(&self.tensor(name)?.shape)
    }

    fn tensor(&self, name: &str) -> Result<&Tensor, ConvertError> {
        self.tensors.get(name).ok_or_else(|| ConvertError::Missing { name: name.to_owned() })
    }

    /// The one value of a variable of rank 0.
    pub(super) fn scalar(&mut self, name: &str) -> Result<i32, ConvertError> {
        let Tensor { dtype, shape, offset } = self.tensor(name)?.clone();
        if !shape.is_empty() {
            return Err(wrong(name, "rank", shape.len(), "0"));
        }
        self.file.seek(SeekFrom::Start(offset))?;
        match dtype {
            Dtype::I8 => Ok(i8::from_le_bytes(read_array(&mut self.file)?).into()),
            Dtype::I16 => Ok(i16::from_le_bytes(read_array(&mut self.file)?).into()),
            Dtype::I32 => Ok(i32::from_le_bytes(read_array(&mut self.file)?)),
            Dtype::F16 | Dtype::F32 => Err(wrong(name, "type", format!("{dtype:?}"), "an integer")),
        }
    }

    /// Calls `take` with the values at `range` of the flat tensor, at most `stride` at a time.
    pub(super) fn for_values(
        &mut self,
        name: &str,
        range: Range<u64>,
        stride: usize,
        take: &mut dyn FnMut(&[f32]) -> Result<(), ConvertError>,
    ) -> Result<(), ConvertError> {
        let Tensor { dtype, offset, .. } = *self.tensor(name)?;
        if !matches!(dtype, Dtype::F16 | Dtype::F32) {
            return Err(wrong(name, "type", format!("{dtype:?}"), "F16 or F32"));
        }
        self.file.seek(SeekFrom::Start(offset + range.start * dtype.bytes()))?;
        let (mut bytes, mut values) = (Vec::new(), Vec::with_capacity(stride));
        let mut left = range.end - range.start;
        while left > 0 {
            let n = left.min(stride as u64);
            bytes.resize((n * dtype.bytes()) as usize, 0);
            self.file.read_exact(&mut bytes)?;
            values.clear();
            decode(dtype, &bytes, &mut values);
            take(&values)?;
            left -= n;
        }
        Ok(())
    }
}

fn decode(dtype: Dtype, bytes: &[u8], values: &mut Vec<f32>) {
    if dtype == Dtype::F16 {
        values.extend(bytes.as_chunks::<2>().0.iter().map(|b| f16::from_le_bytes(*b).to_f32()));
    } else {
        values.extend(bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)));
    }
}

/// Builds the error for tensor `name`.
pub(super) fn wrong(
    name: &str,
    what: &'static str,
    actual: impl ToString,
    expected: impl ToString,
) -> ConvertError {
    ConvertError::Tensor {
        name: name.to_owned(),
        what,
        actual: actual.to_string(),
        expected: expected.to_string(),
    }
}

fn read_array<const N: usize>(file: &mut impl Read) -> std::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// A cursor over the index. Knows how long the file is, so that no length in it is believed.
struct Index<R> {
    file: BufReader<R>,
    offset: u64,
    n_bytes: u64,
}

impl<R: Read + Seek> Index<R> {
    fn header(&mut self) -> Result<(), ConvertError> {
        let version = self.u32()?;
        if version != VERSION {
            return Err(header("version", version, VERSION));
        }
        let specification = self.string()?;
        if specification != SPECIFICATION {
            return Err(header("specification", specification, SPECIFICATION));
        }
        self.u32()?; // revision of the specification: the names checked later are what counts
        Ok(())
    }

    fn tensors(&mut self) -> Result<BTreeMap<String, Tensor>, ConvertError> {
        let mut tensors = BTreeMap::new();
        for _ in 0..self.count("variables")? {
            let name = self.string()?;
            let tensor = self.tensor(&name)?;
            tensors.insert(name, tensor);
        }
        for _ in 0..self.count("aliases")? {
            let (alias, target) = (self.string()?, self.string()?);
            let tensor = tensors.get(&target).ok_or(ConvertError::Missing { name: target })?.clone();
            tensors.insert(alias, tensor);
        }
        if self.offset != self.n_bytes {
            return Err(ConvertError::Length { actual: self.n_bytes, expected: self.offset });
        }
        Ok(tensors)
    }

    fn tensor(&mut self, name: &str) -> Result<Tensor, ConvertError> {
        let [rank] = self.take()?;
        if rank > RANK_MAX {
            return Err(wrong(name, "rank", rank, format!("at most {RANK_MAX}")));
        }
        let shape = (0..rank).map(|_| self.u32()).collect::<Result<Vec<u32>, _>>()?;
        let [id] = self.take()?;
        let dtype = Dtype::from_id(id).ok_or_else(|| wrong(name, "type", id, "0 (f32) to 4 (f16)"))?;
        let actual = u64::from(self.u32()?);
        let expected = shape
            .iter()
            .try_fold(dtype.bytes(), |n, d| n.checked_mul(u64::from(*d)))
            .filter(|expected| *expected == actual)
            .ok_or_else(|| wrong(name, "bytes", actual, format!("the product of {shape:?} and its type")))?;
        let offset = self.offset;
        self.skip(expected)?;
        Ok(Tensor { dtype, shape, offset })
    }

    fn count(&mut self, what: &'static str) -> Result<u32, ConvertError> {
        let n = self.u32()?;
        if n > N_TENSORS_MAX {
            return Err(header(what, n, format!("at most {N_TENSORS_MAX}")));
        }
        Ok(n)
    }

    fn string(&mut self) -> Result<String, ConvertError> {
        let n = u16::from_le_bytes(self.take()?);
        if n == 0 || n > NAME_BYTES_MAX {
            return Err(header("length of a name", n, format!("1 to {NAME_BYTES_MAX}")));
        }
        self.claim(u64::from(n))?;
        let mut bytes = vec![0; usize::from(n)];
        self.file.read_exact(&mut bytes)?;
        if bytes.pop() != Some(0) {
            return Err(header("name", bytes.escape_ascii(), "text that ends in NUL"));
        }
        String::from_utf8(bytes).map_err(|e| header("name", e.as_bytes().escape_ascii(), "UTF-8"))
    }

    fn u32(&mut self) -> Result<u32, ConvertError> {
        Ok(u32::from_le_bytes(self.take()?))
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], ConvertError> {
        self.claim(N as u64)?;
        Ok(read_array(&mut self.file)?)
    }

    fn skip(&mut self, n: u64) -> Result<(), ConvertError> {
        self.claim(n)?;
        self.file.seek_relative(n.cast_signed())?;
        Ok(())
    }

    /// Moves on by `n` bytes, if the file has them.
    fn claim(&mut self, n: u64) -> Result<(), ConvertError> {
        let end = self.offset.saturating_add(n);
        if end > self.n_bytes {
            return Err(ConvertError::Length { actual: self.n_bytes, expected: end });
        }
        self.offset = end;
        Ok(())
    }
}

fn header(what: &'static str, actual: impl ToString, expected: impl ToString) -> ConvertError {
    ConvertError::Header { what, actual: actual.to_string(), expected: expected.to_string() }
}
