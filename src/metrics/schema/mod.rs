//! The JSON Schemas (draft 2020-12) of records, and of the lines that the commands `pipe` and `price` read.
//!
//! The keys of a record come from the table that is also used to find unknown keys. The words come from the lists that
//! [`validate`](super::ExecutionMetrics::validate) also uses. So the keys and words of the schemas agree with what the
//! commands accept. The rest of each schema is a template.

mod templates;
mod writer;

use writer::Writer;

/// Returns the schema of a record, as `runledger list --json` prints it.
///
/// ```
/// let schema: serde_json::Value = serde_json::from_str(&runledger::metrics::schema::record())?;
/// assert_eq!(schema["properties"]["run"]["properties"]["run_id"]["type"], serde_json::json!(["string", "null"]));
/// # Ok::<(), serde_json::Error>(())
/// ```
pub fn record() -> String {
    Writer::new(false, &[]).fill(templates::RECORD)
}

/// Returns the schema of a line that `runledger pipe` reads. Each entry of `aliases` has another name for a key of a
/// record, and the path of this key, such as `run.run_id`.
///
/// ```
/// let schema = runledger::metrics::schema::pipe(&[("scene", "production.scene_id")]);
/// let schema: serde_json::Value = serde_json::from_str(&schema)?;
/// let scene = &schema["$defs"]["keys"]["properties"]["scene"];
/// assert_eq!(scene["$ref"], "#/$defs/keys/properties/production/properties/scene_id");
/// # Ok::<(), serde_json::Error>(())
/// ```
pub fn pipe(aliases: &[(&str, &str)]) -> String {
    Writer::new(true, aliases).fill(templates::PIPE)
}

/// Returns the schema of a line that `runledger price` reads. The definition `answer` in this schema describes a line
/// that the command prints.
///
/// ```
/// let schema: serde_json::Value = serde_json::from_str(&runledger::metrics::schema::price())?;
/// assert_eq!(schema["required"], serde_json::json!(["model", "usage"]));
/// # Ok::<(), serde_json::Error>(())
/// ```
pub fn price() -> String {
    Writer::new(false, &[]).fill(templates::PRICE)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::keys::{Keys, RECORD};

    fn of_table(keys: &Keys, before: &str, found: &mut Vec<String>) {
        for fact in keys.facts() {
            let path = format!("{before}{}", fact.key);
            fact.below.iter().for_each(|below| of_table(below, &format!("{path}."), found));
            found.push(path);
        }
    }

    fn of_schema(schema: &Value, before: &str, found: &mut Vec<String>) {
        let object = schema.get("items").unwrap_or(schema);
        for (key, value) in object.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let path = format!("{before}{key}");
            of_schema(value, &format!("{path}."), found);
            found.push(path);
        }
    }

    #[test]
    fn a_schema_has_the_keys_of_the_table_and_no_others() {
        let (mut table, record) = (Vec::new(), serde_json::from_str::<Value>(&super::record()).unwrap());
        let pipe: Value = serde_json::from_str(&super::pipe(&[])).unwrap();
        of_table(&RECORD, "", &mut table);
        table.sort_unstable();
        assert!(table.len() > 150, "{}", table.len());
        for schema in [&record, &pipe["$defs"]["keys"]] {
            let mut keys = Vec::new();
            of_schema(schema, "", &mut keys);
            keys.sort_unstable();
            assert_eq!(keys, table);
        }
    }

    /// Checks that each description is a sentence.
    #[test]
    fn every_description_is_a_sentence() {
        for schema in [super::record(), super::pipe(&[("scene", "production.scene_id")]), super::price()] {
            let mut count = 0;
            for line in schema.lines().filter(|line| line.contains("\"description\": \"")) {
                let (_, about) = line.rsplit_once("\"description\": \"").unwrap();
                let about = about.trim_end_matches([',', '}', '"']);
                assert!(about.ends_with(['.', '…']) && about.starts_with(char::is_uppercase), "{line}");
                count += 1;
            }
            assert!(count > 40, "{count}");
        }
    }
}
