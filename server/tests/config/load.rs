//! Files as the service loads them: secrets have to be there, and only this machine is let in without one.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use server::config::Config;

/// What is said of a file that holds `bytes`, without its path.
fn refused(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("aircheck.toml");
    fs::write(&file, bytes).unwrap();
    let error = Config::load(&file).unwrap_err().to_string();
    error.replace(&format!("{}:", file.display()), "")
}

#[test]
fn secrets_that_are_not_there_are_told_with_everything_else() {
    let text =
        b"[limits]\nguests = -1\n[[tokens]]\nname = \"a\"\nrole = \"read\"\nenv = \"AIRCHECK_NO_SUCH\"\n";
    let expected = "\
2:1: limits.guests: -1, expected 0 to 10000
6:1: tokens[0].env: environment variable AIRCHECK_NO_SUCH is not set";
    assert_eq!(refused(text), expected);
}

#[test]
fn what_is_no_text_is_refused() {
    assert_eq!(refused(b"[limits]\n# \xff\n"), "2:1: not UTF-8");
    let long = vec![b'\n'; 4_194_305];
    assert_eq!(refused(&long), " 4194305 bytes, expected at most 4194304");
}

#[test]
fn a_file_that_is_right_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("aircheck.toml");
    fs::write(&file, "state_dir = \"/s\"\n[profiles.news]\nmeter = true\n").unwrap();
    let config = Config::load(&file).unwrap();
    assert_eq!(config.journal_path().as_deref(), Some(Path::new("/s/journal.db")));
    assert!(config.profiles["news"].meter && !config.profiles["default"].meter);
    assert_eq!(Config::parse("").unwrap(), Config::default());
}

#[test]
fn only_this_machine_is_let_in_without_a_token() {
    let mut config = Config::default();
    let mut n_reasons = |listen: &str| {
        config.server.listen = listen.parse::<SocketAddr>().unwrap();
        config.exposure().len()
    };
    for local in ["127.0.0.1:80", "127.8.9.10:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
        assert_eq!(n_reasons(local), 0, "{local}");
    }
    for open in ["0.0.0.0:80", "[::]:80", "192.168.0.1:80", "[::ffff:8.8.8.8]:80", "128.0.0.1:80"] {
        assert_eq!(n_reasons(open), 2, "{open}");
    }
}
