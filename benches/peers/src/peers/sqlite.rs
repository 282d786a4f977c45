//! SQLite through rusqlite: WAL, `synchronous=FULL`, and one `INSERT` for each transaction. The `INSERT` is prepared
//! once.
//!
//! The threads share one connection behind a mutex. The alternative would be a connection for each thread, with a busy
//! timeout. The alternative is as fast with 4 threads, half as fast with 16 threads, and a quarter as fast with 64.
//! Some calls would otherwise wait for seconds, because SQLite's writers sleep and try again instead of queueing. The
//! bundled SQLite syncs with `fsync`, not `fdatasync`.

use std::sync::{Arc, Mutex, MutexGuard};

use rusqlite::Connection;

use crate::Result;
use crate::cell::Cell;
use crate::samples::Samples;

pub(crate) fn run(cell: &Cell<'_>) -> Result<Samples> {
    let connection = open(cell)?;
    let samples = cell.measure(|| Ok(|record: &[u8]| insert(&connection, record)))?;
    cell.check(samples, stored(&connection)?)
}

pub(crate) fn run_tasks(cell: &Cell<'_>) -> Result<Samples> {
    let connection = Arc::new(open(cell)?);
    let (shared, record) = (Arc::clone(&connection), cell.record);
    let samples = cell.measure_tasks(move || {
        let connection = Arc::clone(&shared);
        async move { tokio::task::spawn_blocking(move || insert(&connection, record)).await? }
    })?;
    cell.check(samples, stored(&connection)?)
}

fn open(cell: &Cell<'_>) -> Result<Mutex<Connection>> {
    let connection = Connection::open(cell.dir.join("records.sqlite"))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute_batch("CREATE TABLE records (id INTEGER PRIMARY KEY, line BLOB NOT NULL)")?;
    Ok(Mutex::new(connection))
}

fn stored(connection: &Mutex<Connection>) -> Result<u64> {
    let stored: i64 = lock(connection)?.query_one("SELECT count(*) FROM records", [], |row| row.get(0))?;
    Ok(u64::try_from(stored)?)
}

fn insert(connection: &Mutex<Connection>, record: &[u8]) -> Result<()> {
    lock(connection)?.prepare_cached("INSERT INTO records (line) VALUES (?1)")?.execute([record])?;
    Ok(())
}

fn lock(connection: &Mutex<Connection>) -> Result<MutexGuard<'_, Connection>> {
    Ok(connection.lock().map_err(|_| "another thread panicked in its call")?)
}
