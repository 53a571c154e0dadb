//! A real nginx that serves a folder.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::free::free_address;
use crate::icecast::Running;

/// Serves `folder` with `more` in the configuration of the server. Another program may take the port meanwhile: then on another.
pub(crate) fn nginx(folder: &Path, more: &str) -> (Running, SocketAddr) {
    let name = folder.display().to_string();
    fs::write(folder.join("whose"), &name).unwrap();
    for _ in 0..8 {
        let at = free_address();
        fs::write(folder.join("nginx.conf"), config(&name, at, more)).unwrap();
        let child = Command::new("nginx")
            .args(["-p", &name, "-c", &format!("{name}/nginx.conf"), "-e", &format!("{name}/e.log")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("this test needs nginx: run `make setup`");
        let mut running = Running(child);
        while running.0.try_wait().unwrap().is_none() {
            if get(at, "/whose").ends_with(&name) {
                return (running, at);
            }
            std::thread::yield_now();
        }
    }
    panic!("nginx does not start: {}", fs::read_to_string(folder.join("e.log")).unwrap_or_default());
}

fn config(folder: &str, at: SocketAddr, more: &str) -> String {
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("{kind}_temp_path {folder}/{kind};"))
        .collect();
    format!(
        "daemon off; master_process off; pid {folder}/nginx.pid; events {{ }} \
         http {{ access_log {folder}/a.log; {temporary} include /etc/nginx/mime.types; \
         server {{ listen {at}; root {folder}; {more} }} }}"
    )
}

fn get(at: SocketAddr, path: &str) -> String {
    let mut answer = String::new();
    if let Ok(mut stream) = TcpStream::connect(at) {
        let _ = write!(stream, "GET {path} HTTP/1.0\r\n\r\n");
        let _ = stream.read_to_string(&mut answer);
    }
    answer
}
