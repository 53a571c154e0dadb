//! `[captions]`: how live captions are cut and laid out. Writes none.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How live captions are cut and laid out (`docs/captions.md`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CaptionsConfig {
    /// Length of a segment, s. A feed that is HLS itself has the segments of its source.
    #[schema(minimum = 1, maximum = 60)]
    pub segment_secs: u64,
    /// Segments in a playlist. As many more can still be fetched.
    #[schema(minimum = 3, maximum = 1_000)]
    pub window_segments: usize,
    /// How long after its end a segment waits for what was said in it, s. What comes later is in the next one, at its own time.
    #[schema(minimum = 1, maximum = 120)]
    pub wait_secs: u64,
    /// Longest line, characters. A word that is longer stands alone.
    #[schema(minimum = 16, maximum = 80)]
    pub line_chars: usize,
    /// Lines of a cue.
    #[schema(minimum = 1, maximum = 2)]
    pub lines: usize,
    /// Shortest time a cue stays, ms, if the next one leaves room.
    #[schema(minimum = 0, maximum = 5_000)]
    pub cue_ms_min: u64,
    /// Characters that are read in a second: a cue stays as long as that takes, 7 s at most, if the next one leaves room.
    #[schema(minimum = 5, maximum = 60)]
    pub chars_per_sec: u64,
    /// Origin of the pages whose players may read captions, such as `https://radio.example`; `*` is any. Tokens are needed all
    /// the same, and without tokens only pages of this machine are served.
    #[schema(min_length = 1)]
    pub allow_origin: String,
}

impl Default for CaptionsConfig {
    fn default() -> Self {
        Self {
            segment_secs: 6,
            window_segments: 10,
            wait_secs: 6,
            line_chars: 42,
            lines: 2,
            cue_ms_min: 1_000,
            chars_per_sec: 17,
            allow_origin: "*".to_owned(),
        }
    }
}
