//! Frames as tables for a person: as many columns as the terminal is wide.

use std::fmt::Write as _;

use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use kvern_core::{Result, Session};

use super::Frame;

/// Cells longer than this are cut.
const CELL: usize = 32;

impl Frame {
    /// Prints the first `n` rows as a table that is as wide as the terminal: columns that do not fit are left out in the middle. Computes
    /// them in the current session.
    ///
    /// ```
    /// # let sales: kvern_frame::Frame = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sales.in"));
    /// // sales (city, day, amount): (Oslo, 1, 2.5), (Rome, 1, 4.0), (Oslo, 2, null)
    /// # use kvern_scheduler_local as _;
    /// sales.show(2)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The first task that failed.
    pub fn show(&self, n: usize) -> Result<()> {
        self.show_in(n, &Session::current()?)
    }

    /// [`Frame::show`] in a session.
    ///
    /// # Errors
    /// The first task that failed.
    pub fn show_in(&self, n: usize, session: &Session) -> Result<()> {
        let width = terminal_size::terminal_size().map_or(100, |(w, _)| w.0 as usize);
        print!("{}", self.table_in(n, width, session)?);
        Ok(())
    }

    /// The first `n` rows as a table of at most `width` characters a line, computed in the current session: what [`Frame::show`] prints.
    ///
    /// ```
    /// # let sales: kvern_frame::Frame = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sales.in"));
    /// // sales (city, day, amount): (Oslo, 1, 2.5), (Rome, 1, 4.0), (Oslo, 2, null)
    /// # use kvern_scheduler_local as _;
    /// let text = sales.table(2, 80)?;
    /// assert!(text.contains("Oslo") && text.ends_with("2 rows, and more\n"), "{text}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The first task that failed.
    pub fn table(&self, n: usize, width: usize) -> Result<String> {
        self.table_in(n, width, &Session::current()?)
    }

    /// [`Frame::table`] in a session.
    ///
    /// # Errors
    /// The first task that failed.
    pub fn table_in(&self, n: usize, width: usize, session: &Session) -> Result<String> {
        // One row more than is shown tells whether there are more.
        let batches = session.compute(&self.head(n.saturating_add(1))?)?;
        Ok(table(&self.columns(), &self.types(), &batches, n, width))
    }

    fn types(&self) -> Vec<String> {
        let schema = self.schema();
        schema
            .fields()
            .iter()
            .map(|f| short(f.data_type()))
            .collect()
    }
}

/// The name of a type as short as it can be told.
fn short(t: &DataType) -> String {
    match t {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "str".into(),
        DataType::Int8 => "i8".into(),
        DataType::Int16 => "i16".into(),
        DataType::Int32 => "i32".into(),
        DataType::Int64 => "i64".into(),
        DataType::UInt8 => "u8".into(),
        DataType::UInt16 => "u16".into(),
        DataType::UInt32 => "u32".into(),
        DataType::UInt64 => "u64".into(),
        DataType::Float32 => "f32".into(),
        DataType::Float64 => "f64".into(),
        DataType::Boolean => "bool".into(),
        DataType::Date32 | DataType::Date64 => "date".into(),
        DataType::Timestamp(..) => "time".into(),
        DataType::Decimal128(p, s) => format!("dec({p},{s})"),
        DataType::Null => "null".into(),
        other => other.to_string().chars().take(12).collect(),
    }
}

struct Column {
    cells: Vec<String>,
    right: bool,
    width: usize,
}

fn table(
    names: &[String],
    types: &[String],
    batches: &[RecordBatch],
    n: usize,
    width: usize,
) -> String {
    let found = Frame::rows(batches);
    let shown = found.min(n);
    let mut columns: Vec<Column> = names
        .iter()
        .zip(types)
        .enumerate()
        .map(|(i, (name, dtype))| {
            let mut cells = vec![cut(name), dtype.clone()];
            let numeric = batches
                .first()
                .is_some_and(|b| b.column(i).data_type().is_numeric());
            for batch in batches {
                cells.extend(column_cells(batch, i));
            }
            cells.truncate(2 + shown);
            let width = cells.iter().map(|c| c.chars().count()).max().unwrap_or(0);
            Column {
                cells,
                right: numeric,
                width,
            }
        })
        .collect();
    let hidden = fit(&mut columns, width);
    let mut out = String::new();
    for row in 0..2 + shown {
        let mut line = String::new();
        for c in &columns {
            let cell = c.cells.get(row).map_or("", String::as_str);
            let pad = " ".repeat(c.width - cell.chars().count());
            if c.right {
                line.push_str(&pad);
            }
            line.push_str(cell);
            if !c.right {
                line.push_str(&pad);
            }
            line.push_str("  ");
        }
        out.push_str(line.trim_end());
        out.push('\n');
        if row == 1 {
            let all: usize = columns.iter().map(|c| c.width + 2).sum();
            out.push_str(&"-".repeat(all.saturating_sub(2)));
            out.push('\n');
        }
    }
    let more = if found > n { ", and more" } else { "" };
    let mut last = format!("{shown} rows{more}");
    if hidden > 0 {
        // Writing to a string cannot fail.
        let _ = write!(last, "; {hidden} of {} columns do not fit", names.len());
    }
    out.push_str(&last);
    out.push('\n');
    out
}

/// Leaves out columns of the middle until the rest fits; says how many.
fn fit(columns: &mut Vec<Column>, width: usize) -> usize {
    let all = |c: &[Column]| {
        c.iter()
            .map(|c| c.width + 2)
            .sum::<usize>()
            .saturating_sub(2)
    };
    if all(columns) <= width || columns.len() < 3 {
        return 0;
    }
    let rows = columns[0].cells.len();
    let mut hidden = 0;
    // `…` and the space beside it.
    while all(columns) + 3 > width && columns.len() > 2 {
        columns.remove(columns.len() / 2);
        hidden += 1;
    }
    let middle = columns.len().div_ceil(2);
    let cells = (0..rows).map(|_| "…".to_owned()).collect();
    columns.insert(
        middle,
        Column {
            cells,
            right: false,
            width: 1,
        },
    );
    hidden
}

fn column_cells(batch: &RecordBatch, i: usize) -> Vec<String> {
    let options = FormatOptions::default()
        .with_null("null")
        .with_display_error(true);
    let column = batch.column(i);
    let float = column.data_type().is_floating();
    match ArrayFormatter::try_new(column.as_ref(), &options) {
        Ok(f) => (0..batch.num_rows())
            .map(|r| match f.value(r).to_string() {
                cell if float => cut(&digits(&cell)),
                cell => cut(&cell),
            })
            .collect(),
        Err(_) => vec!["?".into(); batch.num_rows()],
    }
}

/// A number with as many digits as a person reads: six that count.
fn digits(cell: &str) -> String {
    const DIGITS: i32 = 6;
    let Ok(v) = cell.parse::<f64>() else {
        return cell.to_owned();
    };
    if !v.is_finite() || v == 0.0 {
        return cell.to_owned();
    }
    let before = v.abs().log10().floor() as i32 + 1;
    if !(-3..=9).contains(&before) {
        return format!("{v:.5e}");
    }
    let places = (DIGITS - before).max(1) as usize;
    let all = format!("{v:.places$}");
    match all.trim_end_matches('0') {
        short if short.ends_with('.') => format!("{short}0"),
        short => short.to_owned(),
    }
}

/// A cell in one line, and not too long.
fn cut(words: &str) -> String {
    let one_line: String = words
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if one_line.chars().count() <= CELL {
        return one_line;
    }
    let mut short: String = one_line.chars().take(CELL - 1).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringArray};

    use super::*;

    fn batch(columns: usize) -> RecordBatch {
        let cells = (0..columns).map(|i| {
            let column: ArrayRef = if i % 2 == 0 {
                Arc::new(Int64Array::from(vec![Some(1), None, Some(-30)]))
            } else {
                Arc::new(StringArray::from(vec![
                    "a",
                    "line\nend",
                    &"long ".repeat(20),
                ]))
            };
            (format!("column_{i}"), column)
        });
        RecordBatch::try_from_iter(cells).unwrap()
    }

    fn text(columns: usize, n: usize, width: usize) -> String {
        let b = batch(columns);
        let names: Vec<String> = (0..columns).map(|i| format!("column_{i}")).collect();
        let types: Vec<String> = b
            .schema()
            .fields()
            .iter()
            .map(|f| short(f.data_type()))
            .collect();
        table(&names, &types, &[b], n, width)
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for columns in 3..12 {
            for width in [80, 100, 140] {
                let t = text(columns, 3, width);
                let widest = t.lines().map(|l| l.chars().count()).max().unwrap();
                assert!(
                    widest <= width,
                    "{columns} columns, {widest} of {width}:\n{t}"
                );
                assert!(t.contains("column_0"), "{t}");
                assert!(t.contains(&format!("column_{}", columns - 1)), "{t}");
            }
        }
    }

    #[test]
    fn numbers_have_the_digits_that_count() {
        for (cell, shown) in [
            ("0.0", "0.0"),
            ("40.13613613613614", "40.1361"),
            ("-0.000123456789", "-0.000123457"),
            ("124.5", "124.5"),
            ("1234567.25", "1234567.2"),
            ("3e300", "3.00000e300"),
            ("0.00000012", "1.20000e-7"),
            ("NaN", "NaN"),
            ("null", "null"),
        ] {
            assert_eq!(digits(cell), shown);
        }
    }

    #[test]
    fn what_is_left_out_is_said() {
        let t = text(2, 2, 80);
        assert!(t.ends_with("2 rows, and more\n"), "{t}");
        assert!(t.contains("null") && t.contains("line end"), "{t}");
        let t = text(9, 3, 60);
        assert!(
            t.contains("of 9 columns do not fit") && t.contains('…'),
            "{t}"
        );
    }
}
