//! `cargo xtask fuzz`: random queries over frames, every way, against DuckDB.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

mod run;

use run::duck::Duck;
use run::seeds::{self, Task};
use run::ways::{How, WAYS, Ways};

/// Planning allocates much: a fifth of the time of a seed was spent in the allocator of the system.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What was asked for.
struct Wish {
    from: u64,
    seeds: u64,
    ways: Vec<How>,
    python: PathBuf,
    failures: usize,
    seconds: Option<u64>,
    shrinking: bool,
    show: bool,
    prove: bool,
}

fn main() -> ExitCode {
    // Workers of clusters are this program, started again.
    kvern::init();
    match arguments().and_then(|wish| work(&wish)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

fn arguments() -> Result<Wish, String> {
    let mut wish = Wish {
        from: 0,
        seeds: 1000,
        ways: vec![How::Local, How::Tasks],
        python: "python3".into(),
        failures: 5,
        seconds: None,
        shrinking: true,
        show: false,
        prove: false,
    };
    let mut args = std::env::args().skip(1);
    while let Some(name) = args.next() {
        let mut text = || args.next().ok_or_else(|| format!("`{name}` wants a value"));
        let number = |text: String| {
            text.parse::<u64>()
                .map_err(|_| format!("`{name} {text}`: {text:?} is not a number"))
        };
        match name.as_str() {
            "--from" => wish.from = number(text()?)?,
            "--seeds" => wish.seeds = number(text()?)?,
            "--failures" => wish.failures = number(text()?)? as usize,
            "--seconds" => wish.seconds = Some(number(text()?)?),
            "--python" => wish.python = text()?.into(),
            "--way" => wish.ways = ways(&text()?)?,
            "--no-shrink" => wish.shrinking = false,
            "--show" => wish.show = true,
            "--prove" => wish.prove = true,
            _ => {
                return Err(format!(
                    "unknown argument {name:?} (allowed: --from SEED, --seeds N, --way local|tasks|cluster|ballista|all, --python PATH, \
                     --failures N, --seconds N, --no-shrink, --show, --prove)"
                ));
            }
        }
    }
    Ok(wish)
}

fn ways(text: &str) -> Result<Vec<How>, String> {
    if text == "all" {
        return Ok(WAYS.iter().map(|w| w.1).collect());
    }
    text.split(',')
        .map(|name| {
            let found = WAYS.iter().find(|w| w.0 == name).map(|w| w.1);
            found.ok_or_else(|| {
                format!(
                    "there is no way {name:?} (there are: local, tasks, cluster, ballista, all)"
                )
            })
        })
        .collect()
}

fn work(wish: &Wish) -> Result<bool, String> {
    if wish.show {
        for seed in wish.from..wish.from + wish.seeds {
            seeds::show(seed);
        }
        return Ok(true);
    }
    let version = Duck::version(&wish.python)?;
    let mut duck = Duck::start(wish.python.clone())?;
    let ways = Ways::open(&wish.ways)?;
    // A panic is a finding like any other; its message is in the report.
    std::panic::set_hook(Box::new(|_| {}));
    let start = Instant::now();
    let task = Task {
        from: wish.from,
        seeds: wish.seeds,
        failures: wish.failures,
        end: wish.seconds.map(|n| start + Duration::from_secs(n)),
        shrinking: wish.shrinking,
    };
    if wish.prove {
        let missed = seeds::prove(&task, &mut duck, &ways)?;
        missed.iter().for_each(|what| println!("NOT SEEN: {what}"));
        return Ok(missed.is_empty());
    }
    let sum = seeds::run(&task, &mut duck, &ways)?;
    let _ = std::panic::take_hook();
    println!(
        "{} seeds from {} against DuckDB {version} in {:.1} s:",
        sum.seen,
        wish.from,
        start.elapsed().as_secs_f64()
    );
    for (way, n) in &sum.right {
        println!("{n:>8} right, {way}");
    }
    for (why, n) in &sum.passed {
        println!("{n:>8} say nothing: {why}");
    }
    println!("{:>8} rows in the right answers", sum.rows);
    if sum.failed.is_empty() {
        return Ok(true);
    }
    println!("failed: {:?}", sum.failed);
    Ok(false)
}
