//! Does what was asked for on the command line.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;

use serde_json::json;

use super::args::{Cli, Command, Common, put};
use super::folder::Folder;
use super::leave::{Before, leave};
use super::play::{Mode, listen};
use super::{rig, summary};
use crate::failure::Failure;
use crate::measure::Figure;
use crate::mode::{self, Outcome, Progress, Rig, Row, Stop};
use crate::report;
use crate::scenario::{Draft, Scenario, name_of, show_duration};

/// Makes rigs.
type Make<'a> = &'a mut dyn FnMut(&Scenario, &Stop) -> Result<Box<dyn Rig>, Failure>;

/// Does it. What is to be read goes to stdout, progress to stderr.
pub fn run(cli: Cli) -> Result<(), Failure> {
    run_with(cli, &mut rig::rig)
}

fn run_with(cli: Cli, make: Make<'_>) -> Result<(), Failure> {
    match cli.command {
        Command::Run(common) => measure(Mode::Run, &common, common.draft()?, make),
        Command::Soak(common) => measure(Mode::Soak, &common, common.draft()?, make),
        Command::Ramp(args) => {
            let mut draft = args.common.draft()?;
            put(&mut draft.scenario.search.from, args.from);
            put(&mut draft.scenario.search.to, args.to);
            put(&mut draft.scenario.search.step, args.step);
            measure(Mode::Ramp, &args.common, draft, make)
        }
        Command::FindMax(args) => {
            let mut draft = args.common.draft()?;
            put(&mut draft.scenario.search.from, args.from.or(args.common.feeds));
            put(&mut draft.scenario.search.to, args.to);
            measure(Mode::FindMax, &args.common, draft, make)
        }
        Command::Chaos(args) => {
            let mut draft = args.common.draft()?;
            put(&mut draft.scenario.run.recovery, args.recovery);
            measure(Mode::Chaos, &args.common, draft, make)
        }
        Command::Probe(args) => {
            let mut draft = args.common.draft()?;
            put(&mut draft.scenario.probe.every, args.every);
            put(&mut draft.scenario.probe.listen, args.listen);
            measure(Mode::Probe, &args.common, draft, make)
        }
        Command::Frontier(args) => {
            let inner = if args.find_max { Mode::FindMax } else { Mode::Run };
            frontier(inner, &args.common, args.common.draft()?, make)
        }
        Command::Check { scenario } => say(&described(&Draft::read(&scenario)?.finish()?)),
        Command::Schema => say(&format!("{:#}\n", report::schema().to_value())),
        Command::Compare { baseline, report, fail_on_regression } => {
            let (before, after) = (report::Report::read(&baseline)?, report::Report::read(&report)?);
            regressions(&before, &after, fail_on_regression)
        }
    }
}

/// One server, one mode.
fn measure(mode: Mode, common: &Common, draft: Draft, make: Make<'_>) -> Result<(), Failure> {
    let scenario = draft.finish()?;
    let baseline = common.baseline.as_deref().map(report::Report::read).transpose()?;
    let before = Before::now();
    let folder = claim(common, &scenario, mode.name(), &before)?;
    let stop = Stop::on_signals()?;
    if mode == Mode::Probe {
        mode::export(listen(&scenario)?)?;
    }
    let outcome = {
        let mut rig = make(&scenario, &stop)?;
        mode.play(&scenario, rig.as_mut(), &stop, &mut view(common))
    };
    let (report, files) = leave(&scenario, &before, &outcome, folder.path())?;
    say(&summary::summary(&outcome))?;
    let files: Vec<String> = files.iter().map(|file| format!("{}\n", file.display())).collect();
    say(&files.concat())?;
    if let Some(failure) = outcome.end {
        return Err(failure);
    }
    match (baseline, report) {
        (Some(baseline), Some(report)) => regressions(&baseline, &report, common.fail_on_regression),
        _ => Ok(()),
    }
}

/// One server command after the other, each with a report of its own.
fn frontier(inner: Mode, common: &Common, draft: Draft, make: Make<'_>) -> Result<(), Failure> {
    let scenario = draft.finish()?;
    if scenario.variants.is_empty() {
        return Err(Failure::Usage(
            "frontier compares variants: the scenario needs [[variant]] tables".to_owned(),
        ));
    }
    let before = Before::now();
    let folder = claim(common, &scenario, "frontier", &before)?;
    let stop = Stop::on_signals()?;
    let rows = mode::frontier(&scenario.variants, &stop, &mut |variant| {
        let scenario = scenario.with(variant);
        let outcome: Outcome = {
            let mut rig = make(&scenario, &stop)?;
            inner.play(&scenario, rig.as_mut(), &stop, &mut view(common))
        };
        leave(&scenario, &before, &outcome, &folder.inner(&variant.name))?;
        Ok(outcome)
    });
    write(
        &folder.path().join("frontier.json"),
        &format!("{:#}\n", json!(rows.iter().map(row).collect::<Vec<_>>())),
    )?;
    let table = mode::table(&rows);
    write(&folder.path().join("frontier.txt"), &table)?;
    say(&format!("{table}{}\n", folder.path().display()))?;
    mode::failure(&rows).map_or(Ok(()), Err)
}

/// One variant for programs; what is not finite is null.
fn row(row: &Row) -> serde_json::Value {
    json!({
        "variant": row.name,
        "n_feeds": row.n_feeds,
        "capacity": row.capacity.map(|capacity| capacity.n_feeds),
        "error_rate": row.score.words.error_rate(),
        "word_first_seen_p95_s": row.p95(Figure::WordFirstSeen),
        "final_p95_s": row.p95(Figure::Final),
        "coverage": row.score.coverage.ratio(),
        "feeds_per_core": row.feeds_per_core,
        "failure": row.end.as_ref().map(ToString::to_string),
    })
}

fn claim(common: &Common, scenario: &Scenario, mode: &str, before: &Before) -> Result<Folder, Failure> {
    let name = format!("{}-{mode}-{}", scenario.name, before.stamp());
    Folder::claim(common.out.as_deref(), &name)
}

/// Tells on stderr how a run is doing.
fn view(common: &Common) -> impl FnMut(&Progress) + use<> {
    let is_quiet = common.no_terminal;
    let mut last = None;
    move |progress| {
        if !is_quiet && summary::is_due(last, progress) {
            last = Some(progress.at);
            // Where stderr is closed there is nobody left to tell.
            let _ = writeln!(io::stderr(), "{}", summary::line(progress));
        }
    }
}

/// What a scenario asks for.
fn described(scenario: &Scenario) -> String {
    let mut text = format!(
        "{}: {} at {}, {} over {}\n",
        scenario.name,
        name_of(&scenario.target.kind),
        scenario.target.url(),
        name_of(&scenario.codec()),
        name_of(&scenario.transport()),
    );
    let run = scenario.run;
    let (warm_up, length, grace) =
        (show_duration(run.warm_up), show_duration(run.length), show_duration(run.grace));
    let _ = writeln!(text, "  {length} after {warm_up} of warm-up, {grace} for what is still to come");
    for objective in scenario.objectives() {
        let _ = writeln!(text, "  {objective}");
    }
    for disturbance in &scenario.chaos {
        let _ = writeln!(text, "  {disturbance}");
    }
    text
}

fn say(text: &str) -> Result<(), Failure> {
    let said = io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush());
    said.map_err(|error| Failure::runtime("stdout", error))
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| Failure::runtime(&path.display().to_string(), error))
}
