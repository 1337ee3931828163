//! Frames as Parquet files, which are there whole or not at all.

use std::path::Path;

use kvern_core::blocks::BlockBytes;
use kvern_core::layer::BlockArg;
use kvern_core::layer::Blockwise;
use kvern_core::{
    AxisMap, Collection, Delayed, Error, ErrorKind, Grid, Layer, Result, Session, Value,
};

use super::Frame;
use super::compute::Way;
use crate::backend::engine_of;
use crate::cut;
use crate::ops::{engine_to_file, query_to_file, write_op};

impl Frame {
    /// Writes all rows to one Parquet file, in the current session. Says how many there were.
    ///
    /// The file appears under its name when it is complete and on disk; until then, and after an error or a crash, what was there before
    /// still is.
    ///
    /// ```
    /// # let sales: kvern_frame::Frame = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sales.in"));
    /// // sales (city, day, amount): (Oslo, 1, 2.5), (Rome, 1, 4.0), (Oslo, 2, null)
    /// # use kvern_scheduler_local as _;
    /// # let path = std::env::temp_dir().join(format!("kvern-write-parquet-{}.parquet", std::process::id()));
    /// assert_eq!(sales.write_parquet(&path)?, 3); // rows
    /// assert_eq!(kvern_frame::Frame::read_parquet(&path)?.count()?.compute()?, 3);
    /// # std::fs::remove_file(path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Io`] naming the path; what keeps the frame from being computed.
    pub fn write_parquet(&self, path: impl AsRef<Path>) -> Result<u64> {
        self.write_parquet_in(path, &Session::current()?)
    }

    /// [`Frame::write_parquet`] in that session. By [`Way::Local`] rows are written as they come, by [`Way::Tasks`] by one task that reads
    /// all partitions; what an engine of the backend computes is written here, as it comes.
    ///
    /// # Errors
    /// As [`Frame::write_parquet`].
    pub fn write_parquet_in(&self, path: impl AsRef<Path>, session: &Session) -> Result<u64> {
        let path = kvern_core::url::local_path(path.as_ref())?;
        let path = std::path::absolute(&path)
            .map_err(|e| crate::error::io(&path, "it cannot be written", e))?;
        if path.is_dir() {
            return Err(Error::new(
                ErrorKind::Io,
                format!("{} is a folder, a file was to be written", path.display()),
            ));
        }
        let here = session.describe().capabilities.closures;
        let schema = self.schema();
        let root = if let (None, Some(engine)) = (self.way, engine_of(session)) {
            self.engine_layer(engine.as_ref(), &|query, inputs| {
                engine_to_file(engine.clone(), query, inputs, path.clone(), schema.clone())
            })?
        } else if here && self.way != Some(Way::Tasks) {
            self.local_layer(session, &|plan, inputs, knobs, drive, spill| {
                query_to_file(
                    plan,
                    inputs,
                    knobs,
                    drive,
                    spill,
                    path.clone(),
                    schema.clone(),
                )
            })?
        } else {
            let n = self.wanted_partitions(session.describe().threads);
            let cut = self.tasks(n)?.cut;
            let all = BlockArg {
                slot: 0,
                grid: Grid::new([cut.count]),
                axes: vec![AxisMap::All],
            };
            let op = write_op(&path, &self.schema())?;
            let layer = Blockwise::new(op, Grid::new([1]), vec![all], BlockBytes::Each(0))?;
            Layer::new(layer, vec![cut.layer])
        };
        let rows: Delayed<u64> = Delayed::of_layer(root, 0);
        let values: Vec<Value> = session.start(&rows.roots()?)?.gather()?;
        rows.finish(values)
    }

    /// The tasks that a computation by [`Way::Tasks`] would run, with everything a graph can tell of itself.
    ///
    /// ```
    /// # let sales: kvern_frame::Frame = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sales.in"));
    /// // sales (city, day, amount): (Oslo, 1, 2.5), (Rome, 1, 4.0), (Oslo, 2, null)
    /// sales.groupby("city").count()?.graph()?.check(&kvern_core::Registry::linked()?)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// What keeps the frame from being planned.
    pub fn graph(&self) -> Result<kvern_core::Graph> {
        let cut = self
            .tasks(self.wanted_partitions(super::verbs::PARTITIONS))?
            .cut;
        Ok(kvern_core::Graph::new(&[kvern_core::Root::all(
            &cut::gather(&cut)?,
        )]))
    }
}
