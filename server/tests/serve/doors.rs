//! Who is let in, and how much anybody may take.

use std::io::{Read, Write};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::rig::{NO_SPEECH, Service, send};
use crate::support::{aircheck, scratch};

fn digest(secret: &str) -> String {
    Sha256::digest(secret).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn tokens() -> String {
    let token = |role: &str| {
        format!(
            "[[tokens]]\nname = \"{role}\"\nrole = \"{role}\"\nsha256 = \"{}\"\n",
            digest(&format!("secret-{role}"))
        )
    };
    ["read", "ingest", "admin"].map(token).concat()
}

#[test]
fn roles_may_do_what_they_may() {
    let dir = scratch();
    let service = Service::start(dir.path(), &format!("{NO_SPEECH}{}", tokens()));
    let status = |method: &str, path: &str, token: &str| {
        let header = format!("Authorization: Bearer {token}");
        let headers = if token.is_empty() { vec![] } else { vec![header.as_str()] };
        service.ask(method, path, &headers, "").status
    };
    for (token, read, admin) in [
        ("", 401, 401),
        ("wrong-secret", 401, 401),
        ("secret-read", 200, 403),
        ("secret-ingest", 200, 403),
        ("secret-admin", 200, 404),
    ] {
        assert_eq!(status("GET", "/v1/feeds", token), read, "{token}");
        assert_eq!(status("GET", "/metrics", token), read, "{token}");
        assert_eq!(status("DELETE", "/v1/feeds/nobody", token), admin, "{token}");
    }
    // Whether it lives is no secret.
    assert_eq!((status("GET", "/livez", ""), status("GET", "/readyz", "")), (200, 200));
    let said = service.get("/v1/feeds");
    assert_eq!(said.header("www-authenticate"), Some("Bearer realm=\"aircheck\""));
}

#[test]
fn an_encoder_needs_a_token_that_may_bring_audio() {
    let dir = scratch();
    let mount = "[[feeds]]\nname = \"m\"\nsource = \"mount:/m.mp3\"\n";
    let service = Service::start(dir.path(), &format!("{NO_SPEECH}{}{mount}", tokens()));
    let status = |basic: &str| {
        let mut stream = service.connect();
        let request = format!(
            "PUT /m.mp3 HTTP/1.1\r\nHost: x\r\nContent-Type: audio/mpeg\r\nAuthorization: Basic {basic}\r\nExpect: 100-continue\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut line = [0; 12];
        stream.read_exact(&mut line).unwrap();
        String::from_utf8(line[9..].to_vec()).unwrap()
    };
    // source:secret-read, source:secret-ingest
    assert_eq!(status("c291cmNlOnNlY3JldC1yZWFk"), "401");
    assert_eq!(status("c291cmNlOnNlY3JldC1pbmdlc3Q="), "100");
}

#[test]
fn without_tokens_pages_of_other_origins_are_refused() {
    let dir = scratch();
    let service = Service::start(dir.path(), NO_SPEECH);
    let status = |header: &str| service.ask("GET", "/v1/feeds", &[header], "").status;
    assert_eq!(status("Host: localhost"), 200);
    assert_eq!(status("Host: radio.example"), 403);
    assert_eq!(status("Origin: https://evil.example"), 403);
    assert_eq!(status("Origin: http://localhost:3000"), 200);
}

#[test]
fn another_address_needs_a_token_and_a_word_about_plain_text() {
    let dir = scratch();
    let check = |config: &str, says: &[&str]| {
        let file = dir.path().join("x.toml");
        std::fs::write(&file, config).unwrap();
        let output = aircheck()
            .args(["serve", "-c", file.to_str().unwrap(), "--listen", "0.0.0.0:0"])
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        says.iter().for_each(|what| assert!(said.contains(what), "{said}"));
    };
    check("", &["0.0.0.0:0 without [[tokens]]", "allow_plain_text = true"]);
    check(&tokens(), &["allow_plain_text = true"]);
}

#[test]
fn limits_hold() {
    let dir = scratch();
    let limits = "[limits]\nbody_bytes = 2048\nheader_bytes = 8192\nrequests_per_sec = 1\nrequests_burst = 20\nheader_secs = 1\n";
    let service = Service::start(dir.path(), &format!("{NO_SPEECH}{limits}"));
    let long = json!({ "name": "a", "source": "mount:/a", "keywords": ["x".repeat(4_000)] });
    assert_eq!(service.post("/v1/feeds", &long).status, 413);
    let header = format!("X-Long: {}", "x".repeat(100_000));
    assert_eq!(service.ask("GET", "/livez", &[&header], "").status, 431);
    let many: Vec<u16> = (0..40).map(|_| service.get("/v1/feeds").status).collect();
    assert!(many.contains(&429) && many[0] == 200, "{many:?}");
    // A head that does not end is not waited for.
    let mut slow = service.connect();
    slow.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Sl").unwrap();
    let mut rest = Vec::new();
    slow.read_to_end(&mut rest).unwrap();
}

#[test]
fn connections_are_limited_by_address() {
    let dir = scratch();
    let service = Service::start(dir.path(), &format!("{NO_SPEECH}[limits]\nconnections_per_address = 4\n"));
    let held: Vec<_> = (0..4)
        .map(|_| {
            let mut stream = service.connect();
            send(&mut stream, service.address, "GET", "/v1/events", &["Accept: text/event-stream"], "");
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            stream
        })
        .collect();
    let mut answer = String::new();
    service.connect().read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("limits.connections"), "{answer}");
    drop(held);
    service.end();
}

/// G11: whoever never says what it wants keeps nobody out, wherever it stops.
#[test]
fn a_crowd_that_says_nothing_gives_way() {
    let dir = scratch();
    let limits = "[limits]\nconnections_per_address = 8\nconnections = 12\n";
    let service = Service::start(dir.path(), &format!("{NO_SPEECH}{limits}"));
    let mut reader = service.follow("/v1/events", None);
    let starts = [
        "",
        "P",
        "GET /livez HTTP/1.1\r\nHost: x\r\nX-Sl",
        "POST /v1/feeds HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{",
        "PUT /nowhere.mp3 HTTP/1.1\r\nHost: x\r\n",
    ];
    let crowd: Vec<_> = (0..40)
        .map(|n| {
            let mut stream = service.connect();
            // It may have had to go already.
            let _ = stream.write_all(starts[n % starts.len()].as_bytes());
            stream
        })
        .collect();
    // One that was served, and has nothing to ask at present.
    let mut idle = service.connect();
    idle.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    idle.read_exact(&mut [0; 12]).unwrap();
    for _ in 0..20 {
        assert_eq!(service.get("/livez").status, 200);
    }
    let feed = json!({ "name": "late", "source": "mount:/late" });
    assert_eq!(service.post("/v1/feeds", &feed).status, 201);
    assert!(reader.next().unwrap().event.is_object(), "who is served stays");
    let told = service.get("/metrics").body;
    assert!(told.contains("aircheck_connections_turned_away_total{why=\"gave_way\"}"), "{told}");
    drop(crowd);
    service.end();
}

#[test]
fn the_api_describes_itself() {
    let dir = scratch();
    let service = Service::start(dir.path(), NO_SPEECH);
    let api = service.get("/openapi.json").json();
    let paths = api["paths"].as_object().unwrap();
    for path in [
        "/v1/feeds",
        "/v1/feeds/{feed}",
        "/v1/events",
        "/v1/events/ws",
        "/v1/search",
        "/v1/feeds/{feed}/transcript",
        "/metrics",
        "/readyz",
    ] {
        assert!(paths.contains_key(path), "{path}: {:?}", paths.keys());
    }
    // What it says that it answers to, it answers to.
    for (path, _) in paths.iter().filter(|(path, item)| !path.contains('{') && item.get("get").is_some()) {
        let status = service.get(path).status;
        assert!(status != 404 && status != 405, "{path}: {status}");
    }
    // Every reference leads somewhere.
    let text = api.to_string();
    for reference in text.split("\"#/").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert_ne!(api.pointer(&format!("/{reference}")), None, "{reference}");
    }
    assert_eq!(api["info"]["title"], Value::from("Aircheck"));
}
