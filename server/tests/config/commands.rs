//! `aircheck config`: what is printed, and the exit status.

use std::fs;
use std::path::Path;
use std::process::Output;

use super::support::aircheck;

struct Told {
    status: i32,
    stdout: String,
    stderr: String,
}

fn told(output: Output) -> Told {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Told { status: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// `aircheck config check` of a file that says `text`.
fn check(text: &str) -> Told {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("aircheck.toml"), text).unwrap();
    let mut command = aircheck();
    command.current_dir(folder.path()).args(["config", "check", "aircheck.toml"]);
    told(
        command
            .env("AIRCHECK_TEST_SECRET", "long enough")
            .env("AIRCHECK_TEST_SHORT", "short")
            .output()
            .unwrap(),
    )
}

#[test]
fn a_file_that_is_right_is_ok() {
    let told = check("[[feeds]]\nname = \"a\"\nsource = \"stdin:\"\n");
    assert_eq!(
        (told.status, told.stdout.as_str(), told.stderr.as_str()),
        (0, "aircheck.toml: ok, 1 feed\n", "")
    );
    assert_eq!(check("").stdout, "aircheck.toml: ok, 0 feeds\n");
}

#[test]
fn all_errors_are_told_and_nothing_is_ok() {
    let told = check("[server]\nlisten = \":80\"\n[limits]\nguest = 3\n");
    let expected = "\
aircheck.toml:2:1: server.listen: \":80\", expected an IP address and a port such as 127.0.0.1:8080; did you mean \"127.0.0.1:80\"?
aircheck.toml:4:1: limits.guest: unknown key; did you mean \"guests\"?
aircheck: aircheck.toml: 2 errors
";
    assert_eq!((told.status, told.stdout.as_str(), told.stderr.as_str()), (2, "", expected));
}

#[test]
fn what_may_be_meant_otherwise_is_a_warning() {
    let told = check(
        "[[tokens]]\nname = \"a\"\nrole = \"read\"\nenv = \"AIRCHECK_TEST_SECRET\"\n\
         [[tokens]]\nname = \"b\"\nrole = \"read\"\nenv = \"AIRCHECK_TEST_SHORT\"\n\
         [[feeds]]\nname = \"a\"\nsource = \"http://user:c4nary@h/live\"\n\
         [[feeds]]\nname = \"b\"\nsource = \"http://user:c4nary@h/live\"\n",
    );
    let expected = "\
aircheck.toml:8:1: warning: tokens[1].env: environment variable AIRCHECK_TEST_SHORT holds a secret of 5 bytes, expected at least 8
aircheck.toml:14:1: warning: feeds[1].source: http://h/live is the source of feed a too
";
    let ok = "aircheck.toml: ok, 2 feeds\n";
    assert_eq!((told.status, told.stdout.as_str(), told.stderr.as_str()), (0, ok, expected));
}

#[test]
fn a_file_that_cannot_be_read_is_said_so() {
    let output = aircheck().args(["config", "check", "/no/such/aircheck.toml"]).output().unwrap();
    let told = told(output);
    let expected = "aircheck: /no/such/aircheck.toml: No such file or directory (os error 2)\n";
    assert_eq!((told.status, told.stderr.as_str()), (2, expected));
}

#[test]
fn the_reference_is_that_of_the_documentation() {
    let printed = told(aircheck().args(["config", "reference"]).output().unwrap()).stdout;
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let written = fs::read_to_string(file).unwrap();
    assert!(printed == written, "write it anew: aircheck config reference > docs/configuration.md");
}
