//! The facts of a programme that plays round and round, with cuts, at their media time of one feed.

use std::sync::Arc;

use engine::time::{MediaTime, Span};

use crate::programme::{Fact, Programme, What};

/// Gives each fact once, run by run and round by round.
#[derive(Debug)]
pub(super) struct Rounds {
    programme: Arc<Programme>,
    /// Longest time from the start of a fact to its proof.
    reach: MediaTime,
    run: Option<Run>,
}

/// Audio that goes on without a cut.
#[derive(Debug)]
struct Run {
    from: MediaTime,
    /// From the start of round 0 to media time 0 of the feed.
    offset: MediaTime,
    round: u64,
    /// The next fact of the round.
    fact_idx: usize,
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
    /// Gives nothing before it begins.
    pub(super) fn new(programme: Arc<Programme>) -> Self {
        let reach = |fact: &Fact| fact.proven_at.saturating_sub(fact.span.start);
        let reach = programme.facts.iter().map(reach).max().unwrap_or_default();
        Self { programme, reach, run: None }
    }

    /// Goes on at `from`, where the audio is such that media time 0 would lie at `position` of the programme. What began
    /// earlier in the programme is given without its start.
    pub(super) fn begin(&mut self, from: MediaTime, position: MediaTime) {
        let length = self.programme.length().flicks();
        let Some(position) = position.flicks().checked_rem(length) else { return };
        let offset = MediaTime::from_flicks(length + position);
        // What began a round earlier may reach into this one.
        let round = ((from + offset).flicks() / length).saturating_sub(1);
        self.run = Some(Run { from, offset, round, fact_idx: 0 });
    }

    /// Gives all further facts that begin before `to`, and maybe more.
    pub(super) fn until(&mut self, to: MediaTime, mut take: impl FnMut(Expected)) {
        let Self { programme, reach, run: Some(run) } = self else { return };
        while !programme.facts.is_empty() {
            let start = MediaTime::from_flicks(programme.length().flicks().saturating_mul(run.round));
            let shift = |at: MediaTime| (start + at).checked_sub(run.offset);
            let is_over = |fact: &Fact| shift(fact.proven_at).is_none_or(|proven_at| proven_at <= run.from);
            if run.fact_idx == 0 {
                run.fact_idx = programme.facts.partition_point(is_over);
            }
            let Some(fact) = programme.facts.get(run.fact_idx) else {
                (run.round, run.fact_idx) = (run.round + 1, 0);
                continue;
            };
            let proven_at = shift(fact.proven_at).unwrap_or_default();
            // Facts are ordered by their proofs.
            if proven_at >= to + *reach {
                break;
            }
            let begins = shift(fact.span.start).filter(|begins| *begins >= run.from);
            let ends = shift(fact.span.end).unwrap_or_default();
            let span = Span::new(begins.unwrap_or(run.from), ends);
            take(Expected { what: &fact.what, span, proven_at, is_whole: begins.is_some() });
            run.fact_idx += 1;
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
        let mut rounds = Rounds::new(Arc::new(programme));
        rounds.begin(MediaTime::ZERO, ms(3_150));
        let mut seen = Vec::new();
        let mut take = |fact: Expected| {
            let (from, to, proof) = (fact.span.start, fact.span.end, fact.proven_at);
            let cut = if fact.is_whole { "" } else { " cut" };
            seen.push(format!("{from}..{to} {proof}{cut}"));
        };
        rounds.until(ms(860), &mut take);
        rounds.until(ms(840), &mut take);
        rounds.until(ms(1_760), &mut take);
        rounds.begin(ms(5_000), ms(3_150));
        rounds.until(ms(5_200), &mut take);
        let expected = [
            "0.000..0.150 0.250 cut",
            "0.000..0.050 0.050 cut",
            "0.750..1.150 1.250",
            "0.950..1.050 1.050",
            "1.750..2.150 2.250",
            "1.950..2.050 2.050",
            "5.000..5.150 5.250 cut",
            "5.000..5.050 5.050 cut",
        ];
        assert_eq!(seen, expected);
    }
}
