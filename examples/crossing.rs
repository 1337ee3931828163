//! One program across all collections: lines of text, records of a bag, rows of a frame, numbers of an array, a function, a picture.
//!
//! The lines are the 336,776 flights that left New York in 2013. Nothing is read before the picture is asked for: it is one graph, and
//! it runs on the threads of this process or on worker processes, by the URL alone:
//!
//!     cargo run --profile frame --features frame --example crossing
//!     cargo run --profile frame --features frame --example crossing -- "cluster://?workers=2"

use std::path::Path;

use kvern::bridge::{bag_to_frame, column_to_array};
use kvern::frame::arrow::array::{Int64Array, StringArray};
use kvern::frame::functions::{avg, coalesce};
use kvern::frame::{DataType, Field, Frame, JoinHow, RecordBatch, Schema, col, lit};
use kvern::prelude::*;
use kvern::{Error, Result};
use serde::{Deserialize, Serialize};

const AIRPORTS: [&str; 3] = ["EWR", "JFK", "LGA"];
/// Hours of the day at which flights leave.
const HOURS: std::ops::Range<i64> = 5..24;

/// What is kept of a line.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Flight {
    origin: String,
    hour: i64,
    /// Minutes; none if it never left.
    delay: Option<f64>,
}

fn main() -> Result<()> {
    // The workers of a cluster are this program, and begin here.
    kvern::init();
    let url = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "threads://".to_owned());
    let session = Session::open(&url)?;

    let picture = picture()?;
    let png = session.compute(&picture)?;

    let path = std::env::temp_dir().join("kvern-crossing.png");
    std::fs::write(&path, &png)
        .map_err(|e| Error::bad_input(format!("{}: {e}", path.display())))?;
    println!(
        "{}: minutes late by airport and hour, against the airport's day, on {url}",
        path.display()
    );
    Ok(())
}

/// Text to picture, lazily.
fn picture() -> Result<Delayed<Vec<u8>>> {
    // Lines to records: a line that is none is an error that names file and line.
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/nycflights13/flights.csv.gz");
    let flights: Bag<Flight> = read_text(file)?
        .strings()
        .filter(|line: &String| !line.starts_with("year,"))
        .try_map(|line: String| read_flight(&line));

    // Records to rows: the mean delay of each airport and hour, the hours without a flight included.
    let schema = Schema::new(vec![
        Field::new("origin", DataType::Utf8, false),
        Field::new("hour", DataType::Int64, false),
        Field::new("delay", DataType::Float64, true),
    ]);
    let means = bag_to_frame(&flights, schema)?
        .groupby(["origin", "hour"])
        .agg([avg(col("delay")).alias("mean")])?;
    let table = all_hours()?
        .join(&means, ["origin", "hour"], JoinHow::Left)?
        .with_column("late", coalesce(vec![col("mean"), lit(0.0)]))?
        .sort(["origin", "hour"])?;

    // Rows to numbers: what each hour is above or below the mean of its airport.
    let (airports, hours) = (AIRPORTS.len(), HOURS.count());
    let late = column_to_array(&table, "late", airports * hours)?.reshape([airports, hours])?;
    let above = &late - &late.mean(1)?.expand_dims(1)?;

    // Numbers to a picture, by a plain function.
    Ok(delayed(|above: &Vec<f64>| draw(above)).call((&above.to_delayed()?,)))
}

fn read_flight(line: &str) -> std::result::Result<Flight, String> {
    let fields: Vec<&str> = line.split(',').map(|f| f.trim_matches('"')).collect();
    let field = |n: usize| {
        fields
            .get(n)
            .copied()
            .ok_or_else(|| format!("{} fields, 19 are expected", fields.len()))
    };
    let number = |text: &str| text.parse::<f64>().map_err(|e| format!("{text:?}: {e}"));
    let delay = match field(5)? {
        "NA" => None,
        text => Some(number(text)?),
    };
    Ok(Flight {
        origin: field(12)?.to_owned(),
        hour: number(field(16)?)? as i64,
        delay,
    })
}

/// Every airport at every hour.
fn all_hours() -> Result<Frame> {
    let pairs = AIRPORTS.iter().flat_map(|a| HOURS.map(move |h| (*a, h)));
    let (airports, hours): (Vec<&str>, Vec<i64>) = pairs.unzip();
    let batch = RecordBatch::try_from_iter([
        (
            "origin",
            std::sync::Arc::new(StringArray::from(airports)) as _,
        ),
        ("hour", std::sync::Arc::new(Int64Array::from(hours)) as _),
    ])
    .map_err(|e| Error::bad_input(e.to_string()))?;
    Frame::from_batches([batch])
}

/// A square for each airport and hour: red is later than the airport's mean, blue earlier.
fn draw(above: &[f64]) -> Vec<u8> {
    const SIDE: usize = 32;
    let (rows, columns) = (AIRPORTS.len(), HOURS.count());
    let most = above.iter().fold(1.0f64, |m, v| m.max(v.abs()));
    let mut pixels = Vec::with_capacity(rows * columns * SIDE * SIDE * 3);
    for y in 0..rows * SIDE {
        for x in 0..columns * SIDE {
            let edge = x % SIDE == 0 || y % SIDE == 0;
            let v = above[y / SIDE * columns + x / SIDE] / most;
            let fade = (255.0 * (1.0 - v.abs())) as u8;
            pixels.extend(match (edge, v > 0.0) {
                (true, _) => [255; 3],
                (false, true) => [255, fade, fade],
                (false, false) => [fade, fade, 255],
            });
        }
    }
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, (columns * SIDE) as u32, (rows * SIDE) as u32);
    encoder.set_color(png::ColorType::Rgb);
    let written = encoder
        .write_header()
        .and_then(|mut w| w.write_image_data(&pixels));
    // Writing to memory fails only for a picture of another size, which would be a mistake here.
    written.expect("the picture has as many pixels as it says");
    bytes
}
