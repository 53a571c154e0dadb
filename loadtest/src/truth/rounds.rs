//! The facts of a programme that plays round and round, at their media time of one feed.

use std::sync::Arc;

use engine::time::{MediaTime, Span};

use crate::programme::{Programme, What};

/// Gives each fact once, round by round.
#[derive(Debug)]
pub(super) struct Rounds {
    programme: Arc<Programme>,
    /// From the start of the round before the first to the start of the feed: what began in that round may reach into it.
    offset: MediaTime,
    n_given: u64,
}

/// A fact of the feed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Expected<'a> {
    pub(super) what: &'a What,
    pub(super) span: Span,
    pub(super) proven_at: MediaTime,
    /// The feed has all of it. Else its start is cut off.
    pub(super) is_whole: bool,
}

impl Rounds {
    /// For a feed that begins at `position` of the first round.
    pub(super) fn new(programme: Arc<Programme>, position: MediaTime) -> Self {
        let length = programme.length().flicks();
        let position = position.flicks().checked_rem(length).unwrap_or(0);
        Self { programme, offset: MediaTime::from_flicks(length + position), n_given: 0 }
    }

    /// Gives the facts of every further round that begins before `to`.
    pub(super) fn until(&mut self, to: MediaTime, mut take: impl FnMut(Expected)) {
        let length = self.programme.length().flicks();
        let start = |n_given: u64| MediaTime::from_flicks(length.saturating_mul(n_given));
        while length > 0 && start(self.n_given) < to + self.offset {
            let shift = |at: MediaTime| (start(self.n_given) + at).checked_sub(self.offset);
            for fact in &self.programme.facts {
                let Some(proven_at) = shift(fact.proven_at) else { continue };
                let begins = shift(fact.span.start);
                let span = Span::new(begins.unwrap_or_default(), shift(fact.span.end).unwrap_or_default());
                take(Expected { what: &fact.what, span, proven_at, is_whole: begins.is_some() });
            }
            self.n_given += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use engine::event::EventKind;
    use engine::time::SampleRate;

    use super::*;
    use crate::programme::Fact;

    #[test]
    fn facts_come_round_by_round_and_reach_over_the_seam() {
        let ms = MediaTime::from_millis;
        let fact = |what, start, end, proven_at| Fact {
            what,
            span: Span::new(ms(start), ms(end)),
            proven_at: ms(proven_at),
        };
        let programme = Programme {
            rate: SampleRate::new(8_000).unwrap(),
            samples: vec![0; 8_000].into(),
            facts: vec![
                fact(What::Word("a".to_owned()), 100, 200, 200),
                fact(What::Closes(EventKind::AlertDeadAir), 900, 1_300, 1_400),
            ],
        };
        let mut rounds = Rounds::new(Arc::new(programme), ms(3_150));
        let mut seen = Vec::new();
        let mut take = |fact: Expected| {
            let (from, to, proof) = (fact.span.start, fact.span.end, fact.proven_at);
            let cut = if fact.is_whole { "" } else { " cut" };
            seen.push(format!("{from}..{to} {proof}{cut}"));
        };
        rounds.until(ms(860), &mut take);
        rounds.until(ms(840), &mut take);
        let expected = [
            "0.000..0.150 0.250 cut",
            "0.000..0.050 0.050 cut",
            "0.750..1.150 1.250",
            "0.950..1.050 1.050",
            "1.750..2.150 2.250",
        ];
        assert_eq!(seen, expected);
    }
}
