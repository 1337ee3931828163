//! What a newcomer writes from the documentation, on `sync://`, `threads://` and worker processes: nothing is changed but the URL, and no
//! function is marked, cast or registered.
//!
//! It is a program of its own and not a list of tests, because that is what the workers are: this program, begun again.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Debug;
use std::path::Path;
use std::sync::Mutex;

use kvern::array::{concatenate, stack};
use kvern::bag::{Compression, InvalidUtf8, TextOptions, read_text_with};
use kvern::core::{Annotations, Computation};
use kvern::frame::functions::{avg, count};
use kvern::frame::{CsvOptions, Frame, JoinHow, RecordBatch, col, lit, sql};
use kvern::prelude::*;
use ndarray::{Array1, Array3, ArrayD, s};
use serde::{Deserialize, Serialize};

const URLS: [&str; 3] = ["sync://", "threads://?workers=2", "cluster://?workers=2"];

fn main() {
    kvern::init();
    // What a runner of tests asks a program for.
    if std::env::args().any(|a| a == "--list") {
        if !std::env::args().any(|a| a == "--ignored") {
            println!("programs: test");
        }
        return;
    }
    let data = tempfile::tempdir().expect("a folder");
    let data = data.path();
    same("climatology", data, make_climate, climatology);
    same("sweep", data, |_| Ok(()), sweep);
    same("sweep by session", data, |_| Ok(()), sweep_by_session);
    same("logs", data, make_logs, logs);
    same("frames", data, make_tables, frames);
    same("pictures", data, make_pictures, pictures);
    for url in URLS {
        results_of_any_type(url).expect(url);
    }
    the_session_that_is_open_is_meant();
}

/// Runs a program on each URL, and compares what it gives.
fn same<T: PartialEq + Debug>(
    what: &str,
    data: &Path,
    make: impl Fn(&Path) -> kvern::Result<()>,
    program: impl Fn(&str, &Path) -> kvern::Result<T>,
) {
    make(data).expect(what);
    let mut first = None;
    for url in URLS {
        let begun = std::time::Instant::now();
        let got = program(url, data).unwrap_or_else(|e| panic!("{what} on {url}: {e}"));
        println!("{what} on {url}: {:.2?}", begun.elapsed());
        match &first {
            None => first = Some(got),
            Some(first) => assert_eq!(&got, first, "{what} on {url}"),
        }
    }
}

const DAYS: usize = 60;

fn climate() -> (Array3<f32>, Array1<i64>) {
    let t = Array3::from_shape_fn((DAYS, 9, 14), |(d, y, x)| {
        match (d * 31 + y * 7 + x * 3) % 97 {
            0 => f32::NAN,
            n => 280.0 + n as f32 / 8.0 + d as f32 / 16.0,
        }
    });
    (t, Array1::from_iter((0..DAYS as i64).map(|d| d % 12)))
}

fn make_climate(data: &Path) -> kvern::Result<()> {
    let (t, month) = climate();
    kvern::array::io::save_npy(data.join("t2m.npy"), &t)?;
    kvern::array::io::save_npy(data.join("month.npy"), &month)?;
    Ok(())
}

/// Monthly climatology and anomaly of a (time, lat, lon) array.
fn climatology(url: &str, data: &Path) -> kvern::Result<(ArrayD<f64>, ArrayD<f64>)> {
    let session = Session::open(url)?;
    let x = Array::<f32>::open_npy(data.join("t2m.npy"), (20, -1, -1))?.astype::<f64>();
    let month = Array::<i64>::open_npy(data.join("month.npy"), ())?
        .expand_dims(1)?
        .expand_dims(2)?;
    let there = x.isnan().logical_not();
    let mut clim = vec![];
    let mut anomaly = x.clone();
    for m in 0..12 {
        let here = month.equal(m)?.logical_and(&there)?;
        let n = here.sum(0)?;
        let mean = where_(&here, &x, 0.0)?.sum(0)? / n.astype::<f64>();
        anomaly = where_(&here, &x - &mean, anomaly)?;
        clim.push(mean);
    }
    let clim = stack(&clim.iter().collect::<Vec<_>>(), 0)?;
    let daily = anomaly.replace_nan(0.0).sum([1, 2])? / there.sum([1, 2])?.astype::<f64>();
    let (clim, daily) = session.compute((&clim, &daily))?;

    // One place and one day by hand.
    let (t, _) = climate();
    let january = (0..DAYS).step_by(12).map(|d| f64::from(t[[d, 4, 5]]));
    let january: Vec<f64> = january.filter(|v| !v.is_nan()).collect();
    let mean = january.iter().sum::<f64>() / january.len() as f64;
    assert!(
        (clim[[0, 4, 5]] - mean).abs() < 1e-9,
        "{} {mean}",
        clim[[0, 4, 5]]
    );
    let day = t.slice(s![13, .., ..]);
    let anomalies = day.indexed_iter().filter(|(_, v)| !v.is_nan());
    let anomalies: Vec<f64> = anomalies
        .map(|((y, x), v)| f64::from(*v) - clim[[1, y, x]])
        .collect();
    let want = anomalies.iter().sum::<f64>() / anomalies.len() as f64;
    assert!((daily[[13]] - want).abs() < 1e-9, "{} {want}", daily[[13]]);
    Ok((clim, daily))
}

/// A model some of whose parameters fail for good, some at first only.
fn model(i: &u32, growth: &f64, capacity: &f64) -> Result<f64, String> {
    static SEEN: Mutex<Option<HashSet<u32>>> = Mutex::new(None);
    if i % 17 == 16 {
        return Err(format!("growth {growth}: did not converge"));
    }
    assert!(*i != 23, "index out of bounds in the model");
    if i.is_multiple_of(5) && SEEN.lock().unwrap().get_or_insert_default().insert(*i) {
        return Err("licence server busy".into());
    }
    Ok((0..50).fold(0.1, |x, _| x + growth * x * (1.0 - x / capacity)))
}

fn parameters() -> Vec<(u32, f64, f64)> {
    (0..100)
        .map(|i| (i, 0.1 + 0.02 * f64::from(i), 10.0))
        .collect()
}

/// The results by parameter, and which parameters failed.
type Swept = (BTreeMap<u32, u64>, Vec<u32>);

fn check(swept: &Swept) {
    assert_eq!(swept.1, [16, 23, 33, 50, 67, 84]);
    assert_eq!(swept.0.len(), 94);
}

/// A sweep of lazy calls.
fn sweep(url: &str, _: &Path) -> kvern::Result<Swept> {
    let session = Session::open(url)?;
    let params = parameters();
    let model = try_delayed(model).named("model");
    let calls: Vec<_> = params
        .iter()
        .map(|&p| model.call(p).annotate(Annotations::new().retries(2)))
        .collect();
    let run = session.start(&(&calls).roots()?)?;
    let handles: Vec<TaskHandle<f64>> = run.handles().into_iter().map(TaskHandle::of).collect();
    let of: HashMap<_, _> = handles.iter().map(|h| h.key()).zip(&params).collect();
    let (mut good, mut bad) = (BTreeMap::new(), vec![]);
    for done in as_completed(handles) {
        let p = of[&done.key()];
        match done.wait() {
            Ok(y) => drop(good.insert(p.0, y.to_bits())),
            Err(_) => bad.push(p.0),
        }
    }
    bad.sort_unstable();
    let swept = (good, bad);
    check(&swept);
    Ok(swept)
}

/// The same sweep of submitted calls.
fn sweep_by_session(url: &str, _: &Path) -> kvern::Result<Swept> {
    let session = Session::open(url)?;
    let params = parameters();
    let runs = session.tasks().named("model").retries(2);
    let handles = runs.try_map(model, params.iter().copied())?;
    let (mut good, mut bad) = (BTreeMap::new(), vec![]);
    for done in as_completed(params.iter().zip(handles)) {
        assert_eq!(params[done.index], *done.with);
        match done.wait() {
            Ok(y) => drop(good.insert(done.with.0, y.to_bits())),
            Err(e) => {
                let words = e.to_string();
                assert!(
                    words.contains("converge") || words.contains("out of bounds"),
                    "{words}"
                );
                bad.push(done.with.0);
            }
        }
    }
    bad.sort_unstable();
    let swept = (good, bad);
    check(&swept);
    Ok(swept)
}

#[derive(Clone, Serialize, Deserialize)]
struct Hit {
    hour: u8,
    url: String,
    bytes: u64,
}

fn parse(line: &str) -> Option<Hit> {
    let (_, rest) = line.split_once(" [")?;
    let (time, rest) = rest.split_once("] \"")?;
    let (request, rest) = rest.split_once("\" ")?;
    Some(Hit {
        hour: time.split(':').nth(1)?.parse().ok()?,
        url: request.split(' ').nth(1)?.to_owned(),
        bytes: rest.split(' ').nth(1)?.parse().ok()?,
    })
}

const LINES: u64 = 8000;

fn make_logs(data: &Path) -> kvern::Result<()> {
    let lines = (0..LINES).map(|i| {
        if i % 1000 == 7 {
            return "not a line of a log".to_owned();
        }
        let (day, hour, page) = (1 + i % 28, i % 24, (i * i) % 61 % 40);
        format!("10.0.0.{} - - [{day:02}/Oct/2025:{hour:02}:00:00 +0000] \"GET /{page} HTTP/1.1\" 200 {}", i % 256, 100 + i % 900)
    });
    let session = Session::builder().url("sync://").current(false).build()?;
    Bag::from_sequence(lines, 4).write_text_in(data.join("logs"), Compression::Gzip, &session)?;
    Ok(())
}

/// Pages with how often they were wanted.
type Wanted = Vec<(String, u64)>;
/// Bytes by hour.
type ByHour = Vec<(u8, u64)>;

/// Access logs: the most wanted URLs, bytes by hour, how many lines are bad.
fn logs(url: &str, data: &Path) -> kvern::Result<(Wanted, ByHour)> {
    let session = Session::open(url)?;
    let options = TextOptions::new().invalid_utf8(InvalidUtf8::Lossy);
    let lines = read_text_with(data.join("logs/*.txt.gz"), &options)?;
    let hits = lines.map(parse).flatten();
    let top = hits
        .map(|h: Hit| h.url)
        .frequencies()
        .topk_by_key(5, |p: &(String, u64)| p.1);
    let hours = hits.foldby(
        |h: &Hit| h.hour,
        0u64,
        |n: u64, h: Hit| n + h.bytes,
        |a: u64, b: u64| a + b,
    );
    let bad = lines.filter(|l: &str| parse(l).is_none()).count();
    let (top, mut hours, bad, all) = session.compute((&top, &hours, &bad, &lines.count()))?;
    hours.sort_unstable();
    assert_eq!((all, bad), (LINES, LINES / 1000));
    let bytes = (0..LINES).filter(|i| i % 1000 != 7).map(|i| 100 + i % 900);
    assert_eq!(hours.iter().map(|h| h.1).sum::<u64>(), bytes.sum::<u64>());
    assert_eq!((top.len(), hours.len()), (5, 24));
    Ok((top, hours))
}

fn make_tables(data: &Path) -> kvern::Result<()> {
    use std::fmt::Write as _;
    let session = Session::builder().url("sync://").current(false).build()?;
    let mut flights = "origin,time_hour,tailnum,dep_delay\n".to_owned();
    let mut weather = "origin,time_hour,wind_speed,visib\n".to_owned();
    let mut planes = "tailnum,manufacturer,seats\n".to_owned();
    for i in 0..3000 {
        let (origin, delay) = (["EWR", "JFK", "LGA"][i % 3], (i * 37) % 190);
        let delay = if i % 50 == 0 {
            "NA".to_owned()
        } else {
            delay.to_string()
        };
        let _ = writeln!(
            flights,
            "{origin},2013-01-{:02} {:02}:00:00,N{},{delay}",
            1 + i % 28,
            i % 24,
            i % 90
        );
    }
    for day in 1..29 {
        for hour in 0..24 {
            for (k, origin) in ["EWR", "JFK", "LGA"].iter().enumerate() {
                let wind = (day * 3 + hour + k) % 40;
                let _ = writeln!(
                    weather,
                    "{origin},2013-01-{day:02} {hour:02}:00:00,{wind}.5,10"
                );
            }
        }
    }
    for i in 0..80 {
        let _ = writeln!(
            planes,
            "N{i},{},{}",
            ["BOEING", "AIRBUS", "EMBRAER"][i % 3],
            50 + i
        );
    }
    for (name, text) in [
        ("flights", flights),
        ("weather", weather),
        ("planes", planes),
    ] {
        std::fs::write(data.join(format!("{name}.csv")), text).expect("a file");
    }
    Frame::read_csv(data.join("planes.csv"))?
        .write_parquet_in(data.join("planes.parquet"), &session)?;
    Ok(())
}

/// Which makers' planes are late in which weather: CSV and Parquet joined, grouped, sorted, written, asked by SQL.
fn frames(url: &str, data: &Path) -> kvern::Result<(Vec<RecordBatch>, String)> {
    let session = Session::open(url)?;
    let csv = CsvOptions::new().null_values(["NA"]);
    let flights = Frame::read_csv_with(data.join("flights.csv"), &csv)?;
    let weather = Frame::read_csv_with(data.join("weather.csv"), &csv)?.drop("visib")?;
    let planes = Frame::read_parquet(data.join("planes.parquet"))?;
    let by = vec!["origin".to_owned(), "time_hour".to_owned()];
    let joined = flights
        .filter(col("dep_delay").is_not_null())?
        .join(&weather, &by, JoinHow::Left)?
        .join(&planes, "tailnum", JoinHow::Inner)?;
    let late = joined
        .with_column("windy", col("wind_speed").gt(lit(20)))?
        .groupby(["manufacturer", "windy"])
        .agg([
            count(lit(1)).alias("flights"),
            avg(col("dep_delay")).alias("delay"),
        ])?
        .filter(col("flights").gt(lit(5)))?
        .sort([col("delay").sort(false, false)])?;
    let out = data.join(format!("late_{}.parquet", session.describe().scheme));
    assert_eq!(late.write_parquet(&out)?, 6);
    assert_eq!(late.count()?.compute()?, 6);
    assert_eq!(
        late.take(2)?
            .iter()
            .map(RecordBatch::num_rows)
            .sum::<usize>(),
        2
    );
    let again = Frame::read_parquet(&out)?.persist()?;
    let top = sql(
        "SELECT manufacturer, max(delay) - min(delay) AS wind FROM late GROUP BY manufacturer HAVING count(*) > 1 ORDER BY wind DESC LIMIT 3",
        [("late", &again)],
    )?;
    Ok((late.compute()?, top.table(3, 100)?))
}

type Failed = Box<dyn std::error::Error + Send + Sync>;

const PICTURES: usize = 6;
const SIZE: (usize, usize) = (24, 36);

fn read(path: &String) -> Result<Vec<u8>, Failed> {
    let file = std::io::BufReader::new(std::fs::File::open(path)?);
    let mut reader = png::Decoder::new(file).read_info()?;
    let mut pixels = vec![0; reader.output_buffer_size().ok_or("too large")?];
    reader.next_frame(&mut pixels)?;
    Ok(pixels)
}

#[expect(
    clippy::ptr_arg,
    reason = "a task's function takes its arguments as they are"
)]
fn write(path: &String, pixels: &Vec<u8>, width: &usize) -> Result<u64, Failed> {
    let (w, h) = (*width as u32, (pixels.len() / width) as u32);
    let mut e = png::Encoder::new(std::fs::File::create(path)?, w, h);
    e.set_color(png::ColorType::Grayscale);
    e.write_header()?.write_image_data(pixels)?;
    Ok(pixels.len() as u64)
}

fn picture(data: &Path, what: &str, i: usize) -> String {
    data.join(format!("{what}_{i:02}.png"))
        .display()
        .to_string()
}

fn make_pictures(data: &Path) -> kvern::Result<()> {
    for i in 0..PICTURES {
        let pixels = (0..SIZE.0 * SIZE.1)
            .map(|k| (k * (i + 7) % 251) as u8)
            .collect();
        write(&picture(data, "in", i), &pixels, &SIZE.1).expect("a picture");
    }
    Ok(())
}

/// What dask.array calls map_overlap with depth 1 and the border repeated, put together from shifted slices.
fn smooth(x: &Array<f32>) -> kvern::Result<Array<f32>> {
    let n = x.shape();
    let x = concatenate(&[&x.slice((.., ..1))?, x, &x.slice((.., -1..))?], 1)?;
    let x = concatenate(
        &[&x.slice((.., .., ..1))?, &x, &x.slice((.., .., -1..))?],
        2,
    )?;
    let mut sum = Array::<f32>::zeros(n, ())?;
    for dy in 0..3 {
        for dx in 0..3 {
            sum = &sum + x.slice((.., dy..dy + n[1], dx..dx + n[2]))?;
        }
    }
    Ok(sum / 9.0)
}

/// A stack of pictures smoothed by the mean of each pixel's 3 x 3 neighbours, and written back.
fn pictures(url: &str, data: &Path) -> kvern::Result<Vec<Vec<u8>>> {
    let session = Session::open(url)?;
    let read_one = try_delayed(read).named("read");
    let pictures = (0..PICTURES)
        .map(|i| Array::from_delayed(&read_one.call((picture(data, "in", i),)), [SIZE.0, SIZE.1]))
        .collect::<kvern::Result<Vec<Array<u8>>>>()?;
    let all = stack(&pictures.iter().collect::<Vec<_>>(), 0)?;
    let smooth = smooth(&all.astype::<f32>())?.rint().astype::<u8>();
    let write = try_delayed(write).named("write").impure();
    let scheme = session.describe().scheme;
    let written = (0..PICTURES)
        .map(|i| {
            Ok(write.call((
                picture(data, &scheme, i),
                &smooth.slice(i)?.to_delayed()?,
                SIZE.1,
            )))
        })
        .collect::<kvern::Result<Vec<_>>>()?;
    assert_eq!(
        session.compute(&written)?,
        vec![(SIZE.0 * SIZE.1) as u64; PICTURES]
    );
    let out: Vec<Vec<u8>> = (0..PICTURES)
        .map(|i| read(&picture(data, &scheme, i)).expect("a picture"))
        .collect();
    // The pixel at (1, 1) of the first by hand.
    let first = read(&picture(data, "in", 0)).expect("a picture");
    let around = (0..3).flat_map(|y| (0..3).map(move |x| y * SIZE.1 + x));
    let mean = around.map(|k| f32::from(first[k])).sum::<f32>() / 9.0;
    assert_eq!(out[0][SIZE.1 + 1], mean.round_ties_even() as u8);
    Ok(out)
}

#[derive(Clone, Serialize, Deserialize, Debug, PartialEq)]
struct Image {
    w: usize,
    px: Vec<u8>,
}

fn black(w: &usize) -> Image {
    Image {
        w: *w,
        px: vec![1; *w],
    }
}

/// Results and arguments of any serde type, functions and closures as they are; what captures is refused at once, with the remedy.
fn results_of_any_type(url: &str) -> kvern::Result<()> {
    let session = Session::open(url)?;
    let n = delayed(|i: &Image| i.px.len());
    let image = delayed(black).call((3usize,));
    assert_eq!(image.compute()?, black(&3));
    assert_eq!(n.call((&image,)).compute()?, 3);
    assert_eq!(session.submit(black, (3usize,))?.wait()?, black(&3));
    assert_eq!(n.call((Image { w: 1, px: vec![2] },)).compute()?, 1);
    let pair = delayed(|w: &usize| (*w, vec![1u8; *w]));
    assert_eq!(pair.call((3usize,)).compute()?, (3, vec![1; 3]));
    let some = delayed(|w: &usize| Some(*w as f64));
    assert_eq!(some.call((3usize,)).compute()?, Some(3.0));
    let texts = delayed(|w: &usize| vec!["a".to_owned(); *w]);
    assert_eq!(texts.call((2usize,)).compute()?, ["a", "a"]);
    let map = delayed(|w: &usize| HashMap::from([(*w, 1u8)]));
    assert_eq!(map.call((3usize,)).compute()?, HashMap::from([(3, 1)]));
    assert_eq!(session.submit(|w: &usize| w + 1, (3usize,))?.wait()?, 4);
    let x = Array::<f64>::from_fn(3, 2, |i| i[0] as f64)?;
    assert_eq!(x.compute()?, ndarray::array![0.0, 1.0, 2.0].into_dyn());

    let k = std::hint::black_box(7usize);
    let captures = delayed(move |w: &usize| w + k).call((3usize,));
    let here = session.describe().capabilities.closures;
    match session.start(&Collection::roots(&captures)?) {
        Ok(run) => {
            assert!(here, "taken by {url}");
            drop(run);
            assert_eq!(captures.compute()?, 10);
        }
        Err(e) => {
            assert!(!here, "refused by {url}: {e}");
            assert_eq!(e.kind(), kvern::ErrorKind::NotPortable);
            let words = e.to_string();
            assert!(
                words.contains("captures 8 bytes") && words.contains("argument"),
                "{words}"
            );
        }
    }
    Ok(())
}

/// `x.compute()` is computed by the session that the program opened, with its budget.
fn the_session_that_is_open_is_meant() {
    let session = Session::open("threads://?memory=1MiB&workers=1").unwrap();
    let x = Array::<f64>::ones(1_000_000, 500_000).unwrap();
    let x = x.rechunk(1_000_000).unwrap();
    let named = session.compute(&x).unwrap_err();
    assert_eq!(named.kind(), kvern::ErrorKind::OutOfMemory, "{named}");
    let e = x.compute().unwrap_err();
    assert_eq!(e.to_string(), named.to_string());
    let file = std::env::temp_dir().join(format!("kvern-newcomer-{}.npy", std::process::id()));
    let e = x.save_npy(&file).unwrap_err();
    assert_eq!(
        (e.kind(), file.exists()),
        (kvern::ErrorKind::OutOfMemory, false)
    );
}
