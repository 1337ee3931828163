//! Byte counts, durations and nearest names: round trips, and what people type.

use std::time::Duration;

use kvern_core::text::{
    ByteAmount, format_bytes, format_bytes_exact, format_duration, nearest, parse_byte_amount,
    parse_bytes, parse_duration,
};
use proptest::prelude::*;

#[test]
fn bytes_as_people_write_them() {
    let good = [
        ("0", 0),
        ("4096", 4096),
        ("1B", 1),
        ("256MiB", 256 << 20),
        ("256 mib", 256 << 20),
        (" 8GB ", 8_000_000_000),
        ("1.5GiB", 3 << 29),
        (".5kB", 500),
        ("0.1GB", 100_000_000),
        ("1_000kb", 1_000_000),
        ("0.3337KiB", 342),
        ("16383.999PiB", 18_446_742_947_809_644_773),
        ("18446744073709551615", u64::MAX),
    ];
    for (text, bytes) in good {
        assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
    }
}

#[test]
fn bytes_that_are_refused_say_why() {
    let bad = [
        ("", "write a number and a unit such as 256MiB"),
        ("MiB", "write a number and a unit such as 256MiB"),
        ("-1GB", "write a number and a unit such as 256MiB"),
        ("256M", "write 256MB or 256MiB"),
        ("1.5 k", "write 1.5kB or 1.5KiB"),
        ("3Gi", "write 3GB or 3GiB"),
        ("8 gigs", "the unit \"gigs\" is unknown"),
        ("70%", "a share of memory is not allowed here"),
        ("0.5B", "no part of a byte"),
        ("1.5", "no part of a byte"),
        ("16384PiB", "the largest is 18446744073709551615B"),
        ("18446744073709551616", "the largest is"),
        (
            "99999999999999999999999999999999999999999999",
            "the largest is",
        ),
    ];
    for (text, reason) in bad {
        let error = parse_bytes(text).expect_err(text);
        assert!(error.to_string().contains(reason), "{text}: {error}");
        assert!(
            error
                .to_string()
                .contains(&format!("{text:?} is not a number of bytes"))
        );
    }
}

#[test]
fn shares_are_of_what_there_is() {
    assert_eq!(parse_byte_amount("70%").unwrap().of(1000), 700);
    assert_eq!(
        parse_byte_amount("12.5 %").unwrap(),
        ByteAmount::Share(0.125)
    );
    assert_eq!(parse_byte_amount("1kB").unwrap().of(7), 1000);
    assert_eq!(parse_byte_amount("70%").unwrap().to_string(), "70%");
    for bad in ["0%", "101%", "%", "x%", "-5%", "1e2%"] {
        assert!(parse_byte_amount(bad).is_err(), "{bad}");
    }
}

#[test]
fn durations_as_people_write_them() {
    let good = [
        ("0", Duration::ZERO),
        ("50ms", Duration::from_millis(50)),
        ("1.5s", Duration::from_millis(1500)),
        ("2 min", Duration::from_secs(120)),
        ("1h30m", Duration::from_secs(5400)),
        ("1d 2h 3m 4s 5ms 6us 7ns", Duration::new(93_784, 5_006_007)),
        ("10µs", Duration::from_micros(10)),
    ];
    for (text, duration) in good {
        assert_eq!(parse_duration(text), Ok(duration), "{text}");
    }
    let bad = [
        ("30", "it has no unit"),
        ("", "such as 50ms"),
        ("5 parsecs", "the unit \"parsecs\" is unknown"),
        ("1m1h", "large to small"),
        ("1m 1min", "large to small"),
        ("-1s", "such as 50ms"),
        ("1s!", "unknown"),
        ("999999999999999999999999999999d", "too long"),
    ];
    for (text, reason) in bad {
        let error = parse_duration(text).expect_err(text);
        assert!(error.to_string().contains(reason), "{text}: {error}");
    }
}

#[test]
fn the_nearest_name_is_the_one_that_was_meant() {
    let keys = [
        "memory.limit",
        "memory.spill",
        "spill.limit",
        "threads.workers",
    ];
    assert_eq!(nearest("memory.limt", keys), Some("memory.limit"));
    assert_eq!(nearest("memroy.limit", keys), Some("memory.limit"));
    assert_eq!(nearest("spil.limit", keys), Some("spill.limit"));
    assert_eq!(
        nearest("Threads_Workers", ["threads-workers"]),
        Some("threads-workers")
    );
    assert_eq!(nearest("gte", ["get"]), Some("get"));
    assert_eq!(nearest("xyz", keys), None);
    assert_eq!(nearest("", keys), None);
    assert_eq!(nearest("a", ["b"]), None);
    assert_eq!(nearest(&"a".repeat(1 << 20), keys), None);
}

#[test]
fn people_see_three_digits() {
    assert_eq!(format_bytes(0), "0B");
    assert_eq!(format_bytes(1023), "1023B");
    assert_eq!(format_bytes(1536), "1.5KiB");
    assert_eq!(format_bytes(u64::MAX), "16384PiB");
}

proptest! {
    #[test]
    fn exact_bytes_read_back(bytes in prop_oneof![any::<u64>(), (0_u64..1024).prop_map(|n| n << 30), (0_u64..9000).prop_map(|n| n * 1_000_000)]) {
        prop_assert_eq!(parse_bytes(&format_bytes_exact(bytes)), Ok(bytes));
        prop_assert_eq!(parse_byte_amount(&ByteAmount::Exact(bytes).to_string()), Ok(ByteAmount::Exact(bytes)));
    }

    #[test]
    fn bytes_for_people_are_near(bytes in any::<u64>()) {
        // 16384PiB is one byte too many for a u64.
        prop_assume!(bytes < u64::MAX - (1 << 44));
        let read = parse_bytes(&format_bytes(bytes)).unwrap();
        prop_assert!(read.abs_diff(bytes) as f64 <= bytes as f64 * 0.005 + 0.5, "{bytes} shown as {}", format_bytes(bytes));
    }

    #[test]
    fn shares_read_back(percent in 1_u32..=10_000) {
        let text = format!("{}%", f64::from(percent) / 100.0);
        prop_assert_eq!(parse_byte_amount(&text).unwrap().to_string(), text);
    }

    #[test]
    fn every_share_reads_back(bits in 1..=1f64.to_bits()) {
        let share = ByteAmount::Share(f64::from_bits(bits));
        prop_assert_eq!(parse_byte_amount(&share.to_string()), Ok(share));
    }

    #[test]
    fn durations_read_back(seconds in any::<u64>(), nanos in 0_u32..1_000_000_000, whole in any::<bool>()) {
        let duration = Duration::new(seconds, if whole { 0 } else { nanos });
        prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
    }

    #[test]
    fn no_text_is_a_panic(text in prop_oneof![any::<String>(), "[0-9._ ]{0,50}[a-zA-Zµ%]{0,4}[0-9.]{0,5}[a-z]{0,3}"]) {
        let _ = parse_bytes(&text);
        let _ = parse_byte_amount(&text);
        let _ = parse_duration(&text);
        let _ = nearest(&text, ["threads", text.as_str()]);
    }

    #[test]
    fn a_single_slip_is_forgiven(name in "[a-z]{4,12}", at in 0_usize..12, c in "[a-z]") {
        let at = at % name.len();
        let (changed, removed, added) = {
            let (mut x, mut y, mut z) = (name.clone(), name.clone(), name.clone());
            x.replace_range(at..=at, &c);
            y.remove(at);
            z.insert_str(at, &c);
            (x, y, z)
        };
        for typo in [changed, removed, added] {
            prop_assert_eq!(nearest(&typo, ["0000000000", name.as_str()]), Some(name.as_str()));
        }
    }
}

#[test]
fn shares_are_shown_as_people_write_them() {
    for text in ["70%", "100%", "12.5%", "0.1%", "0.0025%", "33.3%"] {
        assert_eq!(parse_byte_amount(text).unwrap().to_string(), text);
    }
    let share = |text: &str| match parse_byte_amount(text).unwrap() {
        ByteAmount::Share(share) => share,
        ByteAmount::Exact(bytes) => panic!("{bytes}"),
    };
    assert_eq!(share("70%"), 0.7);
    assert_eq!(share("33.333333333333333333333%"), 1.0 / 3.0);
    // Each of a hundred thousand comes back.
    for i in 1..=100_000u32 {
        let one = f64::from(i) / 100_000.0 * 0.999_999_7;
        let text = ByteAmount::Share(one).to_string();
        assert_eq!(share(&text).to_bits(), one.to_bits(), "{text}");
    }
}
