//! The calls of `pg` that reach a real server. The server answers with hostile texts too.

use super::checks::Form;
use super::{Way, check, make, place, texts};
use crate::hostile::outputs::Call;
use crate::postgres_server::{Database, SECRET};

/// Each call, with its forms of stdout.
const CALLS: [(&str, [Form; 2]); 4] = [
    ("pg status", [Form::Text, Form::Json]),
    ("pg migrate", [Form::Text, Form::Json]),
    ("pg ship", [Form::Text, Form::Json]),
    ("pg ship --migrate", [Form::Text, Form::Json]),
];

/// Makes each call in each way. Returns the number of calls that failed, and all outputs.
fn call_all(place: &crate::commands::Place, url: &str) -> (usize, String) {
    let (mut failed, mut all) = (0, String::new());
    let mut ways = vec![Way::Pipe, Way::Json];
    if crate::children::has_tool("script", "hostile texts of a database on a terminal") {
        ways.push(Way::Terminal);
    }
    for (args, forms) in CALLS {
        for way in &ways {
            let call = Call { args, input: "", forms, file: None };
            let mut words: Vec<_> = args.split(' ').map(str::to_owned).collect();
            words.extend(["--database-url".to_owned(), url.to_owned()]);
            words.extend((*way == Way::Json).then(|| "--json".to_owned()));
            let done = make(place, &words, b"", *way);
            failed += usize::from(!matches!(done.code, Some(0 | 1)));
            let output = String::from_utf8_lossy(&[&done.stdout[..], &done.stderr].concat()).into_owned();
            assert!(!output.contains(SECRET), "{args} {way:?}: {output}");
            check(place, &call, &done, &format!("{way:?}, {args}"), *way);
            all += &output;
        }
    }
    (failed, all)
}

#[test]
fn a_text_has_no_effect_through_a_database() {
    let Some(database) = Database::new("hostile") else { return };
    let place = place();
    let (failed, all) = call_all(&place, &database.url);
    // The first `ship` needs tables, which `migrate` has created.
    assert_eq!(failed, 0, "{all}");
    let stored = database.ask("SELECT count(*)::text FROM agent_execution_logs")[0].parse::<usize>().unwrap();
    assert_eq!(stored, texts::texts().len());

    // The name of the database, and of a user, is hostile.
    let name = format!("{}{}", texts::CONTROLS[0], "\u{1b}[8m\u{202e}<b>|");
    let quoted = name.replace('"', "\"\"");
    database.client().batch_execute(&format!("DROP DATABASE IF EXISTS \"{quoted}\"")).unwrap();
    database.client().batch_execute(&format!("CREATE DATABASE \"{quoted}\"")).unwrap();
    let encoded: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let (server, _) = database.url.rsplit_once('/').unwrap();
    let (failed, all) = call_all(&place, &format!("{server}/{encoded}"));
    assert!(failed < 12 && all.contains("owned"), "{failed}: {all}");

    // The server refuses each row with a hostile message, detail and hint, and warns.
    let hostile = texts::CONTROLS.concat() + &texts::MARKUP.concat();
    let text = hostile.replace('\'', "''").replace('%', "%%");
    let trigger = format!(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN \
         RAISE WARNING '{text}'; RAISE EXCEPTION USING MESSAGE = '{text}', DETAIL = '{text}', HINT = '{text}', \
         TABLE = '{text}', COLUMN = '{text}', CONSTRAINT = '{text}'; END $f$; \
         CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON agent_execution_logs FOR EACH ROW EXECUTE FUNCTION refuse()"
    );
    database.client().batch_execute(&trigger).unwrap();
    runledger::Ledger::open(place.ledger()).unwrap().append(&texts::record(200, &hostile)).unwrap();
    let (failed, all) = call_all(&place, &database.url);
    assert!(failed >= 4 && all.contains("owned"), "{failed}: {all}");
}
