//! Writing a bag to files, one a partition, which appear together or not at all.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use kvern_core::{Result, Session};
use serde::Serialize;

use super::Bag;
use crate::ends::staged::Staged;
use crate::ends::write::{AsJson, Line, Shown, Target, WriteTo};
use crate::item::Item;
use crate::pipe::EndPart;
use crate::read::Compression;

impl<T: Clone + 'static> Bag<T> {
    /// Writes one item a line, as it is displayed, to files `part-0.txt`, `part-1.txt`, … of a folder, one a partition, in the current
    /// session; the paths of the files are returned. With [`Compression::Gzip`] they are `part-0.txt.gz` and so on; [`Compression::Auto`] is none.
    ///
    /// The folder must not exist yet, or be empty. It appears with all files in it when all are written; if anything fails, nothing
    /// is left.
    ///
    /// What was written is read again as the same items. So an item with a line end in it (`\n`, or `\r` at its end) is an error that says which
    /// one it is; [`Bag::write_jsonl`] keeps such items.
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// # use kvern_scheduler_local as _;
    /// use kvern_bag::{Compression, read_text};
    /// # let folder = std::env::temp_dir().join(format!("kvern-write-{}", std::process::id()));
    /// let files = Bag::range(4, 2).write_text(&folder, Compression::Gzip)?;
    /// assert!(files[1].ends_with("part-1.txt.gz"));
    /// assert_eq!(read_text(&files)?.compute()?, ["0", "1", "2", "3"]);
    /// # std::fs::remove_dir_all(folder).unwrap();
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the folder holds something, a file cannot be written, or the first task that failed; for [`Compression::Zstd`], which is only
    /// read.
    pub fn write_text(
        &self,
        folder: impl AsRef<Path>,
        compression: Compression,
    ) -> Result<Vec<PathBuf>>
    where
        T: Display,
    {
        self.write_text_in(folder, compression, &Session::current()?)
    }

    /// [`Bag::write_text`] in a session.
    ///
    /// # Errors
    /// As [`Bag::write_text`].
    pub fn write_text_in(
        &self,
        folder: impl AsRef<Path>,
        compression: Compression,
        session: &Session,
    ) -> Result<Vec<PathBuf>>
    where
        T: Display,
    {
        self.write::<Shown>(folder.as_ref(), ".txt", compression, session)
    }

    /// Writes one item a line, as JSON, to files `part-0.jsonl`, …, as [`Bag::write_text`] does. Floats come back from
    /// [`read_json`](crate::read_json) as they were, to the bit.
    ///
    /// JSON has no word for NaN and infinity: such a number is an error that says where it is, and not a `null` that would be read as
    /// something else. Write an `Option` (`None` is `null`), or leave the item out: `bag.filter(|x| x.is_finite())`.
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// # use kvern_scheduler_local as _;
    /// use kvern_bag::{Compression, read_json};
    /// # let folder = std::env::temp_dir().join(format!("kvern-jsonl-{}", std::process::id()));
    /// let files = Bag::range(4, 2).map(|x| (x, "a".repeat(x as usize))).write_jsonl(&folder, Compression::None)?;
    /// assert_eq!(read_json::<(u64, String)>(&files)?.compute()?[3], (3, "aaa".to_owned()));
    /// # std::fs::remove_dir_all(folder).unwrap();
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Bag::write_text`]; for a number that is not finite.
    pub fn write_jsonl(
        &self,
        folder: impl AsRef<Path>,
        compression: Compression,
    ) -> Result<Vec<PathBuf>>
    where
        T: Serialize,
    {
        self.write_jsonl_in(folder, compression, &Session::current()?)
    }

    /// [`Bag::write_jsonl`] in a session.
    ///
    /// # Errors
    /// As [`Bag::write_jsonl`].
    pub fn write_jsonl_in(
        &self,
        folder: impl AsRef<Path>,
        compression: Compression,
        session: &Session,
    ) -> Result<Vec<PathBuf>>
    where
        T: Serialize,
    {
        self.write::<AsJson>(folder.as_ref(), ".jsonl", compression, session)
    }

    fn write<L: Line<T>>(
        &self,
        folder: &Path,
        suffix: &str,
        compression: Compression,
        session: &Session,
    ) -> Result<Vec<PathBuf>> {
        let end = match compression {
            Compression::Gzip => ".gz",
            Compression::Auto | Compression::None => "",
            Compression::Zstd => {
                return Err(kvern_core::Error::new(
                    kvern_core::ErrorKind::Unsupported,
                    "Compression::Zstd is only read; allowed for writing are None and Gzip",
                ));
            }
        };
        let folder = &*kvern_core::url::local_path(folder)?;
        let staged = Staged::new(folder)?;
        let target = Target {
            folder: staged.folder(),
            suffix: format!("{suffix}{end}"),
            compression,
            // So that the order of names is that of partitions.
            width: (self.npartitions() - 1).to_string().len(),
        };
        let part = EndPart::plain::<WriteTo<T, L>>("write", &target);
        let names: Vec<String> = Item::of(self.expr(), &part).compute_in(session)?;
        staged.commit(&names)?;
        Ok(names.into_iter().map(|n| folder.join(n)).collect())
    }
}
