//! What a source marks in its stream for machines: breaks, programmes, anything with a date. Untrusted text.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::MediaTime;

/// What a marker says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MarkerKind {
    /// A break begins: what follows may be replaced, as by advertisements.
    CueOut,
    /// The break is over.
    CueIn,
    /// A stretch of time with an identity, of whatever class the source says (HLS `EXT-X-DATERANGE`).
    DateRange,
}

/// Something that the source marked. The span is the marked time as far as its end is known, and empty where it is not;
/// it may reach beyond what was received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Marker {
    /// What it says.
    pub kind: MarkerKind,
    /// What it is called. A later marker of the same name says more about the same stretch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What it is, in the words of the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// How long the marked time lasts.
    #[serde(rename = "duration_ms", skip_serializing_if = "Option::is_none")]
    pub duration: Option<MediaTime>,
    /// How long it is meant to last, where its end is not known.
    #[serde(rename = "planned_duration_ms", skip_serializing_if = "Option::is_none")]
    pub planned_duration: Option<MediaTime>,
    /// The SCTE 35 message that it stands for, as it was sent: hexadecimal or base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scte35: Option<String>,
    /// What else the source says about it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
}

impl Marker {
    /// A marker that says no more than what it is.
    #[must_use]
    pub const fn new(kind: MarkerKind) -> Self {
        let attributes = BTreeMap::new();
        Self { kind, id: None, class: None, duration: None, planned_duration: None, scte35: None, attributes }
    }
}
