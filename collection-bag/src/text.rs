//! [`Text`]: lines of files, and pieces of them, that are borrowed from the buffer that was read.

use std::hash::Hash;
use std::sync::{Arc, OnceLock};

use kvern_core::{Collection, Handle, Result, Root, Session, Value};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bag::Bag;
use crate::ends::EatText;
use crate::ends::count::Count;
use crate::ends::distinct::TextDistinct;
use crate::ends::fold::Fold;
use crate::ends::foldby::FoldBy;
use crate::ends::frequencies::TextFrequencies;
use crate::expr::{Expr, Reads};
use crate::item::Item;
use crate::pipe::split::ItemType;
use crate::pipe::text_steps::{
    EmitKind, Owned, Pieces, PiecesKind, TextCall, TextCallWith, TextFilterKind, TextMapKind,
    TextMapWithKind, TextTryMapKind, Words,
};
use crate::pipe::{EndPart, SourcePart, StepPart};
use crate::read::files::find;
use crate::read::json::Json;
use crate::read::source::TextFiles;
use crate::read::{OnBad, Paths, TextOptions};
use crate::value::{Packed, Portable};

/// The lines of text files: plain ones in partitions of 32 MiB, `.gz` and `.zst` in one each. [`Paths`] says what may be named.
///
/// Lines are what lies between `\n` or `\r\n`, and may be of any length; files are UTF-8. Only the files' names and sizes are looked
/// at now. Reading takes a buffer of 256 KiB a task, or of the longest line.
///
/// ```
/// # let folder = std::env::temp_dir().join(format!("kvern-read-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// std::fs::write(folder.join("a.txt"), "to be or not to be\n")?;
/// std::fs::write(folder.join("b.txt"), "not that\n")?;
/// let top = kvern_bag::read_text(&folder.join("*.txt"))?
///     .words()
///     .frequencies()
///     .topk_by_key(3, |pair| pair.1);
/// assert_eq!(top.reference()?, [("to".to_owned(), 2), ("be".into(), 2), ("not".into(), 2)]);
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If a file is not there, or no file matches a pattern; what is there instead is told.
pub fn read_text(paths: impl Paths) -> Result<Text> {
    read_text_with(paths, &TextOptions::new())
}

/// [`read_text`] with everything said.
///
/// ```
/// # let path = std::env::temp_dir().join(format!("kvern-with-{}.txt", std::process::id()));
/// use kvern_bag::{TextOptions, read_text_with};
/// std::fs::write(&path, "aaa\nbbb\nccc\n")?;
/// let lines = read_text_with(&path, &TextOptions::new().blocksize(6))?; // partitions of six bytes: cut at line ends
/// assert_eq!((lines.npartitions(), lines.count().reference()?), (2, 3));
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`read_text`].
pub fn read_text_with(paths: impl Paths, options: &TextOptions) -> Result<Text> {
    let files = TextFiles::new(find(&paths.paths(), options.compression)?, options);
    let n = crate::bag::partitions(files.partitions() as usize)?;
    let bytes = files.largest();
    let source = SourcePart::plain::<TextFiles>("read_text", &files);
    Ok(Text::of(Expr::source(
        ItemType::TEXT,
        source,
        Reads::Nothing,
        n,
        bytes,
    )))
}

/// The records of files of JSON lines, one a line, of any type that serde can read. Empty lines are no records.
///
/// ```
/// # let path = std::env::temp_dir().join(format!("kvern-json-{}.jsonl", std::process::id()));
/// #[derive(Clone, serde::Serialize, serde::Deserialize)]
/// struct Sale { city: String, amount: f64 }
///
/// std::fs::write(&path, "{\"city\": \"Oslo\", \"amount\": 2.5}\n{\"city\": \"Bergen\", \"amount\": 1}\n")?;
/// let sales = kvern_bag::read_json::<Sale>(&path)?;
/// assert_eq!(sales.map(|s| s.amount).sum().reference()?, 3.5);
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`read_text`]. A record that cannot be read is told, with file, line and column, when it is computed.
pub fn read_json<T: Clone + DeserializeOwned + 'static>(paths: impl Paths) -> Result<Bag<T>> {
    read_json_with(paths, &TextOptions::new(), OnBad::Error)
}

/// [`read_json`] with everything said. Of records that are left out ([`OnBad::Skip`]), [`Bag::with_skipped`] tells how many.
///
/// ```
/// # let path = std::env::temp_dir().join(format!("kvern-json-with-{}.jsonl", std::process::id()));
/// use kvern_bag::{OnBad, TextOptions, read_json_with};
/// std::fs::write(&path, "1\nnone\n3\n")?;
/// let numbers = read_json_with::<i64>(&path, &TextOptions::new(), OnBad::Skip)?;
/// assert_eq!(numbers.sum().reference()?, 4);
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`read_text`].
pub fn read_json_with<T: Clone + DeserializeOwned + 'static>(
    paths: impl Paths,
    options: &TextOptions,
    on_bad: OnBad,
) -> Result<Bag<T>> {
    Ok(read_text_with(paths, options)?.json_with(on_bad))
}

/// A lazy bag of texts that are borrowed while they pass: counting words makes no `String` of each. What its functions see is `&str`;
/// [`Text::strings`] makes it a [`Bag`] of `String`s, with all that bags can do.
#[derive(Clone)]
pub struct Text {
    expr: Arc<Expr>,
    /// Made once, so that two who want them want the same.
    strings: Arc<OnceLock<Bag<String>>>,
}

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Text({})", self.expr)
    }
}

impl Text {
    fn of(expr: Arc<Expr>) -> Self {
        Self {
            expr,
            strings: Arc::default(),
        }
    }

    /// The texts that a step makes.
    fn then(expr: &Arc<Expr>, step: &StepPart) -> Self {
        Self::of(expr.then(step, ItemType::TEXT))
    }

    /// Number of partitions.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("kvern-text-n-{}.txt", std::process::id()));
    /// std::fs::write(&path, "a\nb\n")?;
    /// let lines = kvern_bag::read_text(&path)?;
    /// assert_eq!(lines.npartitions(), 1);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn npartitions(&self) -> usize {
        self.expr.npartitions()
    }

    /// The texts as a bag of `String`s.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("kvern-text-strings-{}.txt", std::process::id()));
    /// std::fs::write(&path, "a\nb\n")?;
    /// let lines = kvern_bag::read_text(&path)?;
    /// let longer = lines.strings().map(|line: String| line + "!");
    /// assert_eq!(longer.reference()?, ["a!", "b!"]);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn strings(&self) -> Bag<String> {
        let step = || StepPart::plain::<Owned>("strings", &());
        let strings = || Bag::then(&self.expr, &step());
        self.strings.get_or_init(strings).clone()
    }

    /// The words of each text: what lies between whitespace, as [`str::split_whitespace`] gives it, only faster.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("kvern-text-words-{}.txt", std::process::id()));
    /// std::fs::write(&path, "to be or\nnot to be\n")?;
    /// let lines = kvern_bag::read_text(&path)?;
    /// assert_eq!(lines.words().count().reference()?, 6);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn words(&self) -> Self {
        Self::then(&self.expr, &StepPart::plain::<Words>("words", &()))
    }

    /// The pieces that a function gives of each text. For functions such as [`str::split_whitespace`] or one's own
    /// `fn pieces(line: &str) -> impl Iterator<Item = &str>`; what a *closure* gives cannot borrow from its argument in Rust: use
    /// [`Text::emit`].
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("kvern-flat-{}.txt", std::process::id()));
    /// fn fields(line: &str) -> std::str::Split<'_, char> {
    ///     line.split(',')
    /// }
    /// std::fs::write(&path, "a,b\nc\n")?;
    /// assert_eq!(kvern_bag::read_text(&path)?.flat_map(fields).count().reference()?, 3);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn flat_map<F>(&self, f: F) -> Self
    where
        F: for<'a> Pieces<'a> + Send + Sync + 'static,
    {
        let step = StepPart::of::<TextCall<F, (), PiecesKind>, F>("flat_map", f);
        Self::then(&self.expr, &step)
    }

    /// Whatever a function emits for each text, by calling its second argument.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("kvern-emit-{}.txt", std::process::id()));
    /// std::fs::write(&path, "key=value\nnone\n")?;
    /// let keys = kvern_bag::read_text(&path)?.emit(|line, out| {
    ///     if let Some((key, _)) = line.split_once('=') {
    ///         out(key);
    ///     }
    /// });
    /// assert_eq!(keys.reference()?, ["key"]);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn emit<F>(&self, f: F) -> Self
    where
        F: Fn(&str, &mut dyn FnMut(&str)) + Send + Sync + 'static,
    {
        let step = StepPart::of::<TextCall<F, (), EmitKind>, F>("emit", f);
        Self::then(&self.expr, &step)
    }

    /// The texts for which `f` says yes.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("kvern-text-filter-{}.txt", std::process::id()));
    /// std::fs::write(&path, "# a\nb\n")?;
    /// let lines = kvern_bag::read_text(&path)?;
    /// let rest = lines.filter(|line| !line.starts_with('#'));
    /// assert_eq!(rest.reference()?, ["b"]);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn filter<F>(&self, f: F) -> Self
    where
        F: Fn(&str) -> bool + Send + Sync + 'static,
    {
        let step = StepPart::of::<TextCall<F, (), TextFilterKind>, F>("filter", f);
        Self::then(&self.expr, &step)
    }

    /// `f` of each text.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("kvern-text-map-{}.txt", std::process::id()));
    /// std::fs::write(&path, "a,1\nb,2\n")?;
    /// let lines = kvern_bag::read_text(&path)?;
    /// let numbers = lines.map(|line: &str| line[2..].parse::<i64>().ok()).flatten();
    /// assert_eq!(numbers.sum().reference()?, 3);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map<U, F>(&self, f: F) -> Bag<U>
    where
        U: Clone + 'static,
        F: Fn(&str) -> U + Send + Sync + 'static,
    {
        let step = StepPart::of::<TextCall<F, (), TextMapKind<U>>, F>("map", f);
        Bag::then(&self.expr, &step)
    }

    /// [`Text::map`] with parameters, as [`Bag::map_with`].
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("kvern-text-map-with-{}.txt", std::process::id()));
    /// std::fs::write(&path, "a,1\nb,2\n")?;
    /// let lines = kvern_bag::read_text(&path)?;
    /// let column = lines.map_with(&1usize, |n: &usize, line: &str| line.split(',').nth(*n).map(str::to_owned));
    /// assert_eq!(column.flatten().reference()?, ["1", "2"]);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map_with<P, U, F>(&self, params: &P, f: F) -> Bag<U>
    where
        P: Serialize + DeserializeOwned + Send + Sync + 'static,
        U: Clone + 'static,
        F: Fn(&P, &str) -> U + Send + Sync + 'static,
    {
        let step = StepPart::of_with::<TextCallWith<F, P, TextMapWithKind<U>>, F>("map", f, params);
        Bag::then(&self.expr, &step)
    }

    /// `f` of each text, which may fail: the first `Err` is the task's error, with file and line.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("kvern-text-try-map-{}.txt", std::process::id()));
    /// std::fs::write(&path, "1\ntwo\n")?;
    /// let lines = kvern_bag::read_text(&path)?;
    /// let e = lines.try_map(|line: &str| line.parse::<i64>()).sum().reference().unwrap_err();
    /// assert!(e.to_string().contains(".txt:2"), "{e}");
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_map<U, E, F>(&self, f: F) -> Bag<U>
    where
        U: Clone + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
        F: Fn(&str) -> Result<U, E> + Send + Sync + 'static,
    {
        let step = StepPart::of::<TextCall<F, (), TextTryMapKind<U, E>>, F>("try_map", f);
        Bag::then(&self.expr, &step)
    }

    /// Each text read as a JSON record.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("kvern-text-json-{}.txt", std::process::id()));
    /// std::fs::write(&path, "[1, 2]\n[3]\n")?;
    /// let lines = kvern_bag::read_text(&path)?;
    /// assert_eq!(lines.json::<Vec<i64>>().flatten().sum().reference()?, 6);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn json<T: Clone + DeserializeOwned + 'static>(&self) -> Bag<T> {
        self.json_with(OnBad::Error)
    }

    /// [`Text::json`], saying what to do with records that cannot be read.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("kvern-text-json-with-{}.txt", std::process::id()));
    /// std::fs::write(&path, "1\nnone\n3\n")?;
    /// let lines = kvern_bag::read_text(&path)?;
    /// let (sum, skipped) = lines.json_with::<i64>(kvern_bag::OnBad::Skip).sum().with_skipped().reference()?;
    /// assert_eq!((sum, skipped.records()), (4, 1));
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn json_with<T: Clone + DeserializeOwned + 'static>(&self, on_bad: OnBad) -> Bag<T> {
        let step = StepPart::plain::<Json<T>>("json", &on_bad);
        Bag::then(&self.expr, &step)
    }

    /// Each text with how often it is there, in the order in which they are first seen. Allocates for a text when it is first seen
    /// in a partition, and never again.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("kvern-text-frequencies-{}.txt", std::process::id()));
    /// std::fs::write(&path, "b\na\nb\n")?;
    /// let lines = kvern_bag::read_text(&path)?;
    /// assert_eq!(lines.frequencies().reference()?, [("b".to_owned(), 2), ("a".to_owned(), 1)]);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn frequencies(&self) -> Bag<(String, u64)> {
        let end = EndPart::plain::<EatText<TextFrequencies>>("frequencies", &());
        Bag::reduced(&self.expr, &end)
    }

    /// [`Text::frequencies`] for more different texts than fit into memory together, as [`Bag::foldby_into`].
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("kvern-text-frequencies-into-{}.txt", std::process::id()));
    /// std::fs::write(&path, "b\na\nb\n")?;
    /// let lines = kvern_bag::read_text(&path)?;
    /// assert_eq!(lines.frequencies_into(4).npartitions(), 4);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn frequencies_into(&self, npartitions: usize) -> Bag<(String, u64)> {
        let end = EndPart::plain::<EatText<TextFrequencies>>("frequencies", &());
        Bag::exchanged(&self.expr, &end, npartitions, false)
    }

    /// Each text once, in the order in which they are first seen. All different texts must fit into memory.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("kvern-text-distinct-{}.txt", std::process::id()));
    /// std::fs::write(&path, "b\na\nb\n")?;
    /// let lines = kvern_bag::read_text(&path)?;
    /// assert_eq!(lines.distinct().reference()?, ["b", "a"]);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn distinct(&self) -> Bag<String> {
        let end = EndPart::plain::<EatText<TextDistinct>>("distinct", &());
        Bag::reduced(&self.expr, &end)
    }

    /// How many texts there are.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("kvern-text-count-{}.txt", std::process::id()));
    /// std::fs::write(&path, "b\na\nb\n")?;
    /// let lines = kvern_bag::read_text(&path)?;
    /// assert_eq!(lines.count().reference()?, 3);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn count(&self) -> Item<u64> {
        Item::of(&self.expr, &EndPart::plain::<EatText<Count>>("count", &()))
    }

    /// Folds all texts into one value, as [`Bag::fold`].
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("kvern-text-fold-{}.txt", std::process::id()));
    /// std::fs::write(&path, "three\none\n")?;
    /// let lines = kvern_bag::read_text(&path)?;
    /// let longest = lines.fold(0, |n: usize, line: &str| n.max(line.len()), |a, b| a.max(b));
    /// assert_eq!(longest.reference()?, 5);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fold<A, S, C>(&self, init: A, step: S, combine: C) -> Item<A>
    where
        A: Portable,
        S: Fn(A, &str) -> A + Send + Sync + 'static,
        C: Fn(A, A) -> A + Send + Sync + 'static,
    {
        let f = (step, combine);
        let end = EndPart::of_with::<EatText<Fold<(S, C), A>>, _>("fold", f, &Packed(init));
        Item::of(&self.expr, &end)
    }

    /// A fold for each key, as [`Bag::foldby`].
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("kvern-text-foldby-{}.txt", std::process::id()));
    /// std::fs::write(&path, "a 1\nb 5\na 2\n")?;
    /// let lines = kvern_bag::read_text(&path)?;
    /// let counts = lines.foldby(|line: &str| line.as_bytes()[0], 0u64, |n: u64, _: &str| n + 1, |a, b| a + b);
    /// assert_eq!(counts.reference()?, [(b'a', 2), (b'b', 1)]);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn foldby<K, A, B, S, C>(&self, key: B, init: A, step: S, combine: C) -> Bag<(K, A)>
    where
        K: Portable + Hash + Eq,
        A: Portable,
        B: Fn(&str) -> K + Send + Sync + 'static,
        S: Fn(A, &str) -> A + Send + Sync + 'static,
        C: Fn(A, A) -> A + Send + Sync + 'static,
    {
        let f = (key, (step, combine));
        let end =
            EndPart::of_with::<EatText<FoldBy<(B, (S, C)), K, A>>, _>("foldby", f, &Packed(init));
        Bag::reduced(&self.expr, &end)
    }

    /// All texts in their order, computed in the current session.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("kvern-text-compute-{}.txt", std::process::id()));
    /// std::fs::write(&path, "a\nb\n")?;
    /// let lines = kvern_bag::read_text(&path)?;
    /// # use kvern_scheduler_local as _;
    /// assert_eq!(lines.compute()?, ["a", "b"]);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The first task that failed.
    pub fn compute(&self) -> Result<Vec<String>> {
        self.strings().compute()
    }

    /// [`Text::compute`] in a session.
    ///
    /// # Errors
    /// The first task that failed.
    pub fn compute_in(&self, session: &Session) -> Result<Vec<String>> {
        self.strings().compute_in(session)
    }

    /// Computes it one task after another, without optimisation: slow and plain, for tests and examples.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("kvern-text-reference-{}.txt", std::process::id()));
    /// std::fs::write(&path, "a\nb\n")?;
    /// let lines = kvern_bag::read_text(&path)?;
    /// assert_eq!(lines.reference()?, ["a", "b"]);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The first task that failed.
    pub fn reference(&self) -> Result<Vec<String>> {
        self.strings().reference()
    }

    /// Starts computing in the current session and keeps the texts in the backend, as [`Bag::persist`].
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("kvern-text-persist-{}.txt", std::process::id()));
    /// std::fs::write(&path, "a\nb\n")?;
    /// let lines = kvern_bag::read_text(&path)?;
    /// # use kvern_scheduler_local as _;
    /// let session = kvern_core::Session::open("threads://?workers=2")?;
    /// let kept = lines.persist()?;
    /// assert_eq!((kept.count().compute()?, kept.distinct().count().compute()?), (2, 2));
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the graph is refused.
    pub fn persist(&self) -> Result<Self> {
        self.persist_in(&Session::current()?)
    }

    /// [`Text::persist`] in a session.
    ///
    /// # Errors
    /// If the graph is refused.
    pub fn persist_in(&self, session: &Session) -> Result<Self> {
        session.persist(self)
    }

    /// The first `n` texts, as [`Bag::take`].
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("kvern-text-take-{}.txt", std::process::id()));
    /// std::fs::write(&path, "a\nb\n")?;
    /// let lines = kvern_bag::read_text(&path)?;
    /// # use kvern_scheduler_local as _;
    /// assert_eq!(lines.take(1)?, ["a"]);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The first task that failed.
    pub fn take(&self, n: usize) -> Result<Vec<String>> {
        self.strings().take(n)
    }

    /// [`Text::take`] in a session.
    ///
    /// # Errors
    /// The first task that failed.
    pub fn take_in(&self, n: usize, session: &Session) -> Result<Vec<String>> {
        self.strings().take_in(n, session)
    }

    /// What it will do, as [`Bag::explain`].
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("kvern-text-explain-{}.txt", std::process::id()));
    /// std::fs::write(&path, "a\nb\n")?;
    /// let lines = kvern_bag::read_text(&path)?;
    /// assert!(lines.words().explain()?.contains("words"));
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// What is wrong with the graph.
    pub fn explain(&self) -> Result<String> {
        self.strings().explain()
    }
}

impl Collection for Text {
    type Output = Vec<String>;

    fn roots(&self) -> Result<Vec<Root>> {
        self.strings().roots()
    }

    fn finish(&self, values: Vec<Value>) -> Result<Vec<String>> {
        self.strings().finish(values)
    }

    fn rebuild(&self, handles: Vec<Handle>) -> Result<Self> {
        let strings = self.strings().rebuild(handles)?;
        let step = StepPart::plain::<crate::pipe::text_steps::Borrowed>("texts", &());
        Ok(Self::then(strings.expr(), &step))
    }
}
