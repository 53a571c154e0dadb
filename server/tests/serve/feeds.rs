//! Feeds come and go over the API, and are back after a restart.

use serde_json::{Value, json};

use crate::rig::{NO_SPEECH, Service, signal, write_config};
use crate::support::{aircheck, scratch};
use rustix::process::Signal;

fn names(service: &Service) -> Vec<String> {
    let feeds = service.get("/v1/feeds").json();
    feeds["feeds"].as_array().unwrap().iter().map(|feed| feed["name"].as_str().unwrap().to_owned()).collect()
}

fn config(dir: &std::path::Path) -> String {
    format!(
        "{NO_SPEECH}dead_air_secs = 1\n[[feeds]]\nname = \"of-file\"\nsource = \"file:{}\"\n",
        signal(dir, 600)
    )
}

#[test]
fn feeds_come_and_go_and_are_back_after_a_restart() {
    let dir = scratch();
    let config = config(dir.path());
    let service = Service::start(dir.path(), &config);
    let source = format!("file:{}", signal(dir.path(), 600));
    let added = service.post("/v1/feeds", &json!({ "name": "a", "source": source, "priority": 2 }));
    assert_eq!((added.status, added.json()["declared"].as_str()), (201, Some("api")));
    service.until("a", |event| event["type"] == "aircheck.alert.dead_air.v1");
    let changed =
        service.ask("PATCH", "/v1/feeds/a", &["Content-Type: application/json"], r#"{"priority":5}"#);
    assert_eq!((changed.status, changed.json()["priority"].as_u64()), (200, Some(5)));
    let first = service.range("feed=a&type=feed.live");
    // A change is a new epoch; the old one ended in order.
    let epoch = first[0]["data"]["epoch"].as_u64().unwrap();
    service.until("a", |event| event["data"]["epoch"].as_u64() > Some(epoch));
    assert_eq!(service.range("feed=a&type=feed.ended").len(), 1);
    assert_eq!(service.post("/v1/feeds/of-file/pause", &Value::Null).status, 200);
    let paused = service.get("/v1/feeds/of-file").json();
    assert_eq!((&paused["paused"], &paused["status"]["state"]), (&json!(true), &json!("down")));
    service.end();

    let service = Service::start(dir.path(), &config);
    assert_eq!(names(&service), ["a", "of-file"]);
    assert_eq!(service.get("/v1/feeds/a").json()["priority"], 5);
    assert_eq!(service.get("/v1/feeds/of-file").json()["paused"], true);
    assert_eq!(service.post("/v1/feeds/of-file/resume", &Value::Null).status, 200);
    service.until("of-file", |event| event["type"] == "aircheck.alert.dead_air.v1");
    let n_events = service.range("feed=a").len();
    let is_measured = || service.get("/metrics").body.contains("feed=\"a\"");
    assert!(is_measured());
    assert_eq!(service.ask("DELETE", "/v1/feeds/a", &[], "").status, 204);
    assert!(!is_measured() && service.get("/metrics").body.contains("feed=\"of-file\""));
    assert_eq!(names(&service), ["of-file"]);
    // What it said stays.
    assert!(service.range("feed=a").len() > n_events);
    service.end();
    assert_eq!(names(&Service::start(dir.path(), &config)), ["of-file"]);
}

#[test]
fn what_makes_no_sense_is_told_and_changes_nothing() {
    let dir = scratch();
    let service = Service::start(dir.path(), &config(dir.path()));
    let check = |method: &str, path: &str, body: &str, status: u16, detail: &str| {
        let answer = service.ask(method, path, &["Content-Type: application/json"], body);
        let said = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(
            answer.status == status && said.contains(detail),
            "{method} {path}: {} {said}",
            answer.status
        );
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    };
    check(
        "POST",
        "/v1/feeds",
        r#"{"name":"of-file","source":"mount:/x"}"#,
        409,
        "there is a feed of-file already",
    );
    check("POST", "/v1/feeds", r#"{"name":"a b","source":"mount:/x"}"#, 422, "a b");
    check("POST", "/v1/feeds", r#"{"name":"a","source":"gopher://x"}"#, 422, "gopher");
    check("POST", "/v1/feeds", r#"{"name":"a","source":"mount:/x","profile":"defualt"}"#, 422, "default");
    check("POST", "/v1/feeds", r#"{"name":"a","source":"mount:/x","priority":12}"#, 422, "priority");
    check("POST", "/v1/feeds", "{", 400, "JSON");
    check("GET", "/v1/feeds/nobody", "", 404, "there is no feed nobody");
    check("DELETE", "/v1/feeds/of-file", "", 409, "configuration file");
    check("GET", "/v1/nothing", "", 404, "/v1/nothing");
    check("DELETE", "/v1/feeds", "", 405, "/v1/feeds");
    check("GET", "/v1/events?type=nonsense", "", 400, "nonsense");
    check("GET", "/v1/events?limit=0", "", 400, "limit 0, expected 1 to 10000");
    assert_eq!(names(&service), ["of-file"]);
}

#[test]
fn a_new_configuration_disturbs_only_what_it_changes() {
    let dir = scratch();
    let source = signal(dir.path(), 600);
    let feed =
        |name: &str, more: &str| format!("[[feeds]]\nname = \"{name}\"\nsource = \"file:{source}\"\n{more}");
    let before = format!("{NO_SPEECH}{}{}{}", feed("same", ""), feed("changes", ""), feed("goes", ""));
    let mut service = Service::start(dir.path(), &before);
    let epoch = |service: &Service, name: &str| {
        service.get(&format!("/v1/feeds/{name}")).json()["status"]["epoch"].as_u64()
    };
    for name in ["same", "changes", "goes"] {
        service.until(name, |event| event["type"] == "aircheck.feed.live.v1");
    }
    let (same, changes) = (epoch(&service, "same"), epoch(&service, "changes"));
    // Half a configuration is none.
    write_config(dir.path(), &format!("{before}\n[[feeds]]\nname = 3\n"));
    service.signal(Signal::HUP);
    service.until_said("not reloaded");
    let after =
        format!("{NO_SPEECH}{}{}{}", feed("same", ""), feed("changes", "priority = 3\n"), feed("comes", ""));
    write_config(dir.path(), &after);
    service.signal(Signal::HUP);
    service.until("comes", |event| event["type"] == "aircheck.feed.live.v1");
    assert_eq!(names(&service), ["changes", "comes", "same"]);
    assert_eq!(epoch(&service, "same"), same);
    assert!(epoch(&service, "changes") > changes);
    service.signal(Signal::TERM);
    let (status, _) = service.wait();
    assert!(status.success());
}

#[test]
fn the_command_line_speaks_to_the_service() {
    let dir = scratch();
    let service = Service::start(dir.path(), &config(dir.path()));
    let server = format!("http://{}", service.address);
    let check = |args: &[&str], status: i32, says: &str| {
        let output = aircheck().args(args).env("AIRCHECK_SERVER", &server).output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(
            output.status.code() == Some(status) && said.contains(says),
            "{args:?}: {:?} {said}",
            output.status
        );
    };
    check(&["feeds", "list"], 0, "of-file");
    check(&["feeds", "add", "b", "mount:/b", "--keyword", "x: bridge"], 0, "b: added");
    check(&["feeds", "add", "b", "mount:/b"], 1, "there is a feed b already");
    check(&["feeds", "pause", "b"], 0, "b: paused");
    check(&["feeds", "list", "--json"], 0, "\"paused\": true");
    check(&["feeds", "resume", "b"], 0, "b: goes on");
    check(&["feeds", "remove", "b"], 0, "b: removed");
    check(&["feeds", "remove", "b"], 1, "there is no feed b");
    service.until("of-file", |event| event["type"] == "aircheck.feed.live.v1");
    check(&["events", "replay", "--feed", "of-file", "--type", "feed.live"], 0, "aircheck.feed.live.v1");
    check(&["search", "bridge"], 0, "nothing found");
    service.end();
    check(&["feeds", "list"], 4, "is `aircheck serve` running?");
}
