//! Tables as frames: batches at hand, Parquet files, CSV files.

use std::fmt::Write as _;
use std::fs::File;
use std::path::Path;

use kvern::frame::{CsvOptions, Frame};
use kvern_fuzz::sql::float;
use kvern_fuzz::table::{Source, Table, TextForm};
use kvern_fuzz::value::{Val, date, decimal, timestamp};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

use super::batches::{batch, data_type, schema};

/// What comes of making a frame, the reason as text.
type Made<T> = Result<T, String>;

/// The frame of a table; files of it are written to the folder.
pub(crate) fn frame(table: &Table, folder: &Path) -> Made<Frame> {
    let mut rows = table.rows.as_slice();
    let parts: Vec<&[Vec<Val>]> = table
        .cuts
        .iter()
        .map(|n| {
            let (part, rest) = rows.split_at(*n);
            rows = rest;
            part
        })
        .collect();
    let place = folder.join(&table.name);
    match table.source {
        Source::Memory(form) => {
            let batches = parts.iter().map(|rows| match rows.is_empty() {
                true => Vec::new(),
                false => vec![batch(&table.columns, rows, form)],
            });
            Frame::from_partitions(schema(&table.columns, form), batches).map_err(text)
        }
        Source::Parquet(group) => {
            std::fs::create_dir_all(&place).map_err(text)?;
            for (i, rows) in parts.iter().enumerate() {
                parquet_file(table, rows, group, &place.join(format!("{i}.parquet")))?;
            }
            Frame::read_parquet(place.as_path()).map_err(text)
        }
        Source::Csv => {
            std::fs::create_dir_all(&place).map_err(text)?;
            for (i, rows) in parts.iter().enumerate() {
                let path = place.join(format!("{i}.csv"));
                std::fs::write(path, csv(table, rows)).map_err(text)?;
            }
            let mut options = CsvOptions::new();
            for c in &table.columns {
                options = options.column_type(&c.name, data_type(&c.ty, TextForm::Utf8));
            }
            Frame::read_csv_with(place.as_path(), &options).map_err(text)
        }
    }
}

fn text(e: impl std::fmt::Display) -> String {
    e.to_string()
}

fn parquet_file(table: &Table, rows: &[Vec<Val>], group: usize, path: &Path) -> Made<()> {
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(group))
        .set_dictionary_enabled(group.is_multiple_of(2))
        .build();
    let batch = batch(&table.columns, rows, TextForm::Utf8);
    let file = File::create(path).map_err(text)?;
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).map_err(text)?;
    writer.write(&batch).map_err(text)?;
    writer.close().map_err(text)?;
    Ok(())
}

fn csv(table: &Table, rows: &[Vec<Val>]) -> String {
    let mut out = String::new();
    let names: Vec<&str> = table.columns.iter().map(|c| c.name.as_str()).collect();
    let _ = writeln!(out, "{}", names.join(","));
    for row in rows {
        let mut cells: Vec<String> = row.iter().map(cell).collect();
        // A line with nothing on it is no row.
        if cells.len() == 1 && cells[0].is_empty() {
            "\"\"".clone_into(&mut cells[0]);
        }
        let _ = writeln!(out, "{}", cells.join(","));
    }
    out
}

fn cell(value: &Val) -> String {
    match value {
        Val::Text(t) => format!("\"{}\"", t.replace('"', "\"\"")),
        Val::Float(x) => float(*x),
        Val::Dec(n, scale) => decimal(*n, *scale),
        Val::Date(d) => date(*d),
        Val::Ts(t) => timestamp(*t),
        Val::Null => String::new(),
        other => other.to_string(),
    }
}
