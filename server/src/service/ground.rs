//! What all feeds of the service stand on.

use std::io;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::runtime::Handle;

use super::beats::Beats;
use super::{Docks, Overview};
use crate::captions::Captions;
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
    pub(super) captions: Arc<Captions>,
    /// The only language that the recognisers hear. `None`: they tell by themselves.
    pub(super) language: Option<&'static str>,
    pub(super) docks: Arc<Docks>,
    pub(super) beats: Beats,
    pub(super) runtime: Handle,
}

/// What has to be there before the ground is.
pub struct Footing {
    /// Workers and recognisers.
    pub host: Arc<Host>,
    /// The only language that the recognisers hear. `None`: they tell by themselves.
    pub language: Option<&'static str>,
    /// What becomes visible.
    pub hub: Arc<Hub>,
    /// What became visible; opened just now.
    pub journal: Arc<Journal>,
    /// What was wrong with it, if anything.
    pub journal_note: Option<String>,
    /// What is known of each feed.
    pub overview: Arc<Overview>,
    /// Live captions of each feed.
    pub captions: Arc<Captions>,
}

impl Ground {
    /// On `footing`, with `runtime` for sockets.
    pub fn new(footing: Footing, runtime: &Handle) -> io::Result<Self> {
        let Footing { host, language, hub, journal, journal_note, overview, captions } = footing;
        Ok(Self {
            host,
            hub,
            journal,
            opened_at: Timestamp::now(),
            journal_note,
            overview,
            captions,
            language,
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
