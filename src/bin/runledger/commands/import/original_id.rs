//! Computes a UUID of version 5 for an id that is not a UUID.

use runledger::Uuid;
use runledger::import::id_of_name;
use uuid::uuid;

/// The namespace of the ids. With another namespace, an import would not recognise the records of an earlier import.
const IMPORTED_IDS: Uuid = uuid!("4cdb48db-3817-4d38-ac77-d521ec7a6f21");

/// Returns the id of the execution that another program calls `original`.
pub(super) fn id_of(original: &str) -> Uuid {
    id_of_name(IMPORTED_IDS, original)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_uuid_of_version_5() {
        assert_eq!(id_of("uuid-123").get_version_num(), 5);
        assert_ne!(id_of("uuid-123"), id_of("uuid-124"));
    }
}
