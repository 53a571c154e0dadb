//! Names of requests and models in the shape of UUIDs (RFC 9562). Not secrets.

use std::hash::{BuildHasher, RandomState};

use sha2::{Digest, Sha256};

/// A new name: random bits of the process's hash keys (version 4).
pub(super) fn request_id() -> String {
    let random = || RandomState::new().hash_one(std::time::SystemTime::now());
    uuid(u128::from(random()) << 64 | u128::from(random()), 4)
}

/// The name of a model: always the same (version 8).
pub(super) fn model_uuid(model: &str) -> String {
    let digest = Sha256::digest(model.as_bytes());
    let bits = digest.first_chunk::<16>().map_or(0, |bytes| u128::from_be_bytes(*bytes));
    uuid(bits, 8)
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn uuid(bits: u128, version: u128) -> String {
    let bits = bits & !(0xf << 76) & !(3 << 62) | version << 76 | 2 << 62;
    let digits = format!("{bits:032x}");
    let part = |range: std::ops::Range<usize>| digits.get(range).unwrap_or_default().to_owned();
    [part(0..8), part(8..12), part(12..16), part(16..20), part(20..32)].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_look_like_uuids() {
        assert_eq!(uuid(u128::MAX, 4), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(uuid(0, 8), "00000000-0000-8000-8000-000000000000");
        assert_eq!(model_uuid("tiny.en"), model_uuid("tiny.en"));
        assert_ne!(request_id(), request_id());
    }
}
