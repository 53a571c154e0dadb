//! The outermost boxes of an MP4 file: whether the file was cut off after its index. Symphonia then skips the data,
//! unless it reads the file as a pipe.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

/// Boxes that are looked at: a fragmented file has thousands, and its index is in the first ones.
const BOXES_MAX: usize = 64;

/// Whether the index (`moov`) comes before a `mdat` that is longer than the file. Leaves the file where it was.
pub(super) fn is_cut_after_index(file: &mut File) -> io::Result<bool> {
    let before = file.stream_position()?;
    let found = walk(file);
    file.seek(SeekFrom::Start(before))?;
    found
}

/// ISO/IEC 14496-12, 4.2: length (32 bits; 1: 64 bits follow; 0: to the end) and type.
fn walk(file: &mut File) -> io::Result<bool> {
    let file_len = file.metadata()?.len();
    let (mut at, mut has_index) = (0_u64, false);
    for _ in 0..BOXES_MAX {
        if at.saturating_add(16) > file_len {
            break;
        }
        file.seek(SeekFrom::Start(at))?;
        let mut head = [0; 16];
        file.read_exact(&mut head)?;
        let [a, b, c, d, kind @ .., e, f, g, h, i, j, k, l] = head;
        let len = match u32::from_be_bytes([a, b, c, d]) {
            0 => break,
            1 => u64::from_be_bytes([e, f, g, h, i, j, k, l]),
            len => u64::from(len),
        };
        let end = at.saturating_add(len.max(8));
        has_index |= &kind == b"moov" && end <= file_len;
        if &kind == b"mdat" && end > file_len {
            return Ok(has_index);
        }
        at = end;
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(boxes: &[(&[u8; 4], u32, u32)], expected: bool) {
        let mut bytes = Vec::new();
        for (kind, claimed, had) in boxes {
            bytes.extend(claimed.to_be_bytes());
            bytes.extend(*kind);
            bytes.extend(vec![0; *had as usize - 8]);
        }
        let mut file = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut file, &bytes).unwrap();
        file.seek(SeekFrom::Start(3)).unwrap();
        assert_eq!(is_cut_after_index(&mut file).unwrap(), expected, "{boxes:?}");
        assert_eq!(file.stream_position().unwrap(), 3);
    }

    #[test]
    fn only_data_that_is_cut_after_the_index_counts() {
        check(&[(b"ftyp", 20, 20), (b"moov", 40, 40), (b"mdat", 1_000, 1_000)], false);
        check(&[(b"ftyp", 20, 20), (b"moov", 40, 40), (b"mdat", 1_000, 500)], true);
        check(&[(b"ftyp", 20, 20), (b"mdat", 1_000, 500)], false);
        check(&[(b"ftyp", 20, 20), (b"moov", 400, 40)], false);
        check(&[(b"ftyp", 0, 20), (b"moov", 40, 40)], false);
    }
}
