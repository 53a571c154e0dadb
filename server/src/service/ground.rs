//! What all feeds of the service stand on.

use std::io;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::runtime::Handle;

use super::beats::Beats;
use super::{Docks, Overview};
use crate::host::Host;
use crate::journal::Journal;
use crate::publish::Hub;

/// See the module.
pub struct Ground {
    pub(super) host: Arc<Host>,
    pub(super) hub: Arc<Hub>,
    pub(super) journal: Arc<Journal>,
    /// When the journal was opened.
    pub(super) opened_at: Timestamp,
    /// What was wrong with it, if anything.
    pub(super) journal_note: Option<String>,
    pub(super) overview: Arc<Overview>,
    pub(super) docks: Arc<Docks>,
    pub(super) beats: Beats,
    pub(super) runtime: Handle,
}

impl Ground {
    /// `journal_note`: what was wrong with the journal when it was opened, just now.
    pub fn new(
        host: Arc<Host>,
        hub: Arc<Hub>,
        journal: Arc<Journal>,
        journal_note: Option<String>,
        overview: Arc<Overview>,
        runtime: &Handle,
    ) -> io::Result<Self> {
        Ok(Self {
            host,
            hub,
            journal,
            opened_at: Timestamp::now(),
            journal_note,
            overview,
            docks: Arc::default(),
            beats: Beats::start()?,
            runtime: runtime.clone(),
        })
    }

    /// Where encoders bring their audio.
    #[must_use]
    pub fn docks(&self) -> &Arc<Docks> {
        &self.docks
    }
}
