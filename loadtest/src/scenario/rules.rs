//! What has to fit together in a scenario, whoever said it: a file or a flag.

use std::time::Duration;

use clap::ValueEnum;
use url::Url;

use super::duration::show_duration;
use super::section::Flaw;
use super::spec::{LISTEN, name_of};
use super::{Engine, Scenario, TargetKind, Transport, Trouble, grid};

/// Most feeds: each has a connection, and a process has 65 536 ports to an address.
const FEEDS_MAX: usize = 10_000;
/// Pieces of audio: below, the timer is what is measured; above, the cutting adds latency of its own.
const PIECE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(1));
/// Most threads of the engine: more than cores of any machine.
const WORKERS_MAX: usize = 1_024;
/// Most processor time for a second of audio: one feed is all that a worker can do.
const WORK_MAX: Duration = Duration::from_secs(1);

/// All that does not fit.
pub(super) fn flaws(scenario: &Scenario) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    ways(scenario, &mut flaws);
    addresses(scenario, &mut flaws);
    engine(scenario, &mut flaws);
    sizes(scenario, &mut flaws);
    chaos(scenario, &mut flaws);
    variants(scenario, &mut flaws);
    grid::flaws(scenario, &mut flaws);
    flaws
}

/// Transports lead to the target and carry the codec.
fn ways(scenario: &Scenario, flaws: &mut Vec<Flaw>) {
    let (kind, transport, codec) = (scenario.target.kind, scenario.transport(), scenario.codec());
    if !kind.transports().contains(&transport) {
        let message = format!(
            "{} does not lead to {}, expected {}",
            name_of(&transport),
            name_of(&kind),
            names(kind.transports())
        );
        flaws.push(Flaw::new("feeds.transport", message));
    } else if !transport.codecs().contains(&codec) {
        let message = format!(
            "{} is not sent by {}, expected {}",
            name_of(&codec),
            name_of(&transport),
            names(transport.codecs())
        );
        flaws.push(Flaw::new("feeds.codec", message));
    }
    rtp(scenario, flaws);
    if kind != TargetKind::Aircheck && !scenario.target.feed.is_empty() {
        flaws.push(Flaw::new(
            "target.feed",
            format!("feeds are not added to {}, expected kind aircheck", name_of(&kind)),
        ));
    }
}

/// Each feed has an address to go to.
fn rtp(scenario: &Scenario, flaws: &mut Vec<Flaw>) {
    let mut flaw = |message: String| flaws.push(Flaw::new("feeds.rtp", message));
    match (scenario.transport(), &scenario.feeds.rtp) {
        (Transport::Rtp, None) => {
            flaw(
                "missing, transport rtp needs the address of the first feed such as 127.0.0.1:5004"
                    .to_owned(),
            );
        }
        (Transport::Rtp, Some(address)) => match address.parse::<std::net::SocketAddr>() {
            Err(_) => {
                flaw(format!("\"{address}\", expected an address and a port such as 127.0.0.1:5004"));
            }
            Ok(_) => {
                let last = scenario.feeds.n.and_then(|n| n.checked_sub(1));
                if last.is_some_and(|last| scenario.feeds.rtp(last).is_none()) {
                    flaw(format!("\"{address}\", there are not so many ports two apart from there on"));
                }
            }
        },
        (_, Some(_)) => flaw("nothing is sent there, expected transport rtp".to_owned()),
        (_, None) => {}
    }
}

/// What there is of the engine alone, and what there is not.
fn engine(scenario: &Scenario, flaws: &mut Vec<Flaw>) {
    let Engine { workers, work } = scenario.engine;
    if scenario.target.kind != TargetKind::Engine {
        let given = [("engine.workers", workers.is_some()), ("engine.work", work.is_some())];
        for (key, _) in given.into_iter().filter(|(_, is_given)| *is_given) {
            flaws.push(Flaw::new(key, "the engine is not run here, expected kind engine"));
        }
        return;
    }
    let target = &scenario.target;
    let given = [
        ("target.url", target.url.is_some()),
        ("target.token", target.token.is_some()),
        ("target.command", !target.command.is_empty()),
        ("target.ready", target.ready.is_some()),
        ("target.pid", target.pid.is_some()),
    ];
    for (key, _) in given.into_iter().filter(|(_, is_given)| *is_given) {
        flaws.push(Flaw::new(key, "the engine is run in this process, without a wire, expected none"));
    }
    if let Some(workers) = workers.filter(|n| *n == 0 || *n > WORKERS_MAX) {
        flaws.push(Flaw::new("engine.workers", format!("{workers}, expected 1 to {WORKERS_MAX}")));
    }
    if let Some(work) = work.filter(|work| *work > WORK_MAX) {
        let (work, most) = (show_duration(work), show_duration(WORK_MAX));
        flaws
            .push(Flaw::new("engine.work", format!("{work} for a second of audio, expected at most {most}")));
    }
}

fn names<T: ValueEnum>(choices: &[T]) -> String {
    choices.iter().map(name_of).collect::<Vec<_>>().join(", ")
}

fn addresses(scenario: &Scenario, flaws: &mut Vec<Flaw>) {
    let target = &scenario.target;
    let schemes: &[&str] = match target.kind {
        TargetKind::Engine => return,
        TargetKind::Aircheck => &["http", "https"],
        TargetKind::Deepgram | TargetKind::WhisperLive | TargetKind::Vosk => &["ws", "wss"],
    };
    url("target.url", &target.url(), schemes, scenario, flaws);
    if let Some(ready) = target.ready.as_deref() {
        url("target.ready", ready, &["http", "https"], scenario, flaws);
    }
    let says_where = |words: &[String]| words.iter().any(|word| word.contains(LISTEN));
    if !target.command.is_empty() && target.url().contains(LISTEN) && !says_where(&target.command) {
        flaws.push(Flaw::new(
            "target.command",
            "does not say where to listen, expected {listen} in it, or a url without",
        ));
    }
    if target.pid.is_some() && !target.command.is_empty() {
        flaws.push(Flaw::new("target.pid", "beside command, expected one of the two"));
    }
    if scenario.probe.listen.parse::<std::net::SocketAddr>().is_err() {
        let message =
            format!("\"{}\", expected an address and a port such as 127.0.0.1:9464", scenario.probe.listen);
        flaws.push(Flaw::new("probe.listen", message));
    }
}

fn url(key: &str, text: &str, schemes: &[&str], scenario: &Scenario, flaws: &mut Vec<Flaw>) {
    let expected = schemes.iter().map(|scheme| format!("{scheme}://")).collect::<Vec<_>>().join(" or ");
    let kind = name_of(&scenario.target.kind);
    if text.contains(LISTEN) && scenario.target.command.is_empty() {
        flaws.push(Flaw::new(key, "{listen} without a command, which is what listens there"));
        return;
    }
    match Url::parse(&text.replace(LISTEN, "127.0.0.1:1")) {
        Err(error) => flaws.push(Flaw::new(key, format!("\"{text}\": {error}, expected {expected}"))),
        Ok(url) if !schemes.contains(&url.scheme()) => {
            flaws.push(Flaw::new(key, format!("\"{text}\", kind {kind} expects {expected}")));
        }
        Ok(url) if url.host_str().is_none_or(str::is_empty) => {
            flaws.push(Flaw::new(key, format!("\"{text}\" names no host")));
        }
        Ok(_) => {}
    }
}

fn sizes(scenario: &Scenario, flaws: &mut Vec<Flaw>) {
    let feeds = &scenario.feeds;
    if let Some(n) = feeds.n.filter(|n| *n == 0 || *n > FEEDS_MAX) {
        flaws.push(Flaw::new("feeds.n", format!("{n}, expected 1 to {FEEDS_MAX}")));
    }
    if feeds.piece < PIECE.0 || feeds.piece > PIECE.1 {
        let (min, max) = (show_duration(PIECE.0), show_duration(PIECE.1));
        flaws.push(Flaw::new(
            "feeds.piece",
            format!("{}, expected {min} to {max}", show_duration(feeds.piece)),
        ));
    }
    if scenario.run.length.is_zero() {
        flaws.push(Flaw::new("run.length", "no time at all, expected for example 60s"));
    }
    if scenario.slo.as_ref().is_some_and(Vec::is_empty) {
        flaws.push(Flaw::new("slo", "no objective: without one every load is carried"));
    }
    let search = scenario.search;
    if search.from == 0 || search.step == 0 || search.from > search.to || search.to > FEEDS_MAX {
        let message = format!(
            "from {} to {} in steps of {}, expected 1 <= from <= to <= {FEEDS_MAX} and a step",
            search.from, search.to, search.step
        );
        flaws.push(Flaw::new("search", message));
    }
}

fn chaos(scenario: &Scenario, flaws: &mut Vec<Flaw>) {
    for (idx, disturbance) in scenario.chaos.iter().enumerate() {
        let key = |key: &str| format!("chaos[{idx}].{key}");
        if disturbance.at + disturbance.trouble.length() > scenario.run.length {
            let message = format!(
                "{disturbance} is not over when the run is, after {}",
                show_duration(scenario.run.length)
            );
            flaws.push(Flaw::new(key("at"), message));
        }
        if let Some(why) = cannot(scenario, disturbance.trouble) {
            flaws.push(Flaw::new(key("trouble"), format!("{}: {why}", disturbance.trouble)));
        }
    }
}

/// Why a trouble cannot be made here.
pub(crate) fn cannot(scenario: &Scenario, trouble: Trouble) -> Option<&'static str> {
    let is_started_here = !scenario.target.command.is_empty();
    match trouble {
        Trouble::Kill | Trouble::FullDisk(_) if !is_started_here => {
            Some("needs target.command: the server is started here")
        }
        Trouble::FullDisk(_) if !scenario.target.env.contains_key("XDG_STATE_HOME") => {
            Some("needs XDG_STATE_HOME in target.env: a folder on a disk with less than 1 GiB free")
        }
        Trouble::Freeze(_) if !scenario.target.has_process() => Some("needs target.command or target.pid"),
        Trouble::Scramble { .. } if scenario.transport() != Transport::Rtp => {
            Some("needs transport rtp: over TCP nothing is lost, doubled or swapped")
        }
        Trouble::Disconnect if matches!(scenario.transport(), Transport::Rtp | Transport::InProcess) => {
            Some("needs a transport with connections")
        }
        Trouble::Change if !matches!(scenario.transport(), Transport::Icecast | Transport::Source) => {
            Some("needs transport icecast or source: nothing else can be of another codec")
        }
        Trouble::SlowSink(_) if scenario.transport() == Transport::InProcess => {
            Some("needs a transport with connections")
        }
        Trouble::Garbage(_) if scenario.transport() == Transport::InProcess => {
            Some("the engine alone does not look into its audio")
        }
        _ => None,
    }
}

fn variants(scenario: &Scenario, flaws: &mut Vec<Flaw>) {
    for (idx, variant) in scenario.variants.iter().enumerate() {
        let is_again = scenario.variants.iter().take(idx).any(|earlier| earlier.name == variant.name);
        if is_again {
            flaws.push(Flaw::new(
                format!("variant[{idx}].name"),
                format!("\"{}\" again, expected another", variant.name),
            ));
        }
        if variant.command.as_ref().unwrap_or(&scenario.target.command).is_empty() {
            flaws.push(Flaw::new(format!("variant[{idx}].command"), "missing, and target.command is, too"));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use super::super::Draft;

    /// What is wrong with the text, without the name of the file.
    fn check(text: &str, expected: &[&str]) {
        let told = Draft::parse(Path::new("x"), text).and_then(Draft::finish);
        let told = told.map(|_| String::new()).unwrap_or_else(|failure| failure.to_string());
        assert_eq!(told.lines().collect::<Vec<_>>(), expected, "{text}");
    }

    #[test]
    fn transports_lead_to_targets() {
        check("[target]\nkind = \"deepgram\"", &[]);
        check("[feeds]\ntransport = \"websocket\"", &[]);
        check(
            "[target]\nkind = \"vosk\"\n[feeds]\ntransport = \"icecast\"",
            &["x:4:1: feeds.transport: icecast does not lead to vosk, expected websocket"],
        );
        check(
            "[feeds]\ntransport = \"websocket\"\ncodec = \"mp3\"",
            &["x:3:1: feeds.codec: mp3 is not sent by websocket, expected pcm"],
        );
        check(
            "[feeds]\ntransport = \"rtp\"",
            &[
                "x:1:2: feeds.rtp: missing, transport rtp needs the address of the first feed such as 127.0.0.1:5004",
            ],
        );
        check("[feeds]\ntransport = \"rtp\"\nrtp = \"127.0.0.1:5004\"", &[]);
        check(
            "[feeds]\nn = 9\ntransport = \"rtp\"\nrtp = \"127.0.0.1:65520\"",
            &["x:4:1: feeds.rtp: \"127.0.0.1:65520\", there are not so many ports two apart from there on"],
        );
        check(
            "[feeds]\nrtp = \"127.0.0.1:5004\"",
            &["x:2:1: feeds.rtp: nothing is sent there, expected transport rtp"],
        );
        check(
            "[target]\nkind = \"deepgram\"\nfeed = { profile = \"a\" }",
            &["x:3:1: target.feed: feeds are not added to deepgram, expected kind aircheck"],
        );
    }

    #[test]
    fn addresses_are_of_their_kind() {
        check(
            "[target]\nkind = \"deepgram\"\nurl = \"http://127.0.0.1:1/\"",
            &["x:3:1: target.url: \"http://127.0.0.1:1/\", kind deepgram expects ws:// or wss://"],
        );
        check(
            "[target]\nurl = \"127.0.0.1\"",
            &["x:2:1: target.url: \"127.0.0.1\": relative URL without a base, expected http:// or https://"],
        );
        check(
            "[target]\nurl = \"http://{listen}\"",
            &["x:2:1: target.url: {listen} without a command, which is what listens there"],
        );
        check(
            "[target]\ncommand = [\"aircheck\", \"serve\"]\npid = 1",
            &[
                "x:2:1: target.command: does not say where to listen, expected {listen} in it, or a url without",
                "x:3:1: target.pid: beside command, expected one of the two",
            ],
        );
        check("[target]\nkind = \"engine\"", &[]);
        check(
            "[target]\nkind = \"engine\"\nurl = \"ws://h\"",
            &["x:3:1: target.url: the engine is run in this process, without a wire, expected none"],
        );
        check(
            "[probe]\nlisten = \"9464\"",
            &["x:2:1: probe.listen: \"9464\", expected an address and a port such as 127.0.0.1:9464"],
        );
    }

    #[test]
    fn the_engine_is_run_here_and_nowhere_else() {
        check(
            "[engine]\nwork = \"1ms\"",
            &["x:2:1: engine.work: the engine is not run here, expected kind engine"],
        );
        let engine = "[target]\nkind = \"engine\"";
        check(
            &format!("{engine}\npid = 7\n[engine]\nworkers = 2000\nwork = \"2s\""),
            &[
                "x:3:1: target.pid: the engine is run in this process, without a wire, expected none",
                "x:5:1: engine.workers: 2000, expected 1 to 1024",
                "x:6:1: engine.work: 2s for a second of audio, expected at most 1s",
            ],
        );
        let chaos = |trouble: &str| format!("{engine}\n[[chaos]]\nat = \"1s\"\ntrouble = \"{trouble}\"");
        check(&chaos("burst 1s"), &[]);
        let place = "x:5:1: chaos[0].trouble";
        check(
            &chaos("change"),
            &[&format!(
                "{place}: change: needs transport icecast or source: nothing else can be of another codec"
            )],
        );
        check(
            &chaos("garbage 1s"),
            &[&format!("{place}: garbage 1s: the engine alone does not look into its audio")],
        );
    }

    #[test]
    fn numbers_are_within_reason() {
        check("[feeds]\nn = 10001", &["x:2:1: feeds.n: 10001, expected 1 to 10000"]);
        check("[feeds]\npiece = \"1ms\"", &["x:2:1: feeds.piece: 1ms, expected 5ms to 1s"]);
        check("[run]\nlength = \"0s\"", &["x:2:1: run.length: no time at all, expected for example 60s"]);
        check("slo = []", &["x:1:1: slo: no objective: without one every load is carried"]);
        check(
            "[search]\nfrom = 9\nto = 3",
            &["x:1:2: search: from 9 to 3 in steps of 4, expected 1 <= from <= to <= 10000 and a step"],
        );
    }

    #[test]
    fn troubles_need_what_they_are_done_to() {
        let one = |trouble: &str| format!("[[chaos]]\nat = \"1s\"\ntrouble = \"{trouble}\"");
        check(&one("stall 5s"), &[]);
        check(
            &one("kill"),
            &["x:3:1: chaos[0].trouble: kill: needs target.command: the server is started here"],
        );
        check(&one("freeze 3s"), &["x:3:1: chaos[0].trouble: freeze 3s: needs target.command or target.pid"]);
        check(&format!("[target]\npid = 5\n{}", one("freeze 3s")), &[]);
        let over = "x:3:1: chaos[0].trouble: scramble 2% for 9s: needs transport rtp: over TCP nothing is lost, doubled or swapped";
        check(&one("scramble 2% for 9s"), &[over]);
        check(
            &one("stall 1h"),
            &["x:2:1: chaos[0].at: stall 1h at 1s is not over when the run is, after 1m"],
        );
    }

    #[test]
    fn variants_differ_and_can_be_started() {
        check(
            "[[variant]]\nname = \"a\"\n[[variant]]\nname = \"a\"\ncommand = [\"x\"]",
            &[
                "x:1:1: variant[0].command: missing, and target.command is, too",
                "x:4:1: variant[1].name: \"a\" again, expected another",
            ],
        );
    }
}
