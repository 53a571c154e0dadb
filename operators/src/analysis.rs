//! The analysis of one feed: the operators in their default order. No thread, no queue, no recogniser.

use engine::audio::{Block, Format};
use engine::event::Event;
use engine::operator::{Chain, Emit, Fan, Operator};
use engine::time::MediaTime;

use crate::activity::{Activity, ActivityConfig, Kinds};
use crate::dead_air::{DeadAir, DeadAirConfig};
use crate::downmix::Downmix;
use crate::error::BuildError;
use crate::front_end::FrontEnd;
use crate::hop::Hop;
use crate::levels::{Levels, LevelsConfig};
use crate::loudness::{Loudness, LoudnessConfig};
use crate::resample::Resample;
use crate::sanitise::Sanitise;
use crate::utterances::{Ask, Effort, Speech, UtteranceConfig};
use crate::voice::{Voice, VoiceConfig};

/// What is analysed, and with which limits.
#[derive(Clone, Debug, Default)]
pub struct AnalysisConfig {
    /// Clipping, phase, mono, lost channels.
    pub levels: LevelsConfig,
    /// Silence that lasts.
    pub dead_air: DeadAirConfig,
    /// Loudness and its target.
    pub loudness: LoudnessConfig,
    /// Speech or not, per hop. Recognition has its own.
    pub voice: VoiceConfig,
    /// Speech, music, silence, noise.
    pub activity: ActivityConfig,
    /// How speech is cut for recognition. `None`: it is not recognised.
    pub utterances: Option<UtteranceConfig>,
}

type Hops = Chain<Chain<Chain<Chain<Downmix, Resample>, FrontEnd>, Voice>, Kinds>;

/// Everything that is done with a feed's blocks before recognition.
pub struct Analysis {
    sanitise: Sanitise,
    condition: Fan<Block, Event>,
    loudness: Loudness,
    hops: Hops,
    activity: Activity,
    utterances: Option<Speech>,
}

impl Analysis {
    /// The analysis of a feed of `format` whose blocks hold at most `block_frames` frames.
    pub fn new(format: Format, block_frames: usize, config: &AnalysisConfig) -> Result<Self, BuildError> {
        let condition = Fan::new(vec![
            Box::new(Levels::new(format, config.levels)?),
            Box::new(DeadAir::new(format, config.dead_air)?),
        ]);
        let downmix = Downmix::new(format, block_frames)?;
        let resample = Resample::new(format.rate())?;
        let hops = Chain::new(Chain::new(downmix, resample), FrontEnd::new()?);
        let hops = Chain::new(Chain::new(hops, Voice::new(config.voice)?), Kinds::default());
        Ok(Self {
            sanitise: Sanitise::new(format, block_frames)?,
            condition,
            loudness: Loudness::new(format, config.loudness)?,
            hops,
            activity: Activity::new(config.activity)?,
            utterances: config.utterances.as_ref().map(Speech::new).transpose()?,
        })
    }

    /// Takes a block; emits what follows from it.
    pub fn push(&mut self, block: &Block, events: &mut dyn Emit<Event>, asks: &mut dyn Emit<Ask>) {
        let Self { sanitise, condition, loudness, hops, activity, utterances } = self;
        sanitise.push(block, &mut |clean: &Block| {
            condition.push(clean, events);
            loudness.push(clean, events);
            hops.push(clean, &mut |hop: &Hop| judge(hop, activity, utterances, events, asks));
        });
    }

    /// End of the feed: emits what is still held. Nothing may be pushed after it.
    pub fn flush(&mut self, events: &mut dyn Emit<Event>, asks: &mut dyn Emit<Ask>) {
        self.flush_stretch(events, asks);
        self.loudness.flush(events);
    }

    /// A discontinuity: emits what is still held and forgets the past, but for the programme's loudness, which goes on.
    pub fn interrupt(&mut self, events: &mut dyn Emit<Event>, asks: &mut dyn Emit<Ask>) {
        self.flush_stretch(events, asks);
        self.loudness.interrupt(events);
        self.sanitise.reset();
        self.condition.reset();
        self.hops.reset();
        self.activity.reset();
        if let Some(utterances) = &mut self.utterances {
            utterances.reset();
        }
    }

    /// Ends the utterance that is open, wherever the speaker is. What is younger than [`Self::latency`] belongs to what
    /// follows.
    pub fn endpoint(&mut self, asks: &mut dyn Emit<Ask>) {
        if let Some(utterances) = &mut self.utterances {
            utterances.endpoint(asks);
        }
    }

    fn flush_stretch(&mut self, events: &mut dyn Emit<Event>, asks: &mut dyn Emit<Ask>) {
        let Self { condition, hops, activity, utterances, .. } = self;
        condition.flush(events);
        hops.flush(&mut |hop: &Hop| judge(hop, activity, utterances, events, asks));
        activity.flush(events);
        if let Some(utterances) = utterances {
            utterances.flush(asks);
        }
    }

    /// From now on asks for recognition as `effort` says.
    pub fn change_effort(&mut self, effort: Effort) -> Result<(), BuildError> {
        self.utterances.as_mut().map_or(Ok(()), |utterances| utterances.change_effort(effort))
    }

    /// Samples that were not finite and became zero.
    #[must_use]
    pub fn replaced(&self) -> u64 {
        self.sanitise.replaced()
    }

    /// Algorithmic delay from a sample to the hop that holds it.
    #[must_use]
    pub fn latency(&self) -> MediaTime {
        self.sanitise.latency() + self.hops.latency()
    }
}

fn judge(
    hop: &Hop,
    activity: &mut Activity,
    utterances: &mut Option<Speech>,
    events: &mut dyn Emit<Event>,
    asks: &mut dyn Emit<Ask>,
) {
    activity.push(hop, events);
    if let Some(utterances) = utterances {
        utterances.push(hop, asks);
    }
}
