//! Does what was asked for on the command line.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::PathBuf;

use super::args::{Cli, Command, Common, put};
use super::folder::Folder;
use super::leave::{Before, View, compare, leave, leave_frontier, table};
use super::play::{Mode, listen};
use super::rig;
use super::summary::summary;
use crate::failure::Failure;
use crate::mode::{self, Outcome, Rig, Stop};
use crate::report::{Report, Style, schema};
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
        Command::Schema => say(&format!("{:#}\n", schema().to_value())),
        Command::Compare { baseline, report, fail_on_regression } => {
            let (before, after) = (Report::read(&baseline)?, Report::read(&report)?);
            told(compare(&before, &after, fail_on_regression))
        }
    }
}

/// One server, one mode.
fn measure(mode: Mode, common: &Common, draft: Draft, make: Make<'_>) -> Result<(), Failure> {
    let scenario = draft.finish()?;
    if scenario.variants.iter().any(|variant| !variant.values.is_empty()) {
        let why =
            format!("{} has a grid of variants, and a {} measures one: frontier", scenario.name, mode.name());
        return Err(Failure::Usage(why));
    }
    let baseline = common.baseline.as_deref().map(Report::read).transpose()?;
    let before = Before::now();
    let folder = claim(common, &scenario, mode.name(), &before)?;
    let stop = Stop::on_signals()?;
    if mode == Mode::Probe {
        mode::export(listen(&scenario)?)?;
    }
    let outcome = {
        let (mut rig, mut view) = (make(&scenario, &stop)?, view(common));
        mode.play(&scenario, rig.as_mut(), &stop, &mut |progress| view.tell(progress))
    };
    let (report, files) = leave(&scenario, &before, &outcome, folder.path())?;
    let table = report.as_ref().map(table).unwrap_or_default();
    say(&format!("{table}{}\n{}", summary(&outcome), listed(&files)))?;
    let compared = match (&baseline, &report) {
        (Some(baseline), Some(report)) => told(compare(baseline, report, common.fail_on_regression)),
        _ => Ok(()),
    };
    // What is wrong with the run itself comes first.
    outcome.end.map_or(compared, Err)
}

/// Files, a line each.
fn listed(files: &[PathBuf]) -> String {
    files.iter().map(|file| format!("  {}\n", file.display())).collect()
}

fn told((text, failure): (String, Option<Failure>)) -> Result<(), Failure> {
    say(&text)?;
    failure.map_or(Ok(()), Err)
}

/// One server command after the other, each with a report of its own.
fn frontier(inner: Mode, common: &Common, draft: Draft, make: Make<'_>) -> Result<(), Failure> {
    let scenario = draft.finish()?;
    if scenario.variants.is_empty() {
        return Err(Failure::Usage(
            "frontier compares variants: the scenario needs a [grid], or [[variant]] tables".to_owned(),
        ));
    }
    let before = Before::now();
    let folder = claim(common, &scenario, "frontier", &before)?;
    let stop = Stop::on_signals()?;
    let rows = mode::frontier(&scenario.variants, &stop, &mut |variant| {
        let scenario = scenario.with(variant);
        let outcome: Outcome = {
            let (mut rig, mut view) = (make(&scenario, &stop)?, view(common));
            inner.play(&scenario, rig.as_mut(), &stop, &mut |progress| view.tell(progress))
        };
        leave(&scenario, &before, &outcome, &folder.inner(&variant.name))?;
        Ok(outcome)
    });
    let table = mode::table(&rows);
    let files = leave_frontier(&scenario, &before, (inner.name(), &rows), folder.path())?;
    say(&format!("{table}{}", listed(&files)))?;
    mode::failure(&rows).map_or(Ok(()), Err)
}

fn claim(common: &Common, scenario: &Scenario, mode: &str, before: &Before) -> Result<Folder, Failure> {
    let name = format!("{}-{mode}-{}", scenario.name, before.stamp());
    Folder::claim(common.out.as_deref(), &name)
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

fn view(common: &Common) -> View {
    View::new((!common.no_terminal).then(Style::of_stderr))
}

fn say(text: &str) -> Result<(), Failure> {
    let said = io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush());
    said.map_err(|error| Failure::runtime("stdout", error))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use clap::Parser;

    use super::*;
    use crate::mode::fake::Fake;
    use crate::report::Frontier;

    /// Runs a command line with a server that carries `capacity` feeds; its report goes to `out`.
    fn play(capacity: usize, out: &Path, flags: &[&str]) -> Result<(), Failure> {
        let (mode, flags) = flags.split_first().unwrap();
        let common =
            ["aircheck-loadtest", mode, "--no-terminal", "--length", "20s", "--out"].map(PathBuf::from);
        let words = common.into_iter().chain([out.to_owned()]).chain(flags.iter().map(PathBuf::from));
        let slo = ["--slo", "transcript.final:p95<3s", "--slo", "coverage>=0.995"].map(PathBuf::from);
        let cli = Cli::try_parse_from(words.chain(slo)).unwrap();
        run_with(cli, &mut |scenario, _| {
            let by_variant = scenario.target.env.get("CAPACITY").map(|capacity| capacity.parse().unwrap());
            Ok(Box::new(Fake::of(by_variant.unwrap_or(capacity))))
        })
    }

    #[test]
    fn a_run_leaves_its_report_and_tells_its_verdict() {
        let folder = tempfile::tempdir().unwrap();
        let (met, missed) = (folder.path().join("met"), folder.path().join("missed"));
        assert!(play(10, &met, &["run", "--feeds", "8"]).is_ok());
        assert!(matches!(play(10, &missed, &["run", "--feeds", "20"]), Err(Failure::Missed(_))));
        let reports = [&met, &missed].map(|out| Report::read(&out.join("report.json")).unwrap());
        assert_eq!((reports[0].n_feeds, reports[1].n_feeds), (8, 20));
        assert!(reports[0].objectives.iter().all(|objective| objective.met));
        assert!(
            matches!(play(10, &met, &["run"]), Err(Failure::Usage(_))),
            "written over another one's report"
        );
    }

    #[test]
    fn a_search_leaves_the_capacity() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        play(12, &out, &["find-max", "--from", "4", "--to", "64"]).unwrap();
        let report = Report::read(&out.join("report.json")).unwrap();
        assert_eq!((report.capacity, report.n_feeds, report.mode.as_str()), (Some(12), 12, "find-max"));
    }

    #[test]
    fn worse_than_the_baseline_is_missed() {
        let folder = tempfile::tempdir().unwrap();
        let (before, after) = (folder.path().join("before"), folder.path().join("after"));
        play(20, &before, &["find-max"]).unwrap();
        let baseline = before.join("report.json");
        let flags = ["find-max", "--baseline", baseline.to_str().unwrap()];
        let failure = play(10, &after, &flags).unwrap_err();
        assert!(failure.to_string().contains("capacity is worse than the baseline"), "{failure}");
        assert!(play(20, &folder.path().join("same"), &flags).is_ok());
    }

    #[test]
    fn each_variant_has_its_report_and_its_row() {
        let folder = tempfile::tempdir().unwrap();
        let (file, out) = (folder.path().join("x.toml"), folder.path().join("out"));
        let variant = |name: &str, n: usize| {
            format!("[[variant]]\nname = \"{name}\"\nenv = {{ CAPACITY = \"{n}\" }}\n")
        };
        let command = "[target]\ncommand = [\"x\", \"{listen}\"]\n";
        std::fs::write(&file, format!("{command}{}{}", variant("a/b", 6), variant("c", 9))).unwrap();
        play(1, &out, &["frontier", "--find-max", "--scenario", file.to_str().unwrap()]).unwrap();
        let frontier = std::fs::read_to_string(out.join("frontier.json")).unwrap();
        let Frontier { variants, versions, .. } = serde_json::from_str(&frontier).unwrap();
        assert_eq!((variants[0].capacity, variants[1].capacity), (Some(6), Some(9)));
        assert_eq!((variants[0].word_first_seen_p95_s, variants[0].error_rate), (None, Some(0.05)));
        assert_eq!(versions.target.as_deref(), Some("fake 1.0"));
        assert!(
            std::fs::read_to_string(out.join("frontier.html")).unwrap().contains("<td class=\"n\">9</td>")
        );
        assert_eq!(Report::read(&out.join("a_b/report.json")).unwrap().capacity, Some(6));
        let none = play(1, &folder.path().join("none"), &["frontier"]).unwrap_err();
        assert!(none.to_string().contains("[[variant]]"), "{none}");
    }

    #[test]
    fn a_grid_is_for_a_frontier_only() {
        let folder = tempfile::tempdir().unwrap();
        let (file, out) = (folder.path().join("x.toml"), folder.path().join("out"));
        let target = "[target]\ncommand = [\"x\", \"{listen}\"]\nenv = { CAPACITY = \"{n}\" }\n";
        std::fs::write(&file, format!("{target}[grid]\nn = [6, 9]\n")).unwrap();
        let scenario = ["--scenario", file.to_str().unwrap()];
        let failure = play(1, &out, &["run", scenario[0], scenario[1]]).unwrap_err().to_string();
        assert!(failure.contains("unnamed has a grid of variants"), "{failure}");
        play(1, &out, &["frontier", "--find-max", scenario[0], scenario[1]]).unwrap();
        assert_eq!(Report::read(&out.join("n_9/report.json")).unwrap().capacity, Some(9));
    }

    #[test]
    fn what_cannot_be_started_leaves_no_folder() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let words = ["aircheck-loadtest", "run", "--no-terminal", "--out", out.to_str().unwrap()];
        let cli = Cli::try_parse_from(words).unwrap();
        let failed = run_with(cli, &mut |_, _| Err(Failure::Runtime("connection refused".to_owned())));
        assert!(matches!(failed, Err(Failure::Runtime(_))) && !out.exists());
    }

    #[test]
    fn a_scenario_is_described() {
        let text = described(&Scenario::default());
        assert!(
            text.starts_with("unnamed: aircheck at http://127.0.0.1:8080, mp3 over icecast\n  1m after 10s"),
            "{text}"
        );
        assert!(text.contains("\n  transcript.final:p99<3.3s\n"));
    }
}
