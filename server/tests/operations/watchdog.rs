//! The watchdog is fed because the service lives, and for no other reason: with a real journal, whose thread gets stuck.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use rusqlite::Connection;
use server::journal::{Health, Journal, JournalConfig};
use server::publish::{Hub, Published, Witness};
use server::service::{Notify, Vital, Vitals, VitalsConfig};

use crate::journal::{Feed, PATIENCE, until};

/// A door in the way of whatever is shown: while it is closed, whoever shows it waits.
#[derive(Default)]
struct Door {
    is_closed: Mutex<bool>,
    turned: Condvar,
}

impl Door {
    fn turn(&self, is_closed: bool) {
        *self.is_closed.lock().unwrap() = is_closed;
        self.turned.notify_all();
    }
}

impl Witness for Door {
    fn saw(&self, _: &Published) {
        drop(self.turned.wait_while(self.is_closed.lock().unwrap(), |is_closed| *is_closed));
    }
}

/// What the service manager hears.
struct Manager(UnixDatagram);

impl Manager {
    fn at(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(socket)
    }

    fn next(&self) -> String {
        let mut bytes = [0; 1_000];
        let n = self.0.recv(&mut bytes).expect("the manager hears something");
        String::from_utf8_lossy(&bytes[..n]).into_owned()
    }

    fn until(&self, what: &str) -> String {
        std::iter::repeat_with(|| self.next()).find(|said| said.starts_with(what)).unwrap()
    }
}

#[test]
fn it_is_not_fed_while_the_journal_is_stuck() {
    let folder = tempfile::tempdir().unwrap();
    let door = Arc::new(Door::default());
    let hub = Arc::new(Hub::new(100, vec![Arc::clone(&door) as Arc<dyn Witness>]));
    let (journal, _) = Journal::open(JournalConfig::new(folder.path().join("journal.db")), hub).unwrap();
    let journal = Arc::new(journal);
    let manager = Manager::at(&folder.path().join("notify"));
    let notify = Notify::to(folder.path().join("notify").as_os_str()).unwrap();
    let config = VitalsConfig {
        bound: Duration::from_secs(2),
        round: Duration::from_millis(100),
        notify: Arc::new(notify),
    };
    let vital: Box<dyn Vital> = Box::new(Arc::clone(&journal));
    let vitals = Vitals::start(vec![vital], config, || "all is well".to_owned()).unwrap();
    manager.until("WATCHDOG=1");

    door.turn(true);
    Feed::new(&journal, "a", 1).say_final(1, 0, "nobody gets to see this");
    let said = manager.until("STATUS=journal has not answered");
    assert!(!said.contains('\n'));
    // Rounds pass, and each says how long it has been: none feeds.
    for _ in 0..5 {
        let said = manager.next();
        assert!(said.starts_with("STATUS=journal has not answered"), "{said}");
    }
    assert_eq!(vitals.stuck().iter().map(|stuck| stuck.part).collect::<Vec<_>>(), ["journal"]);

    door.turn(false);
    manager.until("WATCHDOG=1");
    manager.until("STATUS=all is well");
    assert_eq!(vitals.stuck(), []);
}

#[test]
fn a_disk_that_refuses_is_no_reason_to_be_restarted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("journal.db");
    let (journal, _) = Journal::open(JournalConfig::new(&file), Arc::new(Hub::default())).unwrap();
    let other = Connection::open(&file).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    Feed::new(&journal, "a", 1).say_final(1, 0, "this waits for the disk");
    let is_degraded = || matches!(journal.state().health, Health::Degraded { .. });
    until(is_degraded);
    for _ in 0..3 {
        journal.ask();
        until(|| journal.has_answered());
        assert!(is_degraded());
    }
    other.execute_batch("ROLLBACK").unwrap();
    assert!(journal.barrier(PATIENCE), "{:?}", journal.state());
}
