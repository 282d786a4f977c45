//! redb: one insert for each write transaction, with `Durability::Immediate`. Only one thread at a time has a write
//! transaction.

use std::sync::atomic::{AtomicU64, Ordering};

use redb::{Database, Durability, ReadableDatabase, ReadableTableMetadata, TableDefinition};

use crate::Result;
use crate::cell::Cell;
use crate::samples::Samples;

const RECORDS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("records");

pub(crate) fn run(cell: &Cell<'_>) -> Result<Samples> {
    let database = Database::create(cell.dir.join("records.redb"))?;
    let next = AtomicU64::new(0);
    let samples = cell.measure(|| Ok(|record: &[u8]| insert(&database, &next, record)))?;
    let stored = database.begin_read()?.open_table(RECORDS)?.len()?;
    cell.check(samples, stored)
}

fn insert(database: &Database, next: &AtomicU64, record: &[u8]) -> Result<()> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    // The number is taken inside the transaction, so that the keys ascend.
    transaction.open_table(RECORDS)?.insert(next.fetch_add(1, Ordering::Relaxed), record)?;
    Ok(transaction.commit()?)
}
