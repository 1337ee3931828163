//! The whole Earth in a quarter of its size: what kvern does, on real data.
//!
//! `globe-land-mask.npz` holds, for each of 21,600 x 43,200 cells of half a minute of arc, whether it is ocean: 933 MB once decoded,
//! from a file of 2.5 MB. It is read as a stream, chunk by chunk, and several questions are answered in one pass over it, under a
//! memory budget of 256 MiB for the process.
//!
//! Run with `cargo run --release --example tour`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use kvern::array::Array;
use kvern::{Result, Session};

/// Memory that the process may take; results get what the program itself leaves.
const BUDGET_MIB: u64 = 256;
/// Rows of 43,200 cells a chunk: 10 MB, and whole bands of ten degrees are five chunks.
const ROWS: usize = 240;
/// Cells of the array that become one pixel of the map, along each axis.
const PIXEL: usize = 40;
/// Rows of ten degrees of latitude.
const BAND: usize = 1200;

fn main() -> std::process::ExitCode {
    match tour() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("tour: {e}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn tour() -> Result<()> {
    let begun = Instant::now();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/globe-land-mask.npz");
    let session = Session::open("threads://?memory=160MiB")?;
    let _progress = kvern::progress::show(&session)?;

    // Lazy: only the headers are read here.
    let ocean = Array::<bool>::open_npz(&file, "mask", (ROWS, -1))?;
    let latitude = Array::<f64>::open_npz(&file, "lat", ROWS)?;
    println!(
        "{} cells ({} x {}) in {} chunks, {:.0} MB decoded",
        thousands(ocean.size()),
        ocean.shape()[0],
        ocean.shape()[1],
        ocean.npartitions(),
        ocean.nbytes() as f64 / 1e6
    );

    // A cell's area goes with the cosine of its latitude.
    let weight = latitude.deg2rad().cos();
    let column = weight.expand_dims(1)?;
    let share = |rows: &Array<bool>| -> Result<Array<f64>> {
        // Of the rows picked: the weight of their ocean cells over the weight of all their cells.
        let picked = rows.astype::<f64>();
        let here = (&picked * &weight).sum(())? * (ocean.shape()[1] as f64);
        let wet = (ocean.astype::<f64>() * &column * picked.expand_dims(1)?).sum(())?;
        Ok(wet / here)
    };
    let everywhere = latitude.isfinite();
    let north = latitude.greater(0.0)?;
    let world = share(&everywhere)?;
    let northern = share(&north)?;
    let southern = share(&north.logical_not())?;

    // By bands of ten degrees, and as a map of one pixel for each PIXEL x PIXEL cells.
    let by_row = ocean.astype::<f64>().mean(1)?;
    let bands = by_row.coarsen([BAND], Array::mean)?;
    let map = ocean.astype::<f32>().coarsen([PIXEL, PIXEL], Array::mean)?;

    if std::env::args().any(|a| a == "--explain") {
        use kvern::core::Computation;
        let roots = Computation::roots(&(&world, &northern, &southern, &bands, &map))?;
        println!(
            "{}",
            session
                .plan(&roots)?
                .explain(session.describe().memory_budget)?
        );
    }
    let (world, northern, southern, bands, map) =
        session.compute((&world, &northern, &southern, &bands, &map))?;
    let at = latitude.compute_in(&session)?;

    println!();
    println!("ocean, weighted by area: {:.5} of the Earth", world[[]]);
    println!(
        "                         {:.5} north of the equator",
        northern[[]]
    );
    println!("                         {:.5} of the rest", southern[[]]);
    println!();
    println!("   latitude   ocean");
    for (i, share) in bands.iter().enumerate() {
        let (top, bottom) = (at[[i * BAND]], at[[(i + 1) * BAND - 1]]);
        println!(
            "{:>4.0} to {:>3.0}   {share:.3} {}",
            top.max(bottom),
            top.min(bottom),
            "#".repeat((share * 40.0).round() as usize)
        );
    }
    let picture = draw(&map, at[[0]] < 0.0)?;
    println!();
    println!(
        "map of {} x {} pixels: {}",
        map.shape()[1],
        map.shape()[0],
        picture.display()
    );
    println!(
        "{:.1} s, peak memory {}",
        begun.elapsed().as_secs_f64(),
        peak_memory()
    );
    Ok(())
}

/// Writes the map as PNG beside the build; ocean is blue, land goes from green to white with latitude.
fn draw(map: &ndarray::ArrayD<f32>, south_first: bool) -> Result<PathBuf> {
    let (height, width) = (map.shape()[0], map.shape()[1]);
    let mut pixels = Vec::with_capacity(3 * height * width);
    for y in 0..height {
        let row = if south_first { height - 1 - y } else { y };
        let cold = ((2.0 * (y as f32 + 0.5) / height as f32 - 1.0).abs() * 1.25 - 0.25)
            .clamp(0.0, 1.0)
            .powi(2);
        let land = [
            90.0 + 150.0 * cold,
            140.0 + 105.0 * cold,
            70.0 + 180.0 * cold,
        ];
        for x in 0..width {
            let wet = map[[row, x]];
            let sea = [24.0, 66.0, 130.0];
            pixels.extend((0..3).map(|c| (sea[c] * wet + land[c] * (1.0 - wet)) as u8));
        }
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
    let path = folder.join("tour-map.png");
    let io = |e: &dyn std::fmt::Display| {
        kvern::Error::new(
            kvern::ErrorKind::Io,
            format!("cannot write {}: {e}", path.display()),
        )
    };
    std::fs::create_dir_all(&folder).map_err(|e| io(&e))?;
    let out = std::io::BufWriter::new(std::fs::File::create(&path).map_err(|e| io(&e))?);
    let mut encoder = png::Encoder::new(out, width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(|e| io(&e))?;
    writer.write_image_data(&pixels).map_err(|e| io(&e))?;
    Ok(path)
}

/// The most memory this process has ever held, as the system counts it.
fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = status
        .lines()
        .find_map(|l| l.strip_prefix("VmHWM:"))
        .and_then(|v| v.trim().split(' ').next()?.parse::<u64>().ok());
    kib.map_or("unknown on this system".into(), |k| {
        format!("{} MiB of the {BUDGET_MIB} MiB allowed", k / 1024)
    })
}

fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}
