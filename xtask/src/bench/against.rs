//! Our figures against those of another checkout: what got slower, what got faster.

use serde_json::{Value, json};

use super::row::{Role, Row};

/// What is added to the name of a contestant of the other checkout.
pub(super) const MARK: &str = " (before)";

/// By how much a figure may grow and still be the same: two builds of one source lay their code out differently.
const SAME: f64 = 0.05;

/// One contestant in both checkouts.
#[derive(Debug, PartialEq)]
pub(super) struct Change {
    case: String,
    who: String,
    /// Our figure divided by the other's: above 1 we are slower.
    ratio: f64,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// By more than 5 %, and each turn slower than each of the other's.
    Slower,
    /// The same the other way round.
    Faster,
    /// Within 5 %, or within what the turns differ among themselves.
    Same,
}

/// A row of the other checkout's program.
pub(super) fn before(mut row: Row) -> Row {
    row.role = Role::Before;
    row.who.push_str(MARK);
    row
}

/// All contestants of a case that both checkouts have.
pub(super) fn changes(rows: &[Row]) -> Vec<Change> {
    let now = rows
        .iter()
        .filter(|row| matches!(row.role, Role::Ours | Role::Variant));
    now.filter_map(|row| {
        let earlier = rows.iter().find(|other| {
            other.role == Role::Before && other.who.strip_suffix(MARK) == Some(&row.who)
        })?;
        Some(change(row, earlier))
    })
    .collect()
}

fn change(now: &Row, before: &Row) -> Change {
    let ratio = now.figure() / before.figure();
    let kind = if ratio > 1.0 + SAME && now.turns.0 > before.turns.1 {
        Kind::Slower
    } else if ratio < 1.0 - SAME && now.turns.1 < before.turns.0 {
        Kind::Faster
    } else {
        Kind::Same
    };
    Change {
        case: now.case.clone(),
        who: now.who.clone(),
        ratio,
        kind,
    }
}

impl Change {
    /// As a line of JSON.
    pub(super) fn json(&self) -> Value {
        json!({
            "case": self.case,
            "who": self.who,
            "ratio_to_before": self.ratio,
            "change": self.word(),
        })
    }

    fn word(&self) -> &'static str {
        match self.kind {
            Kind::Slower => "SLOWER",
            Kind::Faster => "faster",
            Kind::Same => "same",
        }
    }

    /// A line for a person.
    pub(super) fn line(&self) -> String {
        format!(
            "  {:24} {:24} {:>6.3}x the time before  {}\n",
            self.case,
            self.who,
            self.ratio,
            self.word()
        )
    }

    /// What is said at the end if it is slower.
    pub(super) fn failure(&self) -> Option<String> {
        (self.kind == Kind::Slower).then(|| {
            format!(
                "{} {}: {:.3}x the time before, and every turn of ours took longer than every turn of the other",
                self.case, self.who, self.ratio
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::row::merged;
    use super::super::row::tests::row;
    use super::*;

    /// What is said of ours in such turns against the other's, in seconds.
    fn kind(ours: &[f64], other: &[f64]) -> Kind {
        let ours = ours.iter().map(|&s| row("kvern", Role::Ours, s, None));
        let other = other
            .iter()
            .map(|&s| before(row("kvern", Role::Ours, s, None)));
        let changes = changes(&merged(ours.chain(other).collect()));
        assert_eq!(changes.len(), 1);
        changes[0].kind
    }

    #[test]
    fn slower_is_beyond_five_percent_and_beyond_the_spread() {
        assert_eq!(kind(&[1.2, 1.1, 1.3], &[1.0, 1.05, 0.9]), Kind::Slower);
        assert_eq!(kind(&[1.04, 1.03, 1.04], &[1.0, 1.0, 1.0]), Kind::Same);
        assert_eq!(kind(&[1.2, 1.1, 1.3], &[1.0, 1.15, 0.9]), Kind::Same);
        assert_eq!(kind(&[0.8, 0.7, 0.8], &[1.0, 1.05, 0.9]), Kind::Faster);
    }

    #[test]
    fn only_who_is_in_both_is_compared() {
        let rows = [
            row("kvern", Role::Ours, 1.0, None),
            before(row("kvern-sync", Role::Variant, 1.0, None)),
            row("rayon", Role::Limit, 1.0, None),
            before(row("rayon", Role::Limit, 1.0, None)),
        ];
        assert_eq!(changes(&rows), []);
    }
}
