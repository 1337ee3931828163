//! Random cases: tables and a query over them, by seed.

mod bools;
mod exprs;
mod rels;
mod windows;

use crate::query::{Column, Rel};
use crate::rng::Rng;
use crate::table::{self, Table};

/// What one seed is.
#[derive(Debug, Clone)]
pub struct Case {
    /// The seed.
    pub seed: u64,
    /// The tables.
    pub tables: Vec<Table>,
    /// The query.
    pub query: Rel,
    /// Into how many partitions frames are cut, by tasks and on one machine.
    pub partitions: usize,
}

impl Case {
    /// The case of that seed.
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let count = rng.between(1, 3) as usize;
        let tables: Vec<Table> = (0..count)
            .map(|i| table::table(&mut rng, &format!("t{i}")))
            .collect();
        let partitions = rng.between(1, 5) as usize;
        let mut maker = Maker {
            rng,
            tables: &tables,
            names: 0,
            subqueries: 2,
        };
        let query = maker.query();
        Self {
            seed,
            tables,
            query,
            partitions,
        }
    }

    /// The names of the tables.
    pub fn names(&self) -> Vec<String> {
        self.tables.iter().map(|t| t.name.clone()).collect()
    }
}

/// Makes queries.
struct Maker<'a> {
    rng: Rng,
    tables: &'a [Table],
    /// Names given so far.
    names: usize,
    /// Subqueries that there may still be.
    subqueries: usize,
}

/// A query under way: what is in it, what comes out, and how many rows that are at most.
struct Part {
    rel: Rel,
    rows: u64,
}

impl Part {
    fn columns(&self) -> Vec<Column> {
        self.rel.columns()
    }
}

impl Maker<'_> {
    fn name(&mut self) -> String {
        self.names += 1;
        format!("c{}", self.names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Dialect;
    use crate::sql;

    #[test]
    fn a_seed_is_the_same_case_every_time() {
        for seed in 0..300 {
            let (a, b) = (Case::new(seed), Case::new(seed));
            for dialect in [Dialect::Kvern, Dialect::Duck] {
                let text = |c: &Case| sql::query(&c.query, &c.names(), dialect);
                assert_eq!(text(&a), text(&b), "seed {seed}");
            }
            assert_eq!(format!("{:?}", a.tables), format!("{:?}", b.tables));
        }
    }
}
