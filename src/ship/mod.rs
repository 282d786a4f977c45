//! Ships a ledger: copies its lines as immutable Parquet files to a directory or an object store, where engines such as
//! Spark, DuckDB, ClickHouse, Trino and Polars read the files of many machines.
//!
//! [`docs::parquet`](crate::docs::parquet) describes the files. [`Shipper::ship`] writes them. Each record is shipped
//! exactly once, even if several processes ship the same ledger, a process is killed, or an answer of the store is lost.
//! Nothing is stored on the machine of the ledger: the names in the store say which lines it has.
//!
//! - `schema.rs` has the columns as one table.
//! - `chunk.rs` collects the values of the columns, `file.rs` turns them into a file, and `footer.rs` has its footer.
//!   These files do no I/O.
//! - `name.rs` has the names of the files.
//! - `store.rs` has the interface to a store, and a store in a directory. `object.rs` has a store in an object store.
//! - `claim.rs` decides which lines a file has, before it is stored.
//! - `range.rs` reads the lines of the next file. `shipper.rs` ships them, and `verified.rs` checks what was shipped.
//! - `reader.rs` reads single columns of a file. `wanted.rs` has the columns that a question needs, and `columns.rs` decodes
//!   them.

mod chunk;
mod claim;
mod columns;
mod file;
mod footer;
mod name;
#[cfg(feature = "object-store")]
mod object;
mod options;
mod range;
mod reader;
mod schema;
mod shipped;
mod shipper;
mod store;
mod verified;
mod wanted;

pub use footer::{FileEnd, Footer};
pub use name::FileName;
#[cfg(feature = "object-store")]
pub use object::BucketStore;
pub use options::ShipperOptions;
pub use reader::ShippedReader;
pub use schema::SCHEMA_VERSION;
pub use shipped::{ShippedFile, ShippedFiles};
pub use shipper::Shipper;
pub use store::{DirectoryStore, Store};
pub use verified::ShippedUpTo;
pub use wanted::ShippedColumns;

pub(crate) use name::{CLAIMS, FILES, claim_of};
