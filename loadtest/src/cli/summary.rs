//! What a report does not say: how sure a capacity is, and how checks came out.

use std::fmt::Write;

use crate::mode::{N_CONFIRMATIONS, Outcome};

/// A line for each check, and one for the capacity.
pub(super) fn summary(outcome: &Outcome) -> String {
    let mut text = String::new();
    for check in &outcome.checks {
        let verdict = if check.is_met { "holds        " } else { "DOES NOT HOLD" };
        // Writing to a text does not fail.
        let _ = writeln!(text, "  {verdict}  {}: {}", check.name, check.measured);
    }
    let Some(capacity) = outcome.capacity else { return text };
    let next = match capacity.n_refused {
        Some(n_refused) => format!(", {n_refused} are not"),
        None => " or more: none higher was tried".to_owned(),
    };
    let proof = match outcome.mode {
        "find-max" => format!("; met {N_CONFIRMATIONS} times in a row"),
        _ => String::new(),
    };
    let _ = writeln!(text, "  {} feeds are carried{next}{proof}", capacity.n_feeds);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mode::fake::Fake;
    use crate::mode::{find_max, ramp, soak};
    use crate::scenario::{Bars, Search};

    #[test]
    fn a_capacity_is_told_with_its_proof() {
        let search = Search { from: 4, to: 20, step: 4 };
        let outcome = Fake::of(12).course(1, |course| find_max(course, search));
        assert_eq!(summary(&outcome), "  12 feeds are carried, 13 are not; met 3 times in a row\n");
        let outcome = Fake::of(100).course(1, |course| ramp(course, search));
        assert_eq!(summary(&outcome), "  20 feeds are carried or more: none higher was tried\n");
    }

    #[test]
    fn checks_are_told_with_what_was_measured() {
        let bars = Bars { files: Some(1.0), ..Bars::default() };
        let outcome = Fake::of(12).course(1, |course| soak(course, bars));
        assert_eq!(summary(&outcome), "  holds          slope of open files: 0.00 +- 0.00 1/h\n");
    }
}
