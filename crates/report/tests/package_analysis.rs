//! The record for the older project's tables is held against their columns as a loader holds it: an unknown member,
//! another type or a null list is a bad row.

mod fixture;

use apa_report::package_analysis;
use base64::Engine as _;
use serde_json::Value;

fn table() -> Value {
    serde_json::from_str(include_str!("fixture/package-analysis-table.json"))
        .expect("the table's columns are JSON")
}

fn columns<'a>(table: &'a Value, fields: &'a Value) -> &'a Vec<Value> {
    let fields = match fields.as_str() {
        Some(name) => {
            let all = table.as_array().expect("a list of columns");
            &all.iter()
                .find(|one| one["name"] == name)
                .expect("a definition")["fields"]
        }
        None => fields,
    };
    fields.as_array().expect("a list of columns")
}

/// What a loader would say of a row; `Ok` when it takes it.
fn load(table: &Value, fields: &Value, row: &Value) -> Result<(), String> {
    let row = row.as_object().ok_or("a record is no object")?;
    let columns = columns(table, fields);
    for (name, value) in row {
        let column = columns
            .iter()
            .find(|column| column["name"] == name.as_str() && column["type"] != "DEFINITION")
            .ok_or_else(|| format!("{name} is no column"))?;
        if column["mode"] == "REPEATED" {
            let items = value
                .as_array()
                .ok_or_else(|| format!("{name} is no list"))?;
            for item in items {
                cell(table, column, item).map_err(|why| format!("{name}: {why}"))?;
            }
        } else {
            cell(table, column, value).map_err(|why| format!("{name}: {why}"))?;
        }
    }
    Ok(())
}

fn cell(table: &Value, column: &Value, value: &Value) -> Result<(), String> {
    let kind = column["type"].as_str().unwrap_or_default();
    let fits = match kind {
        "RECORD" => return load(table, &column["fields"], value),
        "STRING" => value.is_string(),
        "BOOLEAN" => value.is_boolean(),
        "INTEGER" | "TIMESTAMP" => value.is_i64(),
        "BYTES" => value.as_str().is_some_and(|text| {
            base64::engine::general_purpose::STANDARD
                .decode(text)
                .is_ok()
        }),
        other => return Err(format!("the column has an unknown type {other}")),
    };
    if fits {
        Ok(())
    } else {
        Err(format!("{value} is no {kind}"))
    }
}

#[test]
fn every_report_loads_into_the_older_tables() {
    let table = table();
    for report in [
        fixture::clean(),
        fixture::malicious(),
        fixture::incomplete(),
        fixture::hostile(),
        fixture::huge(300),
    ] {
        let line = package_analysis(&report);
        assert_eq!(
            line.matches('\n').count(),
            1,
            "one line, for a loader of lines"
        );
        let row: Value = serde_json::from_str(&line).expect("it is JSON");
        if let Err(why) = load(&table, &table, &row) {
            panic!("{}: {why}", report.package.purl);
        }
    }
}

#[test]
fn the_check_refuses_what_a_loader_would() {
    let table = table();
    let good: Value = serde_json::from_str(&package_analysis(&fixture::malicious())).expect("JSON");
    for (pointer, value) in [
        ("/Extra", Value::Bool(true)),
        ("/Analysis/linger", serde_json::json!({})),
        ("/Analysis/install/Files", Value::Null),
        ("/CreatedTimestamp", "2026-01-01".into()),
        ("/Analysis/install/Stdout", "not base64!".into()),
    ] {
        let mut row = good.clone();
        let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
        let parent = row.pointer_mut(parent).expect("it is there");
        parent
            .as_object_mut()
            .expect("an object")
            .insert(name.to_owned(), value);
        assert!(
            load(&table, &table, &row).is_err(),
            "{pointer} was accepted"
        );
    }
}

#[test]
fn what_was_seen_stands_in_its_stage() {
    let row: Value = serde_json::from_str(&package_analysis(&fixture::malicious())).expect("JSON");
    insta::assert_json_snapshot!(row);
}
