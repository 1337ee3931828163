//! Random tables, and where frames read them from.

use crate::ops::Dialect;
use crate::query::{Column, Facts};
use crate::rng::Rng;
use crate::sql::{literal, quoted, type_name};
use crate::value::{Ty, Val};

/// A table: its rows, and how a frame comes by them.
#[derive(Debug, Clone)]
pub struct Table {
    /// What queries call it.
    pub name: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its rows.
    pub rows: Vec<Vec<Val>>,
    /// Where from.
    pub source: Source,
    /// Rows of each partition or file: they add up to all rows.
    pub cuts: Vec<usize>,
}

/// Where a frame reads a table from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Batches in memory, a partition for each cut, with text in one of four forms.
    Memory(TextForm),
    /// Parquet files, one for each cut, with so many rows in a row group.
    Parquet(usize),
    /// CSV files, one for each cut.
    Csv,
}

/// How Arrow holds text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are Arrow's")]
pub enum TextForm {
    Utf8,
    Utf8View,
    LargeUtf8,
    Dictionary,
}

impl Table {
    /// What DuckDB is told to have the same table.
    pub fn setup(&self) -> Vec<String> {
        let columns: Vec<String> = self
            .columns
            .iter()
            .map(|c| format!("{} {}", quoted(&c.name), type_name(&c.ty, Dialect::Duck)))
            .collect();
        let mut out = vec![format!(
            "CREATE TEMP TABLE {} ({})",
            self.name,
            columns.join(", ")
        )];
        for rows in self.rows.chunks(500) {
            let rows: Vec<String> = rows
                .iter()
                .map(|row| {
                    let cells: Vec<String> = row
                        .iter()
                        .zip(&self.columns)
                        .map(|(v, c)| literal(v, &c.ty, Dialect::Duck))
                        .collect();
                    format!("({})", cells.join(", "))
                })
                .collect();
            out.push(format!(
                "INSERT INTO {} VALUES {}",
                self.name,
                rows.join(", ")
            ));
        }
        out
    }

    /// The same table with other rows, cut into as many parts.
    #[must_use]
    pub fn with_rows(&self, rows: Vec<Vec<Val>>) -> Self {
        let parts = self.cuts.len().max(1);
        let (each, more) = (rows.len() / parts, rows.len() % parts);
        Self {
            cuts: (0..parts).map(|i| each + usize::from(i < more)).collect(),
            rows,
            ..self.clone()
        }
    }
}

/// A random table of that name.
pub fn table(rng: &mut Rng, name: &str) -> Table {
    let source = match rng.below(10) {
        0..=4 => Source::Memory(*rng.pick(&[
            TextForm::Utf8,
            TextForm::Utf8,
            TextForm::Utf8View,
            TextForm::LargeUtf8,
            TextForm::Dictionary,
        ])),
        5..=7 => Source::Parquet(rng.between(1, 12) as usize),
        _ => Source::Csv,
    };
    let n = match rng.below(12) {
        0 => 0,
        1 => 1,
        2..=6 => rng.between(2, 10),
        7..=10 => rng.between(8, 40),
        _ => rng.between(30, 200),
    } as usize;
    let parts = rng.between(1, 4) as usize;
    let mut cuts = vec![0; parts];
    for _ in 0..n {
        let at = rng.below(parts);
        cuts[at] += 1;
    }
    // A CSV file of no rows has no types, and a Parquet file of none is as good as any.
    let mut columns = Vec::new();
    let mut makers = Vec::new();
    for i in 0..rng.between(2, 7) {
        let maker = Maker::new(rng, source == Source::Csv);
        columns.push(Column {
            name: column_name(rng, i as usize),
            ty: maker.ty.clone(),
            facts: maker.facts(n),
        });
        makers.push(maker);
    }
    let rows = (0..n)
        .map(|_| makers.iter().map(|m| m.value(rng)).collect())
        .collect();
    Table {
        name: name.to_owned(),
        columns,
        rows,
        source,
        cuts,
    }
}

/// Mostly plain, sometimes what must be quoted.
fn column_name(rng: &mut Rng, i: usize) -> String {
    let letter = char::from(b'a' + i as u8);
    match rng.below(12) {
        0 => format!("Col {letter}"),
        1 => format!("{letter}.x"),
        2 => format!("{}é", letter.to_uppercase()),
        _ => letter.to_string(),
    }
}

/// How the values of a column are drawn.
struct Maker {
    ty: Ty,
    /// Of the values, few ones often, or any.
    shape: Shape,
    /// One in so many is null; 0: none.
    nulls: usize,
    csv: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Few,
    Mid,
    Wild,
}

impl Maker {
    fn new(rng: &mut Rng, csv: bool) -> Self {
        let shape = *rng.pick(&[Shape::Few, Shape::Few, Shape::Mid, Shape::Mid, Shape::Wild]);
        let ty = match rng.below(if csv { 19 } else { 23 }) {
            0..=3 => Ty::I64,
            4 => Ty::I32,
            5 => rng
                .pick(&[Ty::I8, Ty::I16, Ty::U8, Ty::U16, Ty::U32, Ty::U64])
                .clone(),
            6..=8 => Ty::F64,
            9 => Ty::F32,
            10..=12 => Ty::Text,
            13 => Ty::Bool,
            14 | 15 => Ty::Date,
            16 => Ty::Ts,
            17 | 18 => rng
                .pick(&[Ty::Dec(9, 2), Ty::Dec(15, 3), Ty::Dec(30, 5)])
                .clone(),
            19 => Ty::List(Box::new(Ty::I64)),
            20 => Ty::List(Box::new(Ty::Text)),
            21 => Ty::List(Box::new(Ty::F64)),
            _ => Ty::Struct(vec![("x".into(), Ty::I64), ("y".into(), Ty::Text)]),
        };
        Self {
            ty,
            shape,
            nulls: *rng.pick(&[0, 2, 4, 4, 8]),
            csv,
        }
    }

    fn bounds(&self) -> (i128, i128) {
        let (low, high) = self.ty.int_range().unwrap_or((i128::MIN, i128::MAX));
        match self.shape {
            Shape::Few => ((-3).max(low), 4.min(high)),
            Shape::Mid => ((-1000).max(low), 1000.min(high)),
            Shape::Wild => (low, high),
        }
    }

    fn facts(&self, _rows: usize) -> Facts {
        match &self.ty {
            t if t.is_int() => {
                let (low, high) = self.bounds();
                Facts::range(low, high)
            }
            Ty::Dec(digits, _) => match self.shape {
                Shape::Wild => {
                    let most = 10i128.pow(u32::from(*digits)) - 1;
                    Facts::range(-most, most)
                }
                _ => Facts::range(-100_000, 100_000),
            },
            t if t.is_float() && self.shape != Shape::Wild => Facts {
                exact: true,
                ..Facts::range(-1000, 1000)
            },
            _ => Facts::NONE,
        }
    }

    fn value(&self, rng: &mut Rng) -> Val {
        if self.nulls > 0 && rng.one_in(self.nulls) {
            return Val::Null;
        }
        value(rng, &self.ty, self.shape, self.csv, &|| self.bounds())
    }
}

fn value(
    rng: &mut Rng,
    ty: &Ty,
    shape: Shape,
    csv: bool,
    bounds: &dyn Fn() -> (i128, i128),
) -> Val {
    match ty {
        Ty::Bool => Val::Bool(rng.one_in(2)),
        Ty::F32 | Ty::F64 => Val::Float(float(rng, ty, shape, csv)),
        Ty::Dec(digits, scale) => {
            let digits = match shape {
                Shape::Few => i128::from(rng.between(-3, 3)) * 50,
                Shape::Mid => i128::from(rng.between(-100_000, 100_000)),
                Shape::Wild => {
                    let most = 10i128.pow(u32::from(*digits)) - 1;
                    match rng.below(4) {
                        0 => most,
                        1 => -most,
                        _ => i128::from(rng.any() as i64) % (most + 1),
                    }
                }
            };
            Val::Dec(digits, *scale)
        }
        Ty::Text => Val::Text(text(rng, shape, csv)),
        Ty::Date => Val::Date(day(rng, shape)),
        Ty::Ts => Val::Ts(moment(rng, shape)),
        Ty::List(item) => {
            let n = rng.below(4);
            let small = || (-3, 4);
            let items = (0..n).map(|_| match rng.below(5) {
                0 => Val::Null,
                _ => value(rng, item, Shape::Few, csv, &small),
            });
            Val::List(items.collect())
        }
        Ty::Struct(fields) => {
            let small = || (-3, 4);
            let fields = fields.iter().map(|(name, ty)| {
                let value = match rng.below(5) {
                    0 => Val::Null,
                    _ => value(rng, ty, Shape::Few, csv, &small),
                };
                (name.clone(), value)
            });
            Val::Struct(fields.collect())
        }
        _ => {
            let (low, high) = bounds();
            Val::Int(match (shape, rng.below(4)) {
                (Shape::Wild, 0) => low,
                (Shape::Wild, 1) => high,
                (Shape::Wild, 2) => i128::from(rng.between(-9, 9)).max(low),
                (Shape::Wild, _) => i128::from(rng.any() as i64).clamp(low, high),
                _ => i128::from(rng.between(low as i64, high as i64)),
            })
        }
    }
}

fn float(rng: &mut Rng, ty: &Ty, shape: Shape, csv: bool) -> f64 {
    // A CSV reader may take these words for a missing value.
    if !csv && rng.one_in(8) {
        return *rng.pick(&[f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.0]);
    }
    let wide = match shape {
        Shape::Few => rng.between(-4, 4) as f64 / 2.0,
        Shape::Mid => rng.between(-4000, 4000) as f64 / 4.0,
        Shape::Wild => match rng.below(6) {
            0 => *rng.pick(&[0.1, 0.3, 1e-7, 1.0 / 3.0, 123_456.789]),
            1 => *rng.pick(&[f64::MAX, f64::MIN, 5e-324, 1e308, -1e-300]),
            2 => *rng.pick(&[9_007_199_254_740_993.0, 1e15, 1e16, 4_294_967_296.5]),
            3 => rng.between(-100, 100) as f64,
            _ => (rng.any() as i64 as f64) / 1e12,
        },
    };
    if *ty == Ty::F32 {
        return f64::from((wide as f32).clamp(f32::MIN, f32::MAX));
    }
    wide
}

/// Letters whose cases are one to one everywhere, and which no normalisation joins.
const WORDS: &[&str] = &[
    "a",
    "b",
    "A",
    "B",
    "ab",
    "aB",
    "ba",
    "abc",
    "zz",
    "x",
    "Ä",
    "äö",
    "é",
    "日本",
    "🦀",
    "a%b",
    "a_b",
    "'",
    "10",
    "7",
    "-3",
    "a b",
    " a",
    "b ",
    "2024-01-15",
];

/// A word.
pub fn word(rng: &mut Rng) -> String {
    (*rng.pick(WORDS)).to_owned()
}

fn text(rng: &mut Rng, shape: Shape, csv: bool) -> String {
    match shape {
        Shape::Few => match (csv, rng.below(6)) {
            (false, 0) => String::new(),
            _ => (*rng.pick(&["a", "b", "ab", "B"])).into(),
        },
        _ => {
            let n = rng.below(3) + usize::from(csv);
            let mut out: String = (0..n).map(|_| word(rng)).collect();
            if shape == Shape::Wild && rng.one_in(6) {
                // Longer than what a view holds in itself.
                out += "a text that is longer than twelve bytes";
                out += &rng.below(3).to_string();
            }
            if csv && shape == Shape::Wild && rng.one_in(4) {
                out += *rng.pick(&[",", "\"", ";x", "\"\","]);
            }
            out
        }
    }
}

fn day(rng: &mut Rng, shape: Shape) -> i32 {
    (match shape {
        Shape::Few => 19_780 + rng.between(0, 4),
        Shape::Mid => 19_700 + rng.between(-400, 400),
        Shape::Wild => rng.between(-90_000, 90_000),
    }) as i32
}

fn moment(rng: &mut Rng, shape: Shape) -> i64 {
    const DAY: i64 = 86_400_000_000;
    match shape {
        Shape::Few => 19_780 * DAY + rng.between(0, 3) * DAY / 2,
        Shape::Mid => 19_700 * DAY + rng.between(0, 400 * 86_400) * 1_000_000,
        Shape::Wild => rng.between(-90_000 * DAY, 90_000 * DAY),
    }
}

/// A value of that type for an expression: few different ones, so that something is equal.
pub fn constant(rng: &mut Rng, ty: &Ty) -> Val {
    let shape = *rng.pick(&[Shape::Few, Shape::Few, Shape::Mid]);
    let of = Maker {
        ty: ty.clone(),
        shape,
        nulls: 0,
        csv: false,
    };
    value(rng, ty, shape, false, &|| of.bounds())
}
