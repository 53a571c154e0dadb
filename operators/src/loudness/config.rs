//! What the loudness operator tells, and which recommendation it holds a feed against.

use engine::event::LoudnessProfile;
use engine::time::MediaTime;

use super::meter::Mono;
use crate::error::{BuildError, check_range};

/// What `Loudness` tells beside its reports.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LoudnessConfig {
    /// Meters ten times a second. Default off.
    pub meters: Meters,
    /// How a feed of one channel is weighted. Default single.
    pub mono: Mono,
    /// Alerts when the feed is off this target. Default none.
    pub target: Option<LoudnessTarget>,
}

/// Whether `meter` events are emitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Meters {
    /// None.
    #[default]
    Off,
    /// One every 100 ms.
    TenHertz,
}

/// Where loudness should be, and when it is off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LoudnessTarget {
    /// The recommendation that it comes from.
    pub profile: LoudnessProfile,
    /// Target, -50..=0 LUFS.
    pub lufs: f64,
    /// Short-term loudness may be this far from the target, 0.5..=20 LU. Default 6 (a live programme moves).
    pub tolerance_lu: f64,
    /// True peaks may reach this, -20..=3 dBTP.
    pub true_peak_max_dbtp: f64,
    /// Off for this long opens an alert, 0..=600 s. Default 10 s. True peaks open it at once.
    pub open_after: MediaTime,
    /// And right for this long closes it, 0.1..=60 s. Default 3 s.
    pub close_after: MediaTime,
}

impl LoudnessTarget {
    /// EBU R 128: -23 LUFS, -1 dBTP.
    pub const EBU_R128: Self = Self::new(LoudnessProfile::EbuR128, -23.0, -1.0);
    /// ATSC A/85: -24 LKFS, -2 dBTP.
    pub const ATSC_A85: Self = Self::new(LoudnessProfile::AtscA85, -24.0, -2.0);
    /// Podcasts: -16 LUFS, -1 dBTP.
    pub const PODCAST: Self = Self::new(LoudnessProfile::Podcast, -16.0, -1.0);

    /// A target with the default tolerances.
    #[must_use]
    pub const fn new(profile: LoudnessProfile, lufs: f64, true_peak_max_dbtp: f64) -> Self {
        Self {
            profile,
            lufs,
            tolerance_lu: 6.0,
            true_peak_max_dbtp,
            open_after: MediaTime::from_secs(10),
            close_after: MediaTime::from_secs(3),
        }
    }

    pub(super) fn check(&self) -> Result<(), BuildError> {
        check_range("loudness target lufs", self.lufs, -50.0..=0.0, "-50 to 0 LUFS")?;
        check_range("loudness tolerance_lu", self.tolerance_lu, 0.5..=20.0, "0.5 to 20 LU")?;
        check_range("loudness true_peak_max_dbtp", self.true_peak_max_dbtp, -20.0..=3.0, "-20 to 3 dBTP")?;
        check_range("loudness open_after", self.open_after.as_secs_f64(), 0.0..=600.0, "0 to 600 s")?;
        check_range("loudness close_after", self.close_after.as_secs_f64(), 0.1..=60.0, "0.1 to 60 s")
    }
}
