//! The ladder: what each feed is given, by what all of them ask for and what there is. A plain function of numbers with
//! a memory: no clock, no atomics, no feeds.

/// Share of the recognisers' time that may be planned for.
pub(super) const PLANNED: f64 = 0.92;
/// Share of what may be planned for below which something given up comes back: it must not go again at once.
const COMES_BACK: f64 = 0.85;
/// Partials are decoded in what time finals leave, so that they come more rarely than asked for; where it would be by
/// more than this, there are none.
const STRETCH_MAX: f64 = 3.5;
/// Judgements in a row after which something given up comes back.
const CALM: u32 = 3;
/// Steps of the ladder; each gives up what those before it do, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Step {
    /// Nothing. Partials come as often as there is time for them.
    All = 0,
    /// Partials.
    NoPartials = 1,
    /// Decoding finals ahead of the endpoint, and again when something is wrong with them.
    OnceOnly = 2,
    /// Speech: others come first.
    OthersFirst = 3,
    /// Speech: no recogniser works.
    NoSpeech = 4,
}

impl Step {
    /// All of them, in order.
    pub const LADDER: [Self; 5] =
        [Self::All, Self::NoPartials, Self::OnceOnly, Self::OthersFirst, Self::NoSpeech];

    /// What is told when a feed comes to this step.
    #[must_use]
    pub const fn gives_up(self) -> &'static str {
        match self {
            Self::All => "everything is done",
            Self::NoPartials => "the recognisers are too busy for partials: finals only",
            Self::OnceOnly => {
                "the recognisers are too busy for decoding ahead or twice: finals at the endpoint, once"
            }
            Self::OthersFirst => "the recognisers are too busy for this feed's speech: others come first",
            Self::NoSpeech => "no recogniser works: no speech is recognised",
        }
    }

    /// What is told when a feed leaves this step.
    #[must_use]
    pub const fn comes_back(self) -> &'static str {
        match self {
            Self::All | Self::NoPartials => "the recognisers have time for partials again",
            Self::OnceOnly => "the recognisers have time for decoding ahead again",
            Self::OthersFirst => "the recognisers have time for this feed's speech again",
            Self::NoSpeech => "recognisers work again",
        }
    }
}

/// What a feed asks for, in recognisers at work.
#[derive(Clone, Copy, Debug)]
pub(super) struct Demand {
    /// For finals.
    pub(super) finals: f64,
    /// For partials, as often as asked for.
    pub(super) partials: f64,
}

/// What the ladder remembers.
#[derive(Debug)]
pub(super) struct Ladder {
    step: Step,
    /// Judgements in a row by which the present step is not needed.
    calm: u32,
    /// Feeds, from the first, whose speech is recognised, and judgements in a row by which there could be more.
    n_kept: usize,
    calm_kept: u32,
}

impl Default for Ladder {
    fn default() -> Self {
        Self { step: Step::All, calm: 0, n_kept: usize::MAX, calm_kept: 0 }
    }
}

impl Ladder {
    /// What each of the feeds, most important first, is given of `n_recognisers`; 0: none works.
    pub(super) fn judge(&mut self, feeds: &[Demand], n_recognisers: usize) -> Vec<Step> {
        if n_recognisers == 0 {
            return vec![Step::NoSpeech; feeds.len()];
        }
        let room = PLANNED * n_recognisers as f64;
        self.keep(feeds, room);
        let kept = feeds.get(..self.n_kept).unwrap_or(feeds);
        let finals: f64 = kept.iter().map(|feed| feed.finals).sum();
        let partials: f64 = kept.iter().map(|feed| feed.partials).sum();
        let all_finals: f64 = feeds.iter().map(|feed| feed.finals).sum();
        self.climb(all_finals / room, partials / (room - finals).max(1e-9));
        let step = |idx: usize| if idx < self.n_kept { self.step } else { Step::OthersFirst };
        (0..feeds.len()).map(step).collect()
    }

    /// Decides how many feeds' speech is recognised. None is given up before everything else is.
    fn keep(&mut self, feeds: &[Demand], room: f64) {
        let fits = |limit: f64| {
            let sums = feeds.iter().scan(0.0, |sum, feed| {
                *sum += feed.finals;
                Some(*sum)
            });
            // The first one may try: what it is too much for is shed one by one.
            sums.take_while(|sum| *sum <= limit).count().max(1)
        };
        if self.step >= Step::OnceOnly {
            self.n_kept = self.n_kept.min(fits(room));
        }
        let n_could = if self.n_kept < feeds.len() { fits(COMES_BACK * room) } else { 0 };
        self.calm_kept = if n_could > self.n_kept { self.calm_kept + 1 } else { 0 };
        if self.calm_kept >= CALM {
            self.n_kept = n_could;
            self.calm_kept = 0;
        }
        if self.n_kept >= feeds.len() {
            self.n_kept = usize::MAX;
        }
    }

    /// Decides the step of all who are kept. `finals`: what all ask for, of what there is; `stretch`: how much more
    /// rarely partials come than they are asked for.
    fn climb(&mut self, finals: f64, stretch: f64) {
        let wanted = match (finals, stretch) {
            (finals, _) if finals > 1.0 => Step::OnceOnly,
            (_, stretch) if stretch > STRETCH_MAX => Step::NoPartials,
            _ => Step::All,
        };
        let is_clear = match self.step {
            Step::All => false,
            Step::NoPartials => stretch < COMES_BACK * STRETCH_MAX,
            _ => finals < COMES_BACK && self.n_kept == usize::MAX,
        };
        self.calm = if is_clear { self.calm + 1 } else { 0 };
        if wanted > self.step {
            self.step = wanted;
            self.calm = 0;
        } else if self.calm >= CALM {
            self.step = if self.step == Step::NoPartials { Step::All } else { Step::NoPartials };
            self.calm = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps of three feeds with this demand for finals and partials each, after each judgement; two recognisers.
    fn steps(ladder: &mut Ladder, finals: f64, partials: f64, n_judgements: usize) -> Vec<[u8; 3]> {
        let feeds = [Demand { finals, partials }; 3];
        let judge = |_| {
            let steps = ladder.judge(&feeds, 2);
            [0, 1, 2].map(|idx| steps.get(idx).map_or(9, |step| *step as u8))
        };
        (0..n_judgements).map(judge).collect()
    }

    #[test]
    fn what_fits_is_done() {
        assert_eq!(steps(&mut Ladder::default(), 0.2, 1.0, 2), [[0; 3]; 2], "with rarer partials");
        assert_eq!(Ladder::default().judge(&[], 2), []);
    }

    #[test]
    fn partials_go_first_and_come_back_when_there_has_been_time_for_a_while() {
        let mut ladder = Ladder::default();
        assert_eq!(steps(&mut ladder, 0.5, 0.6, 1), [[1; 3]], "1.8 for partials, 0.34 left");
        assert_eq!(steps(&mut ladder, 0.5, 0.36, 5), [[1; 3]; 5], "it would only just fit");
        assert_eq!(steps(&mut ladder, 0.5, 0.3, 4), [[1; 3], [1; 3], [0; 3], [0; 3]]);
    }

    #[test]
    fn then_double_decodes_then_the_speech_of_the_last_and_all_of_it_returns() {
        let mut ladder = Ladder::default();
        assert_eq!(steps(&mut ladder, 0.7, 0.7, 3), [[2; 3], [2, 2, 3], [2, 2, 3]]);
        assert_eq!(steps(&mut ladder, 1.0, 0.7, 1), [[2, 3, 3]]);
        assert_eq!(steps(&mut ladder, 5.0, 0.7, 1), [[2, 3, 3]], "the first one may always try");
        assert_eq!(steps(&mut ladder, 0.55, 0.7, 5), [[2, 3, 3], [2, 3, 3], [2, 2, 3], [2, 2, 3], [2, 2, 3]]);
        let back = steps(&mut ladder, 0.1, 0.1, 12);
        assert_eq!((back[2], back[11]), ([2; 3], [0; 3]), "{back:?}");
        assert!(back.is_sorted_by(|a, b| a >= b), "never down again on the way: {back:?}");
    }

    #[test]
    fn without_a_recogniser_there_is_no_speech_and_then_all_is_as_before() {
        let mut ladder = Ladder::default();
        assert_eq!(ladder.judge(&[Demand { finals: 0.1, partials: 0.1 }], 0), [Step::NoSpeech]);
        assert_eq!(steps(&mut ladder, 0.1, 0.1, 1), [[0; 3]]);
    }
}
