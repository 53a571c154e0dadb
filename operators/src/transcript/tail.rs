//! What of a growing utterance a partial has to decode: from a pause on before which everything was heard already. No
//! state, no clock.

use crate::hop::hop_time;
use crate::utterances::{AskHead, UTTERANCE_HOPS_MAX};

/// Hops without a voice that make a pause: at shorter ones the recogniser's word times are too coarse to join at.
const PAUSE_HOPS: usize = 10;
/// What must have been heard after the pause: the last words of a decode are guesses.
const MARGIN_HOPS: usize = 50;
/// Shortest tail: with less before them, new words are heard worse.
const TAIL_HOPS_MIN: usize = 200;

/// The first hop that a partial has to decode when an earlier decode of the same utterance heard its first `n_heard`
/// hops: the middle of the last pause that is safe to join at, or 0.
#[must_use]
pub fn tail_start(head: &AskHead, n_heard: usize) -> usize {
    let n_hops = head.span.duration().flicks() / hop_time().flicks();
    let n_hops = usize::try_from(n_hops).unwrap_or(UTTERANCE_HOPS_MAX);
    let last = n_heard.saturating_sub(MARGIN_HOPS).min(n_hops.saturating_sub(TAIL_HOPS_MIN));
    let is_silent = |hop_idx: &usize| !head.voiced.get(*hop_idx);
    let is_pause = |start: &usize| (*start..start + PAUSE_HOPS).all(|hop_idx| is_silent(&hop_idx));
    let Some(start) = (0..=last.saturating_sub(PAUSE_HOPS)).rev().find(is_pause) else { return 0 };
    let n_earlier = (0..start).rev().take_while(is_silent).count();
    match start - n_earlier {
        0 => 0,
        first => usize::midpoint(first, start + PAUSE_HOPS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::utterances::{Purpose, Voiced};
    use engine::time::{MediaTime, Span};

    /// An utterance of runs of hops, voiced and silent in turn, that was heard up to hop `heard`.
    fn check(runs: &[usize], heard: usize, expected: usize) {
        let mut voiced = Voiced::default();
        let mut n_hops = 0;
        for (idx, run) in runs.iter().enumerate() {
            (n_hops..n_hops + run).filter(|_| idx % 2 == 0).for_each(|hop_idx| voiced.set(hop_idx));
            n_hops += run;
        }
        let start = MediaTime::from_secs(7);
        let at = |hop: usize| start + MediaTime::from_millis(10 * hop as u64);
        let head = AskHead {
            utterance: 7_000,
            attempt: 3,
            purpose: Purpose::Partial,
            span: Span::new(start, at(n_hops)),
            speech_end: at(n_hops),
            proof: at(n_hops),
            voiced,
        };
        assert_eq!(tail_start(&head, heard), expected, "{runs:?} heard to {heard}");
    }

    #[test]
    fn it_begins_in_the_last_pause_with_enough_after_it() {
        check(&[200, 20, 400], 500, 210);
        check(&[100, 12, 88, 20, 400], 500, 210);
        check(&[200, 20, 400], 250, 0);
        check(&[100, 12, 88, 20, 400], 250, 106);
    }

    #[test]
    fn what_is_left_is_not_too_short() {
        check(&[200, 20, 179], 399, 0);
        check(&[200, 20, 300], 520, 210);
    }

    #[test]
    fn a_breath_is_no_pause_and_nothing_heard_means_all_of_it() {
        check(&[200, 9, 400], 600, 0);
        check(&[200, 20, 400], 0, 0);
        check(&[0, 30, 400], 430, 0);
        check(&[5], 5, 0);
    }
}
