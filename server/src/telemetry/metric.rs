//! Everything that is measured: one name each, and what Prometheus is told about it.

use metrics::{describe_counter, describe_gauge, describe_histogram};

/// Everything that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// From the arrival of the last proving sample until the event is visible.
    EventLatency,
    /// Events past their budget.
    DeadlinesMissed,
    /// Waiting for a stage.
    StageWait,
    /// A stage at work.
    StageService,
    /// Audio that arrived.
    Received,
    /// Audio that went through the analysis.
    Analysed,
    /// Audio in gaps.
    Shed,
    /// Share of what arrived that was analysed.
    Coverage,
    /// Step of the degradation ladder.
    DegradeLevel,
    /// 1 for the state that a feed is in.
    State,
    /// From the arrival of the newest audio until now, at the last heartbeat.
    Lag,
    /// Media time up to which everything is known.
    Watermark,
    /// Recognisers in each state.
    RecogniserState,
    /// Recogniser processes that were started.
    RecogniserStarts,
    /// Recogniser processes that were lost.
    RecogniserDeaths,
    /// Recogniser processes that were killed because they took too long.
    RecogniserTimeouts,
    /// Requests that were tried once more, because their process was lost.
    RecogniserRetries,
    /// Recogniser processes that were replaced at the end of their term.
    RecogniserRecycled,
    /// 1 for the state that the journal is in.
    JournalState,
    /// Events that wait for a commit.
    JournalWaiting,
    /// Events lost because too many waited.
    JournalDropped,
    /// Commits.
    JournalCommits,
    /// Events committed.
    JournalEvents,
    /// Size of the journal and its log.
    JournalSize,
    /// Quantiles of how long a commit took.
    JournalCommit,
    /// Quantiles of the time from an event's hand-over to its being visible.
    JournalVisible,
    /// Connections to the service that were closed because too many were there.
    TurnedAway,
    /// Audio in gaps by their reason.
    GapReason,
    /// Bytes that the disk of the journal still has.
    JournalFree,
    /// When the process started.
    StartTime,
    /// Memory that the process takes, its recognisers apart.
    Resident,
    /// 1 for a part of the service that answers.
    VitalState,
}

impl Metric {
    /// All of them.
    pub const ALL: [Self; 32] = [
        Self::EventLatency,
        Self::DeadlinesMissed,
        Self::StageWait,
        Self::StageService,
        Self::Received,
        Self::Analysed,
        Self::Shed,
        Self::Coverage,
        Self::DegradeLevel,
        Self::State,
        Self::Lag,
        Self::Watermark,
        Self::RecogniserState,
        Self::RecogniserStarts,
        Self::RecogniserDeaths,
        Self::RecogniserTimeouts,
        Self::RecogniserRetries,
        Self::RecogniserRecycled,
        Self::JournalState,
        Self::JournalWaiting,
        Self::JournalDropped,
        Self::JournalCommits,
        Self::JournalEvents,
        Self::JournalSize,
        Self::JournalCommit,
        Self::JournalVisible,
        Self::TurnedAway,
        Self::GapReason,
        Self::JournalFree,
        Self::StartTime,
        Self::Resident,
        Self::VitalState,
    ];

    /// As Prometheus knows it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EventLatency => "aircheck_event_latency_seconds",
            Self::DeadlinesMissed => "aircheck_deadlines_missed_total",
            Self::StageWait => "aircheck_stage_wait_seconds",
            Self::StageService => "aircheck_stage_service_seconds",
            Self::Received => "aircheck_audio_received_seconds",
            Self::Analysed => "aircheck_audio_analysed_seconds",
            Self::Shed => "aircheck_audio_shed_seconds",
            Self::Coverage => "aircheck_coverage_ratio",
            Self::DegradeLevel => "aircheck_degrade_level",
            Self::State => "aircheck_feed_state",
            Self::Lag => "aircheck_lag_seconds",
            Self::Watermark => "aircheck_watermark_seconds",
            Self::RecogniserState => "aircheck_recogniser_state",
            Self::RecogniserStarts => "aircheck_recogniser_starts_total",
            Self::RecogniserDeaths => "aircheck_recogniser_deaths_total",
            Self::RecogniserTimeouts => "aircheck_recogniser_timeouts_total",
            Self::RecogniserRetries => "aircheck_recogniser_retries_total",
            Self::RecogniserRecycled => "aircheck_recogniser_recycled_total",
            Self::JournalState => "aircheck_journal_state",
            Self::JournalWaiting => "aircheck_journal_waiting_events",
            Self::JournalDropped => "aircheck_journal_dropped_events_total",
            Self::JournalCommits => "aircheck_journal_commits_total",
            Self::JournalEvents => "aircheck_journal_events_total",
            Self::JournalSize => "aircheck_journal_size_bytes",
            Self::JournalCommit => "aircheck_journal_commit_seconds",
            Self::JournalVisible => "aircheck_journal_visible_seconds",
            Self::TurnedAway => "aircheck_connections_turned_away_total",
            Self::GapReason => "aircheck_gap_seconds",
            Self::JournalFree => "aircheck_journal_free_bytes",
            Self::StartTime => "aircheck_start_time_seconds",
            Self::Resident => "aircheck_resident_memory_bytes",
            Self::VitalState => "aircheck_vital_state",
        }
    }

    /// What it says, for the help of Prometheus.
    const fn help(self) -> &'static str {
        match self {
            Self::EventLatency => "from the last proving sample to the visible event, by feed and type",
            Self::DeadlinesMissed => "events past their budget, by feed and type",
            Self::StageWait => "waiting for a stage, by feed",
            Self::StageService => "a stage at work, by feed",
            Self::Received => "audio that arrived",
            Self::Analysed => "audio that went through the analysis",
            Self::Shed => "audio in gaps",
            Self::Coverage => "share of what arrived that was analysed",
            Self::DegradeLevel => "step of the degradation ladder, 0 = all is done",
            Self::State => "1 for the state that the feed is in",
            Self::Lag => "age of the newest audio at the last heartbeat",
            Self::Watermark => "media time up to which everything is known",
            Self::RecogniserState => "recognisers in each state",
            Self::RecogniserStarts => "recogniser processes started",
            Self::RecogniserDeaths => "recogniser processes lost, killed ones included",
            Self::RecogniserTimeouts => "recogniser processes killed because they took too long",
            Self::RecogniserRetries => "requests tried once more because their process was lost",
            Self::RecogniserRecycled => "recogniser processes replaced at the end of their term",
            Self::JournalState => "1 for the state that the journal is in",
            Self::JournalWaiting => "events that wait for a commit",
            Self::JournalDropped => "events lost because too many waited for a commit",
            Self::JournalCommits => "commits",
            Self::JournalEvents => "events committed",
            Self::JournalSize => "size of the journal and its log",
            Self::JournalCommit => "how long a commit took, by quantile",
            Self::JournalVisible => "from an event's hand-over to its being visible, by quantile",
            Self::TurnedAway => {
                "connections closed because too many were there: new ones, or those that only waited"
            }
            Self::GapReason => "audio in gaps that were told, by reason",
            Self::JournalFree => "what the disk of the journal still has",
            Self::StartTime => "when the process started, since 1970",
            Self::Resident => "memory of the process, its recognisers apart",
            Self::VitalState => "1 for a part of the service that answers, 0 for one that is stuck",
        }
    }

    /// Tells Prometheus what it is.
    pub(super) fn describe(self) {
        let (name, help) = (self.name(), self.help());
        if name.ends_with("_total") {
            describe_counter!(name, help);
        } else if matches!(self, Self::EventLatency | Self::StageWait | Self::StageService) {
            describe_histogram!(name, help);
        } else {
            describe_gauge!(name, help);
        }
    }
}
