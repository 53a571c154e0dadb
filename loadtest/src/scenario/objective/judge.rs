//! Holds objectives against what was measured. What never came is infinite, and meets nothing.

use std::time::Duration;

use super::{Absence, Bound, Compare, Objective, Quantile, Subject, Tally};
use crate::measure::{Counts, Figure, Latencies, Score};

/// An objective, and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// What had to be.
    pub objective: Objective,
    /// What was: seconds, a share or a count. `None`: infinite, or nothing was due.
    pub number: Option<f64>,
    /// The same for people: `1.31 s`, `99.8 %`, `never`, `nothing was due`.
    pub measured: String,
    /// Whether it was as it had to be.
    pub is_met: bool,
}

/// What is looked at.
enum Found {
    Number(f64),
    Never,
    Nothing,
}

impl Objective {
    /// Holds it against what feeds were told.
    #[must_use]
    pub fn judge(&self, score: &Score) -> Judged {
        self.judged(self.subject.find(score))
    }

    /// Holds an objective about a latency against latencies of its figure.
    #[must_use]
    pub fn judge_latencies(&self, quantile: Quantile, latencies: &Latencies) -> Judged {
        self.judged(at(latencies, quantile))
    }

    fn judged(&self, found: Found) -> Judged {
        let (number, measured, is_met) = match found {
            Found::Number(number) => {
                (Some(number), self.show(number), self.compare.holds(number, self.bound.number()))
            }
            Found::Never => (None, "never".to_owned(), false),
            Found::Nothing => (None, "nothing was due".to_owned(), self.absence == Absence::Met),
        };
        Judged { objective: self.clone(), number, measured, is_met }
    }

    fn show(&self, number: f64) -> String {
        match (self.bound, self.subject) {
            (Bound::Time(_), _) => show_secs(number),
            (
                _,
                Subject::WordsLost
                | Subject::Tally(_, Tally::Missing | Tally::Wrong | Tally::Duplicate | Tally::Early),
            ) => {
                format!("{number}")
            }
            _ => format!("{} %", (number * 1e5).round() / 1e3),
        }
    }
}

impl Judged {
    /// Missed by so much that doing it again would not help: never, or twice as long as allowed.
    #[must_use]
    pub fn is_far_off(&self) -> bool {
        let is_over = |number: f64| number > 2.0 * self.objective.bound.number();
        let is_upper = matches!(self.objective.compare, Compare::Less | Compare::AtMost);
        let is_latency = matches!(self.objective.subject, Subject::Latency(..));
        !self.is_met && is_latency && is_upper && self.number.is_none_or(is_over)
    }
}

/// `transcript.final:p95<3s: 4.2 s`, for every one that was not met.
#[must_use]
pub fn unmet(judged: &[Judged]) -> Vec<String> {
    let missed = judged.iter().filter(|judged| !judged.is_met);
    missed.map(|judged| format!("{}: {}", judged.objective, judged.measured)).collect()
}

/// The quantile of `latencies` in seconds; infinite where it never came, NaN where nothing was due.
#[must_use]
pub fn lag(latencies: &Latencies, quantile: f64) -> f64 {
    match latencies.quantile(quantile) {
        Some(duration) => duration.as_secs_f64(),
        None if latencies.count() > 0 => f64::INFINITY,
        None => f64::NAN,
    }
}

impl Subject {
    fn find(self, score: &Score) -> Found {
        match self {
            Self::Latency(figure, quantile) => {
                score.figures.get(&figure).map_or(Found::Nothing, |(latencies, _)| at(latencies, quantile))
            }
            Self::Tally(figure, tally) => tally.find(counts(score, figure)),
            Self::Coverage => finite(score.coverage.ratio()),
            Self::ErrorRate => finite(score.words.error_rate()),
            Self::WordsLost if score.words.n_said == 0 => Found::Nothing,
            Self::WordsLost => Found::Number(score.words.n_lost() as f64),
            Self::WordsRetracted => finite(score.words.n_retracted as f64 / score.words.n_shown as f64),
        }
    }
}

fn at(latencies: &Latencies, quantile: Quantile) -> Found {
    match latencies.quantile(quantile.share()) {
        Some(latency) => Found::Number(latency.as_secs_f64()),
        None if latencies.count() > 0 => Found::Never,
        None => Found::Nothing,
    }
}

fn counts(score: &Score, figure: Figure) -> Counts {
    score.figures.get(&figure).map(|(_, counts)| *counts).unwrap_or_default()
}

fn finite(number: f64) -> Found {
    if number.is_finite() { Found::Number(number) } else { Found::Nothing }
}

impl Tally {
    /// Of what must come, nothing due says nothing; what must not come did not come either way.
    fn find(self, counts: Counts) -> Found {
        let n = match self {
            Self::Late | Self::Missing if counts.n_expected == 0 => return Found::Nothing,
            Self::Late => {
                let n_late = counts.n_late + counts.n_missing;
                return Found::Number(n_late as f64 / counts.n_expected as f64);
            }
            Self::Missing => counts.n_missing,
            Self::Wrong => counts.n_wrong,
            Self::Duplicate => counts.n_duplicate,
            Self::Early => counts.n_early,
        };
        Found::Number(n as f64)
    }
}

/// Three digits: `1.31 s`, `83.2 ms`.
fn show_secs(secs: f64) -> String {
    let duration = Duration::try_from_secs_f64(secs).unwrap_or_default();
    let millis = duration.as_secs_f64() * 1e3;
    match millis {
        _ if millis < 100.0 => format!("{} ms", (millis * 10.0).round() / 10.0),
        _ if millis < 1_000.0 => format!("{} ms", millis.round()),
        _ if millis < 100_000.0 => format!("{} s", (millis / 10.0).round() / 100.0),
        _ => format!("{} s", (millis / 1e3).round()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use engine::event::EventKind;

    use super::*;
    use crate::measure::{Coverage, WordScore};

    /// 1 ms to 100 ms, and two that never came; 97 of 100 words right, 2 in gaps; 1 s in 100 s lost.
    fn score() -> Score {
        let mut latencies = Latencies::new();
        (1..=98).for_each(|ms| latencies.record(Duration::from_millis(ms)));
        (0..2).for_each(|_| latencies.record_never());
        let counts =
            Counts { n_expected: 100, n_late: 3, n_missing: 2, n_duplicate: 1, n_wrong: 4, n_early: 5 };
        let mut score = Score::default();
        score.figures.insert(Figure::Final, (latencies, counts));
        score.words = WordScore {
            n_said: 102,
            n_deleted: 4,
            n_in_gaps: 2,
            n_inserted: 1,
            n_retracted: 1,
            n_shown: 50,
            ..WordScore::default()
        };
        score.coverage = Coverage { sent: Duration::from_secs(100), in_gaps: Duration::from_secs(1) };
        score
    }

    fn check(objective: &str, measured: &str, is_met: bool) {
        let judged = objective.parse::<Objective>().unwrap().judge(&score());
        assert_eq!((judged.measured.as_str(), judged.is_met), (measured, is_met), "{objective}");
    }

    #[test]
    fn latencies_are_held_against_bounds() {
        check("transcript.final:p50<51ms", "50 ms", true);
        check("transcript.final:p50<50ms", "50 ms", false);
        check("transcript.final:p50<=50ms", "50 ms", false); // 50.015 ms: HdrHistogram tells the end of its bucket
        check("transcript.final:p50>10ms", "50 ms", true);
        check("transcript.final:p98<1s", "98 ms", true);
    }

    #[test]
    fn what_never_came_meets_nothing() {
        check("transcript.final:p99<1h", "never", false);
        check("transcript.final:max>1s", "never", false);
        check("transcript.final:missing==0", "2", false);
        check("transcript.final:late<=5%", "5 %", true);
        check("transcript.final:late<5%", "5 %", false);
    }

    #[test]
    fn nothing_due_is_not_met_unless_it_may_be() {
        check("alert.dead_air:p99<1s", "nothing was due", false);
        check("alert.dead_air?:p99<1s", "nothing was due", true);
        check("alert.dead_air:missing==0", "nothing was due", false);
        check("alert.dead_air?:missing==0", "nothing was due", true);
        check("alert.dead_air:wrong==0", "0", true);
        let judge = |text: &str| text.parse::<Objective>().unwrap().judge(&Score::default());
        for text in
            ["coverage>=0.5", "wer<=1", "words.lost<=0", "words.retracted<=1", "transcript.final:p50<9s"]
        {
            assert_eq!(
                (judge(text).measured.as_str(), judge(text).is_met),
                ("nothing was due", false),
                "{text}"
            );
        }
    }

    #[test]
    fn counts_shares_and_words() {
        check("transcript.final:wrong<=4", "4", true);
        check("transcript.final:duplicate==0", "1", false);
        check("transcript.final:early==0", "5", false);
        check("coverage>=0.99", "99 %", true);
        check("coverage>=0.995", "99 %", false);
        check("wer<=3%", "3 %", true);
        check("wer<0.03", "3 %", false);
        check("words.lost<=1", "2", false);
        check("words.retracted<=0.02", "2 %", true);
    }

    #[test]
    fn far_off_is_twice_or_never() {
        let is_far_off = |text: &str| text.parse::<Objective>().unwrap().judge(&score()).is_far_off();
        assert!(is_far_off("transcript.final:p99<1h") && is_far_off("transcript.final:p50<20ms"));
        assert!(!is_far_off("transcript.final:p50<40ms") && !is_far_off("transcript.final:p50<60ms"));
        assert!(!is_far_off("coverage>=1") && !is_far_off("alert.dead_air?:p99<1s"));
    }

    #[test]
    fn what_was_missed_is_told_with_what_was_measured() {
        let judged =
            ["coverage>=0.995", "wer<=3%"].map(|text| text.parse::<Objective>().unwrap().judge(&score()));
        assert_eq!(unmet(&judged), ["coverage>=0.995: 99 %"]);
        let mut segment = Score::default();
        segment.figures.insert(Figure::Alert(EventKind::Segment), (Latencies::new(), Counts::default()));
        assert!(!"segment:p50<1s".parse::<Objective>().unwrap().judge(&segment).is_met);
    }
}
