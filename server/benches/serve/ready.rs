//! From the start of the program to its being ready, with a model and feeds that talk at once.

use crate::args::Args;
use crate::figures::quantile;
use crate::processes::Taken;
use crate::programme::speech_wav;
use crate::service::{Config, Service, get};
use crate::table::Bar;

const N_FEEDS: usize = 20;
const N_STARTS: usize = 5;
const READY_SECS_MAX: f64 = 3.0;

pub(crate) fn measure(args: &Args) -> Vec<Bar> {
    let n_feeds = args.n_feeds(N_FEEDS);
    let dir = tempfile::tempdir().unwrap();
    let source = format!("file:{}", speech_wav(dir.path()));
    // None of them is refused: the service has as much to do as it can have when it starts.
    let mut config = Config::new("[recognition]\nadmit_all = true");
    (0..n_feeds).for_each(|n| config.feed(&format!("f{n}"), &source, "default"));
    let mut starts: Vec<f64> = (0..N_STARTS).map(|_| start(&config, n_feeds)).collect();
    println!("  starts: {starts:.2?} s");
    let what = format!("start to ready, model loaded, {n_feeds} feeds, median of {N_STARTS}");
    vec![Bar::most(what, quantile(&mut starts, 0.5), READY_SECS_MAX, "s")]
}

/// How long it took, s. Ready is what says so, and has all feeds.
fn start(config: &Config, n_feeds: usize) -> f64 {
    let service = Service::start(config);
    let is_ready = get(service.address, "/readyz").is_some() && service.feeds().len() == n_feeds;
    let Taken { n_processes, memory, .. } = service.taken();
    let secs = service.ready_after.as_secs_f64();
    println!("  {secs:.2} s; {n_processes} processes, {:.0} MB", memory / 1e6);
    let is_well = service.end();
    if is_ready && is_well { secs } else { f64::NAN }
}
