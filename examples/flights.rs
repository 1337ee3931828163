//! Which weather delays flights most, by airport and by hour: three real tables joined, grouped and drawn.
//!
//! All flights that left New York in 2013 meet the weather at their airport in their hour, and the planes that flew them.
//!
//! Run with `cargo run --profile frame --features frame --example flights`; DataFusion takes some minutes to build.

use std::path::{Path, PathBuf};
use std::time::Instant;

use kvern::frame::arrow::array::{Array, AsArray};
use kvern::frame::arrow::compute::cast;
use kvern::frame::arrow::datatypes::{DataType, Float64Type};
use kvern::frame::functions::{avg, count, sum};
use kvern::frame::{CsvOptions, Expr, Frame, JoinHow, RecordBatch, col, lit, when};
use kvern::{Error, ErrorKind, Result, Session};

/// Kinds of weather from the worst sight on; a flight has the first that fits.
const KINDS: [&str; 6] = ["fog", "snow", "rain", "wind", "heat", "fair"];
const AIRPORTS: [&str; 3] = ["EWR", "JFK", "LGA"];
/// Hours of the day at which flights leave.
const HOURS: std::ops::Range<usize> = 5..24;

fn main() -> std::process::ExitCode {
    match flights() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("flights: {e}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn flights() -> Result<()> {
    let begun = Instant::now();
    let session = Session::open("threads://")?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/nycflights13");
    let read = |name: &str| {
        Frame::read_csv_with(folder.join(name), &CsvOptions::new().null_values(["NA"]))
    };

    // A flight that never left has no departure time.
    let flights = read("flights.csv.gz")?
        .with_column("cancelled", truth(col("dep_time").is_null()))?
        .with_column("late", truth(col("dep_delay").gt(lit(60))))?
        .select([
            "origin",
            "time_hour",
            "hour",
            "tailnum",
            "dep_delay",
            "cancelled",
            "late",
        ])?;
    let weather = read("weather.csv.gz")?
        .with_column("weather", kind()?)?
        .select(["origin", "time_hour", "weather"])?;
    let planes = read("planes.csv")?
        .with_column("size", size()?)?
        .select(["tailnum", "size"])?;
    let joined = flights.join(&weather, ["origin", "time_hour"], JoinHow::Inner)?;

    let measures = || {
        [
            count(lit(1)).alias("flights"),
            avg(col("dep_delay")).alias("mean_delay"),
            (lit(100.0) * avg(col("late"))).alias("late_%"),
            (lit(100.0) * avg(col("cancelled"))).alias("cancelled_%"),
        ]
    };
    let by_weather = joined
        .groupby("weather")
        .agg(measures())?
        .sort(col("mean_delay").sort(false, false))?;
    let by_plane = joined
        .join(&planes, "tailnum", JoinHow::Inner)?
        .groupby(["weather", "size"])
        .agg(measures())?
        .sort(["weather", "size"])?;
    let by_hour = joined.groupby(["origin", "weather", "hour"]).agg([
        sum(col("dep_delay")).alias("minutes"),
        count(col("dep_delay")).alias("left"),
    ])?;
    let total = joined.agg([count(lit(1)).alias("flights")])?;

    if std::env::args().any(|a| a == "--explain") {
        println!("{}", by_hour.explain_in(&session)?);
    }
    let (weathers, planes, hours, total) =
        session.compute((&by_weather, &by_plane, &by_hour, &total))?;

    println!(
        "{} flights met the weather of their hour and airport\n",
        numbers(&total, "flights")?[0]
    );
    print!(
        "{}",
        Frame::from_batches(weathers.clone())?.table_in(10, 100, &session)?
    );
    println!("\nby the size of the plane");
    print!(
        "{}",
        Frame::from_batches(planes)?.table_in(30, 100, &session)?
    );

    let worst = texts(&weathers, "weather")?;
    let delay = numbers(&weathers, "mean_delay")?;
    let flown = numbers(&weathers, "flights")?;
    if worst.len() != KINDS.len() || flown.iter().sum::<f64>() != numbers(&total, "flights")?[0] {
        return Err(Error::new(
            ErrorKind::Internal,
            "the groups do not add up to all flights",
        ));
    }
    let map = Map::new(&hours)?;
    let picture = map.draw()?;
    println!();
    println!(
        "worst on the whole: {}, {:.0} minutes late on average",
        worst[0], delay[0]
    );
    if let Some((airport, kind, hour, minutes)) = map.worst() {
        println!(
            "worst of all: {kind} at {airport} at {hour} o'clock, {minutes:.0} minutes later than when it is fair"
        );
    }
    println!(
        "minutes lost by airport, weather and hour: {}",
        picture.display()
    );
    println!("{:.1} s", begun.elapsed().as_secs_f64());
    Ok(())
}

/// 1.0 where it is true: its mean is a share.
fn truth(condition: Expr) -> Expr {
    kvern::frame::cast(
        kvern::frame::cast(condition, DataType::Int64),
        DataType::Float64,
    )
}

/// The kind of weather of an hour; units are those of the table: miles, degrees Fahrenheit, inches, miles an hour.
fn kind() -> Result<Expr> {
    let precipitation = || col("precip").gt(lit(0.0));
    when(col("visib").lt(lit(1.0)), lit("fog"))
        .when(
            precipitation().and(col("temp").lt_eq(lit(33.0))),
            lit("snow"),
        )
        .when(precipitation(), lit("rain"))
        .when(col("wind_speed").gt_eq(lit(25.0)), lit("wind"))
        .when(col("temp").gt_eq(lit(90.0)), lit("heat"))
        .otherwise(lit("fair"))
        .map_err(|e| Error::bad_input(e.to_string()))
}

fn size() -> Result<Expr> {
    when(col("seats").lt(lit(100)), lit("1 small"))
        .when(col("seats").lt(lit(250)), lit("2 medium"))
        .otherwise(lit("3 large"))
        .map_err(|e| Error::bad_input(e.to_string()))
}

/// Minutes lost to each weather, against fair weather at the same airport in the same hour.
struct Map {
    /// By airport, kind and hour; `None` where too few flights left to tell.
    lost: Vec<Vec<Vec<Option<f64>>>>,
}

impl Map {
    fn new(batches: &[RecordBatch]) -> Result<Self> {
        /// Fewer flights than this say nothing of an hour.
        const ENOUGH: f64 = 15.0;
        let mean = || vec![vec![vec![None; HOURS.end]; KINDS.len()]; AIRPORTS.len()];
        let mut means: Vec<Vec<Vec<Option<f64>>>> = mean();
        let (origins, kinds) = (texts(batches, "origin")?, texts(batches, "weather")?);
        let (hours, minutes) = (numbers(batches, "hour")?, numbers(batches, "minutes")?);
        let left = numbers(batches, "left")?;
        for i in 0..origins.len() {
            let a = AIRPORTS.iter().position(|a| *a == origins[i]);
            let k = KINDS.iter().position(|k| *k == kinds[i]);
            if let (Some(a), Some(k)) = (a, k)
                && left[i] >= ENOUGH
                && let Some(cell) = means[a][k].get_mut(hours[i] as usize)
            {
                *cell = Some(minutes[i] / left[i]);
            }
        }
        let mut lost = mean();
        for (a, kinds) in means.iter().enumerate() {
            let fair = &kinds[KINDS.len() - 1];
            for (k, hours) in kinds.iter().enumerate() {
                for (h, m) in hours.iter().enumerate() {
                    lost[a][k][h] = m.zip(fair[h]).map(|(m, fair)| m - fair);
                }
            }
        }
        Ok(Self { lost })
    }

    fn worst(&self) -> Option<(&str, &str, usize, f64)> {
        let mut worst: Option<(&str, &str, usize, f64)> = None;
        for (a, kinds) in self.lost.iter().enumerate() {
            for (k, hours) in kinds.iter().enumerate() {
                for (h, lost) in hours.iter().enumerate() {
                    if let Some(m) = lost
                        && worst.is_none_or(|w| *m > w.3)
                    {
                        worst = Some((AIRPORTS[a], KINDS[k], h, *m));
                    }
                }
            }
        }
        worst
    }

    /// A panel for each airport: a row for each weather, a column for each hour.
    fn draw(&self) -> Result<PathBuf> {
        const CELL: usize = 30;
        const LEFT: usize = 110;
        let kinds = &KINDS[..KINDS.len() - 1];
        let columns = HOURS.len();
        let panel = kinds.len() * CELL + 70;
        let mut image = Image::new(LEFT + columns * CELL + 20, AIRPORTS.len() * panel + 80);
        image.text(
            14,
            14,
            2,
            "MINUTES LATER THAN IN FAIR WEATHER, SAME AIRPORT AND HOUR",
        );
        for (a, airport) in AIRPORTS.iter().enumerate() {
            let top = 50 + a * panel;
            image.text(14, top, 3, airport);
            for (k, kind) in kinds.iter().enumerate() {
                let y = top + 30 + k * CELL;
                image.text(30, y + 10, 2, &kind.to_uppercase());
                for (i, h) in HOURS.enumerate() {
                    let colour = self.lost[a][k][h].map_or(TOO_FEW, shade);
                    image.fill(LEFT + i * CELL + 1, y + 1, CELL - 2, CELL - 2, colour);
                }
            }
            for (i, h) in HOURS.enumerate() {
                image.text(
                    LEFT + i * CELL + 8,
                    top + 36 + kinds.len() * CELL,
                    2,
                    &h.to_string(),
                );
            }
        }
        // What the colours mean.
        let y = image.height - 34;
        let mut legend = |x: usize, colour: [u8; 3], words: &str| {
            image.fill(x, y, 22, 18, colour);
            image.text(x + 27, y + 5, 2, words);
        };
        for (i, m) in [0.0, 15.0, 30.0, 45.0, 60.0, 75.0, 90.0]
            .into_iter()
            .enumerate()
        {
            legend(LEFT + i * 55, shade(m), &format!("{m:.0}"));
        }
        legend(LEFT + 385, shade(-10.0), "EARLIER");
        legend(LEFT + 485, TOO_FEW, "TOO FEW");
        image.write("flights-delay.png")
    }
}

/// Where too few flights left to tell.
const TOO_FEW: [u8; 3] = [236, 236, 236];

/// From pale through orange to dark red, 90 minutes and more being the darkest; blue if earlier.
fn shade(minutes: f64) -> [u8; 3] {
    const STEPS: [[f64; 3]; 4] = [
        [255.0, 247.0, 225.0],
        [253.0, 187.0, 108.0],
        [222.0, 73.0, 45.0],
        [103.0, 0.0, 31.0],
    ];
    if minutes < -2.0 {
        return [150, 190, 225];
    }
    let at = (minutes / 90.0).clamp(0.0, 1.0) * 3.0;
    let (i, share) = ((at as usize).min(2), at - (at as usize).min(2) as f64);
    [0, 1, 2].map(|c| (STEPS[i][c] * (1.0 - share) + STEPS[i + 1][c] * share) as u8)
}

struct Image {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Image {
    fn new(width: usize, height: usize) -> Self {
        Self {
            width,
            height,
            pixels: vec![255; 3 * width * height],
        }
    }

    fn fill(&mut self, x: usize, y: usize, w: usize, h: usize, colour: [u8; 3]) {
        for row in y..(y + h).min(self.height) {
            for column in x..(x + w).min(self.width) {
                let at = 3 * (row * self.width + column);
                self.pixels[at..at + 3].copy_from_slice(&colour);
            }
        }
    }

    /// Letters of three by five dots, each dot `scale` pixels wide.
    fn text(&mut self, x: usize, y: usize, scale: usize, words: &str) {
        for (i, c) in words.chars().enumerate() {
            let dots = glyph(c);
            for bit in 0..15 {
                if dots >> (14 - bit) & 1 == 1 {
                    let (dx, dy) = (bit % 3, bit / 3);
                    let left = x + (4 * i + dx) * scale;
                    self.fill(left, y + dy * scale, scale, scale, [60, 60, 60]);
                }
            }
        }
    }

    fn write(&self, name: &str) -> Result<PathBuf> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
        let path = folder.join(name);
        let io = |e: &dyn std::fmt::Display| {
            Error::new(
                ErrorKind::Io,
                format!("cannot write {}: {e}", path.display()),
            )
        };
        std::fs::create_dir_all(&folder).map_err(|e| io(&e))?;
        let out = std::io::BufWriter::new(std::fs::File::create(&path).map_err(|e| io(&e))?);
        let mut encoder = png::Encoder::new(out, self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header().map_err(|e| io(&e))?;
        writer.write_image_data(&self.pixels).map_err(|e| io(&e))?;
        Ok(path)
    }
}

/// The dots of a letter, row by row, the first in the highest of fifteen bits; a blank for what is not there.
fn glyph(c: char) -> u16 {
    match c {
        'A' => 0b010_101_111_101_101,
        'B' => 0b110_101_110_101_110,
        'C' => 0b011_100_100_100_011,
        'D' => 0b110_101_101_101_110,
        'E' => 0b111_100_110_100_111,
        'F' => 0b111_100_110_100_100,
        'G' => 0b011_100_101_101_011,
        'H' => 0b101_101_111_101_101,
        'I' => 0b111_010_010_010_111,
        'J' => 0b001_001_001_101_010,
        'K' => 0b101_101_110_101_101,
        'L' => 0b100_100_100_100_111,
        'M' => 0b101_111_111_101_101,
        'N' => 0b110_101_101_101_101,
        'O' => 0b010_101_101_101_010,
        'P' => 0b110_101_110_100_100,
        'R' => 0b110_101_110_101_101,
        'S' => 0b011_100_010_001_110,
        'T' => 0b111_010_010_010_010,
        'U' => 0b101_101_101_101_111,
        'V' => 0b101_101_101_101_010,
        'W' => 0b101_101_111_111_101,
        'X' => 0b101_101_010_101_101,
        'Y' => 0b101_101_010_010_010,
        '0' => 0b111_101_101_101_111,
        '1' => 0b010_110_010_010_111,
        '2' => 0b110_001_010_100_111,
        '3' => 0b110_001_010_001_110,
        '4' => 0b101_101_111_001_001,
        '5' => 0b111_100_110_001_110,
        '6' => 0b011_100_111_101_111,
        '7' => 0b111_001_010_010_010,
        '8' => 0b111_101_111_101_111,
        '9' => 0b111_101_111_001_110,
        ',' => 0b000_000_000_010_100,
        _ => 0,
    }
}

/// A column as numbers; a null counts as 0.
fn numbers(batches: &[RecordBatch], name: &str) -> Result<Vec<f64>> {
    let mut all = Vec::new();
    for b in batches {
        let column = b.column_by_name(name).ok_or_else(|| missing(name))?;
        let column =
            cast(column, &DataType::Float64).map_err(|e| Error::bad_input(e.to_string()))?;
        let column = column.as_primitive::<Float64Type>();
        all.extend((0..column.len()).map(|i| {
            if column.is_valid(i) {
                column.value(i)
            } else {
                0.0
            }
        }));
    }
    Ok(all)
}

fn texts(batches: &[RecordBatch], name: &str) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for b in batches {
        let column = b.column_by_name(name).ok_or_else(|| missing(name))?;
        let column = cast(column, &DataType::Utf8).map_err(|e| Error::bad_input(e.to_string()))?;
        let column = column.as_string::<i32>();
        all.extend((0..column.len()).map(|i| column.value(i).to_owned()));
    }
    Ok(all)
}

fn missing(name: &str) -> Error {
    Error::new(
        ErrorKind::Internal,
        format!("the answer has no column {name}"),
    )
}
