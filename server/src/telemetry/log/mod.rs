//! The log: a line a message on stderr, for people or for machines, and never more of one kind than anybody reads. Not events:
//! those go to stdout and over the API.

mod limit;

use std::fmt::{Debug, Write as _};
use std::io::{self, IsTerminal, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use clap::ValueEnum;
use jiff::Timestamp;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;

use limit::{Class, Limits};

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// From now on the program logs to stderr: warnings, what happens (1), everything (2 and more). `AIRCHECK_LOG` says it by module.
pub fn install(format: LogFormat, verbose: u8) {
    let level = match verbose {
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    };
    let filter = EnvFilter::builder().with_default_directive(level.into()).with_env_var("AIRCHECK_LOG");
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let look = match format {
        LogFormat::Json => Look::Json,
        LogFormat::Text if no_colour || !io::stderr().is_terminal() => Look::Plain,
        LogFormat::Text => Look::Coloured,
    };
    let log = Log {
        look,
        limits: Mutex::default(),
        now: Box::new(|| (Instant::now(), Timestamp::now())),
        // Where stderr is closed there is nobody left to tell.
        write: Box::new(|line| drop(io::stderr().write_all(line.as_bytes()))),
    };
    let log = Registry::default().with(filter.from_env_lossy()).with(log);
    // Fails where there is a log already, which is as good.
    let _ = tracing::subscriber::set_global_default(log);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Plain,
    Coloured,
    Json,
}

type Clock = dyn Fn() -> (Instant, Timestamp) + Send + Sync;

/// Limits, formats and writes.
struct Log {
    look: Look,
    limits: Mutex<Limits>,
    now: Box<Clock>,
    write: Box<dyn Fn(&str) + Send + Sync>,
}

impl<S: Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut said = Said::default();
        event.record(&mut said);
        let (now, time) = (self.now)();
        let metadata = event.metadata();
        let mut n_left_out = 0;
        // Who asks for what is below that asks for all of it.
        if *metadata.level() <= Level::INFO {
            let feed = said.fields.get("feed").and_then(Value::as_str).map(str::to_owned);
            let class = Class { callsite: metadata.name(), feed };
            let mut limits = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
            match limits.admit(class, now) {
                Some(n) => n_left_out = n,
                None => return,
            }
        }
        (self.write)(&line(self.look, time, metadata, said, n_left_out));
    }
}

/// What a message says.
#[derive(Debug, Default)]
struct Said {
    message: String,
    fields: Map<String, Value>,
}

impl Said {
    fn take(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            (name, value) => drop(self.fields.insert(name.to_owned(), value)),
        }
    }
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.take(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.take(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.take(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.take(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.take(field, value.into());
    }
}

fn line(look: Look, time: Timestamp, metadata: &Metadata<'_>, said: Said, n_left_out: u64) -> String {
    let Said { message, mut fields } = said;
    let (level, target) = (metadata.level().as_str(), metadata.target());
    if look == Look::Json {
        let mut all = Map::new();
        all.insert("time".to_owned(), format!("{time:.3}").into());
        all.insert("level".to_owned(), level.to_lowercase().into());
        all.insert("target".to_owned(), target.into());
        all.insert("message".to_owned(), message.into());
        all.append(&mut fields);
        if n_left_out > 0 {
            all.insert("left_out".to_owned(), n_left_out.into());
        }
        return format!("{}\n", Value::Object(all));
    }
    let (on, off) = match (look, *metadata.level()) {
        (Look::Coloured, Level::ERROR) => ("\x1b[31m", "\x1b[0m"),
        (Look::Coloured, Level::WARN) => ("\x1b[33m", "\x1b[0m"),
        _ => ("", ""),
    };
    let mut rest = message;
    for (name, value) in &fields {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let _ = write!(rest, " {name}={value}");
    }
    if n_left_out > 0 {
        let _ = write!(rest, " ({n_left_out} more like it were left out)");
    }
    // What others say (a title, a reason) could steer the terminal, or look like a line of its own.
    let rest: String = rest.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("{time:.3} {on}{level:>5}{off} {target}: {rest}\n")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;

    /// What is logged while `say` runs, which sets the time, s.
    fn logged(look: Look, say: impl FnOnce(&dyn Fn(u64))) -> String {
        let (start, secs) = (Instant::now(), Arc::new(Mutex::new(0)));
        let (text, of_clock) = (Arc::new(Mutex::new(String::new())), Arc::clone(&secs));
        let written = Arc::clone(&text);
        let log = Log {
            look,
            limits: Mutex::default(),
            now: Box::new(move || {
                let secs = *of_clock.lock().unwrap();
                (start + Duration::from_secs(secs), Timestamp::from_second(secs as i64).unwrap())
            }),
            write: Box::new(move |line| written.lock().unwrap().push_str(line)),
        };
        tracing::subscriber::with_default(Registry::default().with(log), || {
            say(&|now| *secs.lock().unwrap() = now);
        });
        text.lock().unwrap().clone()
    }

    #[test]
    fn a_line_is_for_people_or_for_machines() {
        let say = |_: &dyn Fn(u64)| {
            tracing::warn!(feed = %"wxyz", is = true, n = 3, "it broke:\n\x1b[31m\"why\"");
        };
        assert_eq!(
            logged(Look::Plain, say),
            "1970-01-01T00:00:00.000Z  WARN server::telemetry::log::tests: it broke:  [31m\"why\" feed=wxyz is=true n=3\n"
        );
        let json = logged(Look::Json, say);
        let json: Value = serde_json::from_str(json.strip_suffix('\n').unwrap()).unwrap();
        let expected = serde_json::json!({ "time": "1970-01-01T00:00:00.000Z", "level": "warn", "feed": "wxyz", "n": 3, "is": true,
            "target": "server::telemetry::log::tests", "message": "it broke:\n\u{1b}[31m\"why\"" });
        assert_eq!(json, expected);
        assert!(logged(Look::Coloured, say).contains("\x1b[33m WARN\x1b[0m"));
    }

    #[test]
    fn a_feed_that_flaps_does_not_fill_the_log_nor_hide_another_one() {
        let text = logged(Look::Plain, |at| {
            for second in 0..1_000 {
                at(second);
                for feed in ["flaps", if second == 500 { "breaks" } else { "flaps" }] {
                    tracing::warn!(feed, "connection lost");
                }
            }
        });
        let n_of = |feed: &str| text.lines().filter(|line| line.contains(feed)).count();
        assert_eq!(n_of("feed=breaks"), 1);
        assert!((100..=110).contains(&n_of("feed=flaps")), "{}", n_of("feed=flaps"));
        assert!(text.contains("connection lost feed=flaps (19 more like it were left out)"), "{text}");
    }

    #[test]
    fn whoever_asks_for_everything_gets_everything() {
        let text = logged(Look::Plain, |_| (0..100).for_each(|n| tracing::debug!(n, "a byte came")));
        assert_eq!(text.lines().count(), 100);
    }
}
