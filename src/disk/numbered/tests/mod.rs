//! Tests of which numbers new files get, and of what remains after an error.

#[cfg(feature = "simulation")]
mod crashes;

use super::*;
use crate::disk::Disk;

const LOG: Series<'_> = Series { before: "LOG_v", digits: 3, after: ".csv" };

fn create_log(directory: &Path) -> Result<String> {
    let (path, ()) = create(&Disk, directory, &LOG, |_| Ok(()))?;
    Ok(path.file_name().unwrap().to_str().unwrap().to_owned())
}

#[test]
fn the_next_number_is_one_above_the_highest_even_after_999() {
    let directory = tempfile::tempdir().unwrap();
    let make = |name: &str| std::fs::write(directory.path().join(name), "").unwrap();
    assert_eq!(create_log(directory.path()).unwrap(), "LOG_v001.csv");
    make("LOG_v003.csv");
    assert_eq!(create_log(directory.path()).unwrap(), "LOG_v004.csv");
    // None of these names belongs to the series.
    for other in ["LOG_v0900.csv", "LOG_v900.csv.bak", "LOG_v+900.csv", "LOG_v99999999999999999999.csv", "LOG_v.csv"] {
        make(other);
    }
    assert_eq!(create_log(directory.path()).unwrap(), "LOG_v005.csv");
    make("LOG_v999.csv");
    assert_eq!(create_log(directory.path()).unwrap(), "LOG_v1000.csv");
    make(&format!("LOG_v{}.csv", u64::MAX));
    assert_eq!(create_log(directory.path()).unwrap_err().kind(), ErrorKind::Overflow);
}

#[test]
fn a_file_that_could_not_be_written_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let refused = create(&Disk, directory.path(), &LOG, |out| {
        out.write_all(b"half").unwrap();
        Err::<(), _>(Error::new(ErrorKind::Overflow, "write half a file"))
    });
    let part = directory.path().join("LOG_v.part-1");
    assert_eq!(refused.unwrap_err().to_string(), format!("cannot write half a file: {}", part.display()));
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}
