//! TPC-H tables in Parquet, made once for all tests of a machine.

use std::fs::File;
use std::path::{Path, PathBuf};

use kvern_frame::arrow::record_batch::RecordBatchReader;
use parquet::arrow::ArrowWriter;
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, RegionGenerator,
    SupplierGenerator,
};
use tpchgen_arrow::{
    CustomerArrow, LineItemArrow, NationArrow, OrderArrow, RegionArrow, SupplierArrow,
};

/// The folder with the tables that queries 1, 3, 5 and 6 read, at scale factor 1.
pub(crate) fn tpch(root: &Path) -> PathBuf {
    std::fs::create_dir_all(root).expect("the folder of test data");
    let lock = File::create(root.join("tpch-sf1.lock")).expect("a lock file");
    // Tests of other processes wait here until the first has made the tables.
    lock.lock().expect("the lock");
    let folder = root.join("tpch-sf1");
    if !folder.exists() {
        let half = root.join("tpch-sf1.half");
        let _ = std::fs::remove_dir_all(&half);
        std::fs::create_dir_all(&half).expect("a folder");
        make(&half).expect("the tables");
        std::fs::rename(&half, &folder).expect("the name of the folder");
    }
    folder
}

fn make(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    write(
        folder,
        "lineitem",
        LineItemArrow::new(LineItemGenerator::new(1.0, 1, 1)).with_batch_size(65536),
    )?;
    write(
        folder,
        "orders",
        OrderArrow::new(OrderGenerator::new(1.0, 1, 1)).with_batch_size(65536),
    )?;
    write(
        folder,
        "customer",
        CustomerArrow::new(CustomerGenerator::new(1.0, 1, 1)),
    )?;
    write(
        folder,
        "supplier",
        SupplierArrow::new(SupplierGenerator::new(1.0, 1, 1)),
    )?;
    write(
        folder,
        "nation",
        NationArrow::new(NationGenerator::new(1.0, 1, 1)),
    )?;
    write(
        folder,
        "region",
        RegionArrow::new(RegionGenerator::new(1.0, 1, 1)),
    )?;
    Ok(())
}

fn write(
    folder: &Path,
    name: &str,
    batches: impl RecordBatchReader,
) -> Result<(), Box<dyn std::error::Error>> {
    let file = File::create(folder.join(format!("{name}.parquet")))?;
    let options = parquet::file::properties::WriterProperties::builder()
        .set_compression(parquet::basic::Compression::SNAPPY)
        .set_max_row_group_row_count(Some(1 << 20))
        .build();
    let mut writer = ArrowWriter::try_new(file, batches.schema(), Some(options))?;
    for batch in batches {
        writer.write(&batch?)?;
    }
    writer.close()?;
    Ok(())
}
