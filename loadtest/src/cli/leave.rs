//! From what a mode leaves behind to a report in a folder, and what is said of it. The only caller of [`report`].

use std::io::{self, Stderr};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use url::Url;

use crate::failure::Failure;
use crate::measure::{Figure, Measurement};
use crate::mode::{self, About, Check, LATENESS_MAX, Outcome, Progress, Row};
use crate::report::{
    self, Context, Frontier, FrontierVersion, Host, Live, Point, Report, Style, Target, Unit, Verdict,
    Versions,
};
use crate::scenario::{Bound, Judged, Scenario, Subject, Tally, name_of};

/// What is known before anything runs.
pub(super) struct Before {
    machine: Host,
    started_at: Timestamp,
}

impl Before {
    /// Now.
    pub(super) fn now() -> Self {
        Self { machine: Host::here(), started_at: Timestamp::now() }
    }

    /// `20261123T194300Z`, for names.
    pub(super) fn stamp(&self) -> String {
        self.started_at.strftime("%Y%m%dT%H%M%SZ").to_string()
    }
}

/// Writes the report of `outcome` into `folder`; without a single run there is none.
pub(super) fn leave(
    scenario: &Scenario,
    before: &Before,
    outcome: &Outcome,
    folder: &Path,
) -> Result<(Option<Report>, Vec<PathBuf>), Failure> {
    let runs: Vec<Measurement> = outcome.trials.iter().map(|trial| trial.measurement.clone()).collect();
    let Some(mut report) = Report::from(&context(scenario, before, outcome), &runs) else {
        return Ok((None, Vec::new()));
    };
    // That of the mode, which may be another than that of the run whose numbers are shown.
    report.verdict = match outcome.end {
        Some(Failure::Saturated { .. }) => Verdict::Saturated,
        Some(Failure::Missed(_)) => Verdict::Missed,
        _ => report.verdict,
    };
    let files = report::leave(&report, folder)?;
    Ok((Some(report), files))
}

/// Writes what the variants were found to be into `folder`: for programs, for a terminal and for a browser. `rows` with the
/// mode that they were found in.
pub(super) fn leave_frontier(
    scenario: &Scenario,
    before: &Before,
    (mode, rows): (&str, &[Row]),
    folder: &Path,
) -> Result<Vec<PathBuf>, Failure> {
    let about = rows.iter().map(|row| &row.about).find(|about| about.version.is_some());
    let about = About { model: None, ..about.cloned().unwrap_or_default() };
    let frontier = Frontier {
        schema: FrontierVersion::V1,
        scenario: scenario.name.clone(),
        mode: mode.to_owned(),
        machine: before.machine.clone(),
        versions: versions(&about),
        started_at: before.started_at,
        variants: rows.iter().map(point).collect(),
    };
    let frontier = frontier.judged();
    let files = [
        ("frontier.html", report::frontier_page(&frontier)),
        ("frontier.json", frontier.to_json()),
        ("frontier.txt", mode::table(rows)),
    ];
    let write = |(name, text): (&str, String)| {
        let path = folder.join(name);
        let tried = format!("cannot write {}", path.display());
        std::fs::write(&path, text).map_err(|error| Failure::runtime(&tried, error))?;
        Ok(path)
    };
    files.into_iter().map(write).collect()
}

fn point(row: &Row) -> Point {
    let finite = |number: f64| number.is_finite().then_some(number);
    Point {
        variant: row.name.clone(),
        values: row.values.iter().cloned().collect(),
        n_feeds: row.n_feeds,
        capacity: row.capacity.map(|capacity| capacity.n_feeds),
        error_rate: finite(row.score.words.error_rate()),
        word_first_seen_p95_s: finite(row.p95(Figure::WordFirstSeen)),
        final_p95_s: finite(row.p95(Figure::Final)),
        coverage: finite(row.score.coverage.ratio()),
        feeds_per_core: row.feeds_per_core,
        failure: row.end.as_ref().map(ToString::to_string),
        is_best: false,
    }
}

/// What is said of a report on stdout.
pub(super) fn table(report: &Report) -> String {
    report::table(report, Style::of_stdout())
}

/// Tells on stderr how a run is doing.
pub(super) struct View(Option<Live<Stderr>>);

impl View {
    /// `None`: it tells nothing.
    pub(super) fn new(style: Option<Style>) -> Self {
        Self(style.map(|style| Live::new(io::stderr(), style)))
    }

    /// Once a second.
    pub(super) fn tell(&mut self, progress: &Progress) {
        // Where stderr is closed there is nobody left to tell.
        let _ = self.0.as_mut().map(|live| live.tell(progress));
    }
}

/// The terminal is for what comes next.
impl Drop for View {
    fn drop(&mut self) {
        let _ = self.0.as_mut().map(Live::clear);
    }
}

/// Compares two reports: what is said of it, and a failure if `after` is worse by more than `allowed`.
pub(super) fn compare(before: &Report, after: &Report, allowed: f64) -> (String, Option<Failure>) {
    let changes = report::compare(before, after, allowed);
    let worse = changes.iter().filter(|change| change.regressed);
    let worse: Vec<String> =
        worse.map(|change| format!("{} is worse than the baseline", change.name)).collect();
    let failure = (!worse.is_empty()).then_some(Failure::Missed(worse));
    (report::comparison(&changes, Style::of_stdout()), failure)
}

fn context(scenario: &Scenario, before: &Before, outcome: &Outcome) -> Context {
    let mut judged: Vec<Vec<report::Objective>> =
        outcome.trials.iter().map(|trial| trial.judged.iter().map(objective).collect()).collect();
    if let Some(last) = judged.last_mut() {
        last.extend(outcome.checks.iter().map(check));
    }
    Context {
        scenario: scenario.name.clone(),
        mode: outcome.mode.to_owned(),
        target: target(scenario, &outcome.about),
        machine: before.machine.clone(),
        versions: versions(&outcome.about),
        started_at: before.started_at,
        lateness_allowed: LATENESS_MAX,
        judged,
        capacity: outcome.capacity.map(|capacity| capacity.n_feeds),
    }
}

/// Where the server was.
fn target(scenario: &Scenario, about: &About) -> Target {
    let url = about.address.clone().unwrap_or_else(|| scenario.target.url());
    Target { kind: name_of(&scenario.target.kind), address: address(&url) }
}

fn versions(about: &About) -> Versions {
    Versions { target: about.version.clone(), model: about.model.clone(), ..Versions::here() }
}

/// Without what a URL may hold of secrets: user, password, query.
fn address(url: &str) -> String {
    let Ok(mut parsed) = Url::parse(url) else { return url.to_owned() };
    // They fail for URLs that cannot have users, which have none.
    let _ = parsed.set_username("");
    let _ = parsed.set_password(None);
    parsed.set_query(None);
    parsed.to_string()
}

fn objective(judged: &Judged) -> report::Objective {
    let objective = &judged.objective;
    let unit = match (objective.bound, objective.subject) {
        (Bound::Time(_), _) => Unit::Ms,
        (_, Subject::WordsLost) => Unit::Count,
        (_, Subject::Tally(_, tally)) if tally != Tally::Late => Unit::Count,
        _ => Unit::Ratio,
    };
    let scale = if unit == Unit::Ms { 1e3 } else { 1.0 };
    report::Objective {
        name: objective.name(),
        operator: objective.compare.name().to_owned(),
        bound: objective.bound.number() * scale,
        unit,
        measured: judged.number.map(|number| number * scale),
        met: judged.is_met,
    }
}

fn check(check: &Check) -> report::Objective {
    let (name, unit, scale) = match check.unit {
        "s" => (check.name.clone(), Unit::Ms, 1e3),
        "1" => (check.name.clone(), Unit::Count, 1.0),
        unit => (format!("{}, {unit}", check.name), Unit::Count, 1.0),
    };
    report::Objective {
        name,
        operator: "<=".to_owned(),
        bound: check.bound * scale,
        unit,
        measured: check.number.map(|number| number * scale),
        met: check.is_met,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::measure::Score;
    use crate::mode::fake::Fake;
    use crate::mode::{find_max, run};
    use crate::scenario::{Objective, Search};

    #[test]
    fn a_search_that_the_generator_ended_is_saturated_whatever_its_last_run_was() {
        let folder = tempfile::tempdir().unwrap();
        let search = Search { from: 4, to: 64, step: 1 };
        let outcome = Fake { saturates_at: 12, ..Fake::of(40) }.course(1, |course| find_max(course, search));
        assert_ne!(outcome.trials.last().map(|trial| trial.verdict), Some(crate::mode::Verdict::Saturated));
        let (report, _) = leave(&Scenario::default(), &Before::now(), &outcome, folder.path()).unwrap();
        assert_eq!(report.map(|report| (report.verdict, report.capacity)), Some((Verdict::Saturated, None)));
    }

    #[test]
    fn who_was_measured_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let outcome = Fake::of(40).course(1, run);
        let (report, _) = leave(&Scenario::default(), &Before::now(), &outcome, folder.path()).unwrap();
        let Report { target, versions, .. } = report.unwrap();
        assert_eq!(target.address, "http://fake:1/");
        assert_eq!(
            (versions.target.as_deref(), versions.model.as_deref()),
            (Some("fake 1.0"), Some("small"))
        );
        let unknown = super::target(&Scenario::default(), &About::default());
        assert_eq!(unknown.address, "http://127.0.0.1:8080/");
    }

    #[test]
    fn secrets_of_addresses_are_not_left() {
        assert_eq!(address("wss://user:secret@host/v1/listen?token=x"), "wss://host/v1/listen");
        assert_eq!(address("http://{listen}"), "http://{listen}/");
    }

    #[test]
    fn objectives_keep_their_meaning() {
        let of = |text: &str| objective(&text.parse::<Objective>().unwrap().judge(&Score::default()));
        let latency = of("transcript.final:p95<1.5s");
        assert_eq!((latency.name.as_str(), latency.operator.as_str()), ("transcript.final:p95", "<"));
        assert_eq!(
            (latency.bound, latency.unit, latency.measured, latency.met),
            (1_500.0, Unit::Ms, None, false)
        );
        let wrong = of("alert.dead_air:wrong==0");
        assert_eq!((wrong.unit, wrong.measured, wrong.met), (Unit::Count, Some(0.0), true));
        assert_eq!((of("alert.dead_air:late<=1%").unit, of("coverage>=0.9").bound), (Unit::Ratio, 0.9));
    }

    #[test]
    fn checks_become_objectives() {
        let slope = Check {
            name: "slope of memory".to_owned(),
            number: Some(2.0),
            bound: 1.0,
            unit: "MiB/h",
            measured: String::new(),
            is_met: false,
        };
        assert_eq!(
            (check(&slope).name.as_str(), check(&slope).unit),
            ("slope of memory, MiB/h", Unit::Count)
        );
        let recovery = Check { unit: "s", ..slope };
        assert_eq!((check(&recovery).bound, check(&recovery).measured), (1_000.0, Some(2_000.0)));
    }
}
