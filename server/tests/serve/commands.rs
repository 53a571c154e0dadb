//! Feeds that run commands: from the configuration file, and over the API only where that is allowed.

use serde_json::{Value, json};

use crate::rig::{NO_SPEECH, Service};
use crate::support::free::free_address;
use crate::support::scratch;

/// Silence, as samples, with something that looks like a password.
const COMMAND: &str = "exec:sh -c 'echo c4nary >/dev/null; exec cat /dev/zero'";

fn feed(name: &str) -> Value {
    json!({ "name": name, "source": COMMAND, "pcm": "s16le:8000:1" })
}

/// `NO_SPEECH` with dead air after a second, and with `more` in its first table.
fn config(more: &str) -> String {
    format!("{}dead_air_secs = 1\n", NO_SPEECH.replacen("[server]\n", &format!("[server]\n{more}"), 1))
}

#[test]
fn a_command_of_the_file_is_a_feed_and_shows_no_secrets() {
    let dir = scratch();
    let text = format!(
        "{}[[feeds]]\nname = \"a\"\nsource = \"\"\"{COMMAND}\"\"\"\npcm = \"s16le:8000:1\"\n",
        config("")
    );
    let service = Service::start(dir.path(), &text);
    let event = service.until("a", |event| event["type"] == "aircheck.alert.dead_air.v1");
    assert!(!event.to_string().contains("c4nary"));
    let shown = service.get("/v1/feeds/a").json();
    assert_eq!(shown["source"], "exec:sh …");
    let events = service.range("feed=a");
    assert!(events.iter().all(|event| !event.to_string().contains("c4nary")));
    let formats: Vec<&Value> = events.iter().filter(|event| event["data"]["codec"] == "s16le").collect();
    assert_eq!(formats.len(), 1, "{events:?}");
    service.end();
}

#[test]
fn over_the_api_commands_are_refused_unless_they_are_allowed() {
    let dir = scratch();
    let service = Service::start(dir.path(), &config(""));
    for source in [COMMAND, "srt://127.0.0.1:9000", "alsa:default"] {
        let refused = service.post("/v1/feeds", &json!({ "name": "a", "source": source }));
        let detail = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(
            refused.status == 422 && detail.contains("server.exec_over_api"),
            "{} {detail}",
            refused.status
        );
    }
    service.end();

    let service = Service::start(dir.path(), &config("exec_over_api = true\n"));
    assert_eq!(service.post("/v1/feeds", &feed("a")).status, 201);
    service.until("a", |event| event["type"] == "aircheck.alert.dead_air.v1");
    assert!(!service.get("/v1/feeds").json().to_string().contains("c4nary"));
    service.end();

    // It is kept, and goes on where it is allowed; where it is not any more it does not run.
    let service = Service::start(dir.path(), &config("exec_over_api = true\n"));
    assert_eq!(service.get("/v1/feeds/a").status, 200);
    service.end();
    let service = Service::start(dir.path(), &config(""));
    assert_eq!(service.get("/v1/feeds/a").status, 404);
    service.end();
}

#[test]
fn one_address_is_one_feed_and_a_group_is_for_all() {
    let dir = scratch();
    let service = Service::start(dir.path(), &config(""));
    let port = free_address().port();
    let add = |name: &str, host: &str| {
        let source = format!("rtp://{host}:{port}?encoding=L24");
        service.post("/v1/feeds", &json!({ "name": name, "source": source })).status
    };
    let answers = [("a", "127.0.0.1"), ("b", "127.0.0.1"), ("c", "239.255.0.7"), ("d", "239.255.0.7")];
    assert_eq!(answers.map(|(name, host)| add(name, host)), [201, 422, 201, 201]);
    service.until("a", |event| event["type"] == "aircheck.feed.stalled.v1");
    service.end();
}
