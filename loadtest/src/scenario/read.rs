//! Scenarios from TOML files, and the flags of a command line on top of them.

use std::path::{Path, PathBuf};

use super::duration::parse_duration;
use super::rules::flaws;
use super::section::{Flaw, Page, Places, Section};
use super::spec::by_name;
use super::trouble::parse_share;
use super::{
    Audio, AudioFrom, Bars, Disturbance, Engine, Feeds, Objective, Rounds, Scenario, Search, Target, Timing,
    Token, Variant, grid,
};
use crate::failure::Failure;

/// A scenario that may still be changed, and where its file says what.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// What it says so far.
    pub scenario: Scenario,
    places: Places,
}

impl Draft {
    /// From a file.
    pub fn read(file: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(file);
        let text = text.map_err(|error| Failure::Usage(format!("{}: {error}", file.display())))?;
        Self::parse(file, &text)
    }

    /// From the text of a file; paths in it are relative to its folder.
    pub fn parse(file: &Path, text: &str) -> Result<Self, Failure> {
        let (mut scenario, places) = Page::read(file, text, scenario).map_err(Failure::Usage)?;
        if let AudioFrom::Manifest(manifest) = &mut scenario.programme.from {
            *manifest = file.parent().unwrap_or(Path::new("")).join(&manifest);
        }
        Ok(Self { scenario, places })
    }

    /// The scenario, if it makes sense as a whole; all that does not is told at once.
    pub fn finish(self) -> Result<Scenario, Failure> {
        let flaws: Vec<Flaw> = flaws(&self.scenario);
        if flaws.is_empty() { Ok(self.scenario) } else { Err(Failure::Usage(self.places.tell(&flaws))) }
    }
}

fn scenario(root: &mut Section<'_>) -> Scenario {
    let base = Scenario::default();
    Scenario {
        name: root.text("name").unwrap_or(base.name),
        seed: root.count("seed", 0).unwrap_or(base.seed),
        target: root.section("target", target),
        engine: root.section("engine", engine),
        feeds: root.section("feeds", |section| feeds(section, base.feeds)),
        programme: root.section("programme", |section| audio(section, base.programme)),
        run: root.section("run", |section| timing(section, base.run)),
        slo: root.each("slo", objective),
        chaos: root.sections("chaos", disturbance).unwrap_or(base.chaos),
        search: root.section("search", |section| search(section, base.search)),
        bars: root.section("soak", bars),
        probe: root.section("probe", |section| rounds(section, base.probe)),
        variants: variants(root),
    }
}

fn objective(text: &str) -> Result<Objective, String> {
    text.parse::<Objective>().map_err(|error| error.to_string())
}

fn target(section: &mut Section<'_>) -> Target {
    let base = Target::default();
    let given = section.text("token").map(Token::Given);
    let named = section.text("token_env").map(Token::Env);
    if given.is_some() && named.is_some() {
        section.flaw("token_env", "beside token, expected one of the two");
    }
    Target {
        kind: section.parsed("kind", by_name).unwrap_or(base.kind),
        url: section.text("url"),
        token: given.or(named),
        command: section.each("command", |word| Ok(word.to_owned())).unwrap_or_default(),
        env: section.texts("env"),
        config: section.text("config"),
        ready: section.text("ready"),
        pid: section.count("pid", 1),
        feed: section.free("feed"),
    }
}

fn engine(section: &mut Section<'_>) -> Engine {
    Engine { workers: section.count("workers", 1), work: section.parsed("work", parse_duration) }
}

fn feeds(section: &mut Section<'_>, base: Feeds) -> Feeds {
    Feeds {
        n: section.count("n", 1),
        transport: section.parsed("transport", by_name),
        piece: section.parsed("piece", parse_duration).unwrap_or(base.piece),
        codec: section.parsed("codec", by_name),
        burst: section.parsed("burst", parse_duration).unwrap_or(base.burst),
        rtp: section.text("rtp"),
    }
}

fn audio(section: &mut Section<'_>, base: Audio) -> Audio {
    let sample = section.text("sample");
    let manifest = section.text("manifest");
    if sample.is_some() && manifest.is_some() {
        section.flaw("manifest", "beside sample, expected one of the two");
    }
    let manifest = manifest.map(|manifest| AudioFrom::Manifest(manifest.into()));
    let from = manifest.or(sample.map(AudioFrom::Sample)).unwrap_or(base.from);
    Audio { from, sample_dir: section.text("sample_dir").map(PathBuf::from) }
}

fn timing(section: &mut Section<'_>, base: Timing) -> Timing {
    Timing {
        warm_up: section.parsed("warm_up", parse_duration).unwrap_or(base.warm_up),
        length: section.parsed("length", parse_duration).unwrap_or(base.length),
        grace: section.parsed("grace", parse_duration).unwrap_or(base.grace),
        recovery: section.parsed("recovery", parse_duration).unwrap_or(base.recovery),
    }
}

fn disturbance(section: &mut Section<'_>) -> Option<Disturbance> {
    let at = section.parsed("at", parse_duration);
    let trouble = section.parsed("trouble", str::parse);
    let share = section.written("share", parse_share).unwrap_or(1.0);
    for (key, is_there) in [("at", section.has("at")), ("trouble", section.has("trouble"))] {
        if !is_there {
            section.flaw(key, "missing, expected for example at = \"30s\", trouble = \"stall 5s\"");
        }
    }
    Some(Disturbance { at: at?, trouble: trouble?, share })
}

fn search(section: &mut Section<'_>, base: Search) -> Search {
    Search {
        from: section.count("from", 1).unwrap_or(base.from),
        to: section.count("to", 1).unwrap_or(base.to),
        step: section.count("step", 1).unwrap_or(base.step),
    }
}

fn bars(section: &mut Section<'_>) -> Bars {
    Bars {
        memory: section.number("memory_mib_per_hour"),
        files: section.number("files_per_hour"),
        lag: section.number("lag_ms_per_hour"),
    }
}

fn rounds(section: &mut Section<'_>, base: Rounds) -> Rounds {
    Rounds {
        every: section.parsed("every", parse_duration).unwrap_or(base.every),
        listen: section.text("listen").unwrap_or(base.listen),
    }
}

/// Those of the tables, and those of the grid behind them.
fn variants(root: &mut Section<'_>) -> Vec<Variant> {
    let tables = root.sections("variant", variant).unwrap_or_default();
    let axes = root.axes("grid");
    grid::flaws_of(&axes).into_iter().for_each(|flaw| root.flaw(&flaw.key, flaw.message));
    [tables, grid::variants(&axes)].concat()
}

fn variant(section: &mut Section<'_>) -> Option<Variant> {
    let name = section.text("name");
    if !section.has("name") {
        section.flaw("name", "missing, expected a text in quotes");
    }
    let command = section.each("command", |word| Ok(word.to_owned()));
    let (env, feed) = (section.texts("env"), section.free("feed"));
    Some(Variant { name: name?, command, env, feed, values: Vec::new() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use std::time::Duration;

    use super::*;
    use crate::scenario::{Codec, TargetKind, Transport, Trouble};

    fn read(text: &str) -> Result<Scenario, String> {
        let draft = Draft::parse(Path::new("some/x.toml"), text).and_then(Draft::finish);
        draft.map_err(|failure| failure.to_string())
    }

    fn errors(text: &str) -> Vec<String> {
        read(text).unwrap_err().lines().map(str::to_owned).collect()
    }

    #[test]
    fn an_empty_file_is_the_default() {
        assert_eq!(read(""), Ok(Scenario::default()));
    }

    const EVERYTHING: &str = r#"
name = "all"
seed = 7
slo = ["coverage>=0.9", "transcript.final:p95<3s"]
[target]
kind = "aircheck"
url = "http://{listen}"
token_env = "TOKEN"
command = ["aircheck", "serve", "--listen", "{listen}"]
env = { AIRCHECK_LOG = "info" }
ready = "http://{listen}/livez"
feed = { profile = "news", priority = 3 }
[feeds]
n = 40
transport = "source"
piece = "20ms"
codec = "opus"
burst = "0s"
[programme]
manifest = "clips.toml"
sample_dir = "/samples"
[run]
warm_up = "5s"
length = "2m"
grace = "3s"
recovery = "20s"
[[chaos]]
at = "30s"
trouble = "stall 5s"
share = "50%"
[search]
from = 2
to = 80
step = 8
[soak]
memory_mib_per_hour = 2
files_per_hour = 0.5
lag_ms_per_hour = 20.0
[probe]
every = "1m"
listen = "127.0.0.1:9999"
[[variant]]
name = "small"
command = ["aircheck", "serve", "--listen", "{listen}", "--model", "tiny.en"]
env = { A = "b" }
feed = { profile = "small" }
"#;

    #[test]
    fn everything_that_is_said_is_taken() {
        let scenario = read(EVERYTHING).unwrap();
        assert_eq!((scenario.name.as_str(), scenario.seed, scenario.objectives().len()), ("all", 7, 2));
        assert_eq!(scenario.target.token, Some(Token::Env("TOKEN".to_owned())));
        assert_eq!(scenario.target.feed["priority"], 3);
        assert_eq!(
            (scenario.feeds.n.unwrap(), scenario.transport(), scenario.codec()),
            (40, Transport::Source, Codec::Opus)
        );
        assert_eq!(scenario.programme.from, AudioFrom::Manifest("some/clips.toml".into()));
        assert_eq!(scenario.run.length, Duration::from_secs(120));
        let stall = Trouble::Stall(Duration::from_secs(5));
        assert_eq!(scenario.chaos, [Disturbance { at: Duration::from_secs(30), trouble: stall, share: 0.5 }]);
        assert_eq!(scenario.search, Search { from: 2, to: 80, step: 8 });
        assert_eq!(scenario.bars, Bars { memory: Some(2.0), files: Some(0.5), lag: Some(20.0) });
        assert_eq!(scenario.probe.listen, "127.0.0.1:9999");
        let small = scenario.with(&scenario.variants[0]);
        assert_eq!((small.target.command.len(), small.target.env.len()), (6, 2));
        assert_eq!(
            (&small.target.feed["profile"], &small.target.feed["priority"]),
            (&"small".into(), &3.into())
        );
    }

    #[test]
    fn all_that_is_wrong_is_told_with_its_place() {
        let text = "nam = \"x\"\nslo = [\"covrage>=1\", 3]\n[target]\nkind = \"airchek\"\n[feeds]\nn = 0\npiece = \"5\"\n\
            [run]\nlenght = \"1m\"\n[[chaos]]\nat = \"1s\"\ntrouble = \"stal 3s\"\nshare = 1.5\n[[chaos]]\n";
        let expected = [
            "some/x.toml:1:1: nam: unknown key; did you mean \"name\"?",
            "some/x.toml:2:8: slo[0]: objective \"covrage>=1\", character 1: \"covrage\" is nothing that is measured; did \
             you mean \"coverage\"?",
            "some/x.toml:2:22: slo[1]: 3, expected a text in quotes",
            "some/x.toml:4:1: target.kind: \"airchek\", expected \"aircheck\", \"deepgram\", \"whisperlive\", \"vosk\", \
             \"engine\"",
            "some/x.toml:6:1: feeds.n: 0, expected an integer, 1 or more",
            "some/x.toml:7:1: feeds.piece: \"5\", expected a duration such as 300ms, 5s, 2m or 1.5h",
            "some/x.toml:9:1: run.lenght: unknown key; did you mean \"length\"?",
            "some/x.toml:12:1: chaos[0].trouble: \"stal\" is no trouble; did you mean \"stall\"?",
            "some/x.toml:13:1: chaos[0].share: \"1.5\", expected a share such as 50% or 0.5",
            "some/x.toml:14:1: chaos[1].at: missing, expected for example at = \"30s\", trouble = \"stall 5s\"",
            "some/x.toml:14:1: chaos[1].trouble: missing, expected for example at = \"30s\", trouble = \"stall 5s\"",
        ];
        assert_eq!(errors(text), expected);
    }

    #[test]
    fn what_is_no_toml_is_told_line_by_line() {
        let told = errors("name = \n[feeds\nn = 3\n");
        assert!(
            told.len() >= 2 && told[0].starts_with("some/x.toml:1:") && told[1].starts_with("some/x.toml:2:"),
            "{told:?}"
        );
        assert!(!told[0].contains(": 0:"), "{told:?}");
        assert!(errors("feeds = 3")[0].contains("3, expected a table: [feeds]"));
        assert!(errors("chaos = 3")[0].contains("3, expected tables: [[chaos]]"));
        assert!(errors("[target]\nenv = { A = 3 }")[0].contains("target.env: A: 3, expected a text"));
    }

    #[test]
    fn what_nobody_said_follows_from_the_rest() {
        let scenario = read("").unwrap();
        assert_eq!(scenario.objectives(), Objective::defaults());
        let engine = read("[target]\nkind = \"engine\"\n[engine]\nworkers = 3\nwork = \"1ms\"").unwrap();
        assert_eq!(engine.objectives(), Objective::engine_defaults());
        assert_eq!((engine.engine.workers(), engine.engine.work()), (3, Duration::from_millis(1)));
        assert!(scenario.engine.workers() > 0 && scenario.engine.work() > Duration::ZERO);
        assert_eq!(scenario.bars(), Bars { memory: None, files: None, lag: Some(10.0) });
        let known = read("[target]\npid = 7\n[soak]\nmemory_mib_per_hour = 3").unwrap();
        assert_eq!(known.bars(), Bars { memory: Some(3.0), files: Some(1.0), lag: Some(10.0) });
        assert_eq!(scenario.target.url(), "http://127.0.0.1:8080");
        let started = read("[target]\ncommand = [\"x\", \"{listen}\"]").unwrap().target;
        assert_eq!(started.url(), "http://{listen}");
    }

    #[test]
    fn one_of_two_is_not_both() {
        let told = errors(
            "[target]\ntoken = \"a\"\ntoken_env = \"b\"\n[programme]\nsample = \"a\"\nmanifest = \"b\"",
        );
        assert_eq!(told.len(), 2);
        assert!(
            told[0].contains("3:1: target.token_env") && told[1].contains("6:1: programme.manifest"),
            "{told:?}"
        );
    }

    #[test]
    fn secrets_are_not_shown() {
        let scenario = read("[target]\ntoken = \"hunter22\"").unwrap();
        assert_eq!(scenario.target.token.as_ref().unwrap().secret(), Ok("hunter22".to_owned()));
        assert!(!format!("{scenario:?}").contains("hunter22"));
        let unset = Token::Env("AIRCHECK_NO_SUCH_VARIABLE".to_owned());
        assert!(unset.secret().unwrap_err().contains("AIRCHECK_NO_SUCH_VARIABLE"));
        assert_eq!(scenario.target.kind, TargetKind::Aircheck);
    }

    #[test]
    fn every_scenario_that_is_shipped_makes_sense() {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios"));
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let scenario =
                Draft::read(&path).and_then(Draft::finish).unwrap_or_else(|failure| panic!("{failure}"));
            assert_eq!(path.file_stem(), Some(scenario.name.as_ref()));
            names.push(scenario.name);
        }
        names.sort();
        let shipped = [
            "capacity",
            "chaos",
            "codecs",
            "engine",
            "frontier",
            "peers-websocket",
            "probe",
            "rtp",
            "smoke",
            "soak",
        ];
        assert_eq!(names, shipped);
    }
}
