//! Steps from item to item.

use kvern_core::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Bag;
use crate::pipe::StepPart;
use crate::pipe::steps::{
    Call, CallWith, FilterKind, FilterWithKind, FlatMapKind, Items, MapKind, MapWithKind,
    PartitionsKind, TryMapKind,
};

impl<T: Clone + 'static> Bag<T> {
    /// `f` of each item.
    ///
    /// A function, or a closure that captures nothing, runs on any backend. One that captures runs on those of this process, and a backend with
    /// others refuses it; there, what it needs to know goes along by [`Bag::map_with`]. This holds of all methods that take a function.
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// assert_eq!(Bag::range(3, 2).map(|x| x as f64 / 2.0).reference()?, [0.0, 0.5, 1.0]);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn map<U, F>(&self, f: F) -> Bag<U>
    where
        U: Clone + 'static,
        F: Fn(T) -> U + Send + Sync + 'static,
    {
        let step = StepPart::of::<Call<F, (), MapKind<T, U>>, F>("map", f);
        Bag::then(self.expr(), &step)
    }

    /// `f` of some parameters and each item. The parameters are serialised, and reach every process that runs it.
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// let bag = Bag::range(4, 2).map_with(&10u64, |k: &u64, x: u64| k * x);
    /// assert_eq!(bag.reference()?, [0, 10, 20, 30]);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn map_with<P, U, F>(&self, params: &P, f: F) -> Bag<U>
    where
        P: Serialize + DeserializeOwned + Send + Sync + 'static,
        U: Clone + 'static,
        F: Fn(&P, T) -> U + Send + Sync + 'static,
    {
        let step = StepPart::of_with::<CallWith<F, P, MapWithKind<T, U>>, F>("map", f, params);
        Bag::then(self.expr(), &step)
    }

    /// `f` of each item, which may fail: the first `Err` is the task's error, with the file and line of the item where there are such.
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// let bag = Bag::from_sequence(["1", "2", "x"].map(String::from), 1);
    /// let e = bag.try_map(|s: String| s.parse::<i64>()).sum().reference().unwrap_err();
    /// assert!(e.to_string().contains("invalid digit"), "{e}");
    /// ```
    pub fn try_map<U, E, F>(&self, f: F) -> Bag<U>
    where
        U: Clone + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
        F: Fn(T) -> Result<U, E> + Send + Sync + 'static,
    {
        let step = StepPart::of::<Call<F, (), TryMapKind<T, U, E>>, F>("try_map", f);
        Bag::then(self.expr(), &step)
    }

    /// The items for which `f` says yes.
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// assert_eq!(Bag::range(6, 2).filter(|x| x % 2 == 1).reference()?, [1, 3, 5]);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn filter<F>(&self, f: F) -> Self
    where
        F: Fn(&T) -> bool + Send + Sync + 'static,
    {
        let step = StepPart::of::<Call<F, (), FilterKind<T>>, F>("filter", f);
        Self::then(self.expr(), &step)
    }

    /// [`Bag::filter`] with parameters, as [`Bag::map_with`].
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// assert_eq!(Bag::range(6, 2).filter_with(&4u64, |least: &u64, x: &u64| x >= least).reference()?, [4, 5]);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn filter_with<P, F>(&self, params: &P, f: F) -> Self
    where
        P: Serialize + DeserializeOwned + Send + Sync + 'static,
        F: Fn(&P, &T) -> bool + Send + Sync + 'static,
    {
        let step = StepPart::of_with::<CallWith<F, P, FilterWithKind<T>>, F>("filter", f, params);
        Self::then(self.expr(), &step)
    }

    /// All items of what `f` makes of each item.
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// let bag = Bag::range(4, 2).flat_map(|n| 0..n);
    /// assert_eq!(bag.reference()?, [0, 0, 1, 0, 1, 2]);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn flat_map<I, F>(&self, f: F) -> Bag<I::Item>
    where
        I: IntoIterator + 'static,
        I::Item: Clone + 'static,
        F: Fn(T) -> I + Send + Sync + 'static,
    {
        let step = StepPart::of::<Call<F, (), FlatMapKind<T, I>>, F>("flat_map", f);
        Bag::then(self.expr(), &step)
    }

    /// The items of items that are lists.
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// let lists = Bag::from_sequence([vec![1, 2], vec![], vec![3]], 2);
    /// assert_eq!(lists.flatten().reference()?, [1, 2, 3]);
    /// let some = Bag::range(4, 1).map(|x| x.checked_sub(2)); // of `Option`s, what is there
    /// assert_eq!(some.flatten().reference()?, [0, 1]);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn flatten(&self) -> Bag<T::Item>
    where
        T: IntoIterator,
        T::Item: Clone + 'static,
    {
        fn itself<T>(x: T) -> T {
            x
        }
        let f = itself::<T>;
        fn of<T: Clone + IntoIterator + 'static, F>(bag: &Bag<T>, f: F) -> Bag<T::Item>
        where
            T::Item: Clone + 'static,
            F: Fn(T) -> T + Send + Sync + 'static,
        {
            let step = StepPart::of::<Call<F, (), FlatMapKind<T, T>>, F>("flatten", f);
            Bag::then(bag.expr(), &step)
        }
        of(self, f)
    }

    /// `f` of the iterator over each partition's items. Items are made as `f` takes them, so it can look at several without
    /// holding all; what it returns may be lazy as well.
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// // Differences of neighbours, within each partition.
    /// let bag = Bag::from_sequence([1i64, 4, 9, 16, 25, 36], 2).map_partitions(|items| {
    ///     let mut last = None;
    ///     items.filter_map(move |x| last.replace(x).map(|before| x - before))
    /// });
    /// assert_eq!(bag.reference()?, [3, 5, 9, 11]);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn map_partitions<I, F>(&self, f: F) -> Bag<I::Item>
    where
        I: IntoIterator + 'static,
        I::Item: Clone + 'static,
        F: Fn(Items<T>) -> I + Send + Sync + 'static,
    {
        let step = StepPart::of::<Call<F, (), PartitionsKind<T, I>>, F>("map_partitions", f);
        Bag::then(self.expr(), &step)
    }
}

impl Bag<serde_json::Value> {
    /// The field of that name of each record.
    ///
    /// A record that has none, or is no object, is an error; [`Bag::pluck_or`] gives another value then. Fields of typed records are
    /// had by [`Bag::map`]: `bag.map(|r| r.name)`.
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// use serde_json::json;
    /// let bag = Bag::from_sequence([json!({"name": "a"}), json!({"name": "b"})], 1);
    /// assert_eq!(bag.pluck("name").reference()?, [json!("a"), json!("b")]);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn pluck(&self, field: &str) -> Self {
        let f = |field: &String, record: serde_json::Value| -> Result<serde_json::Value> {
            let shown =
                |r: &serde_json::Value| -> String { r.to_string().chars().take(60).collect() };
            match record {
                serde_json::Value::Object(mut fields) => match fields.remove(field) {
                    Some(value) => Ok(value),
                    None => {
                        let near =
                            kvern_core::text::nearest(field, fields.keys().map(String::as_str));
                        let hint =
                            near.map_or_else(String::new, |n| format!("; did you mean {n:?}?"));
                        let record = shown(&serde_json::Value::Object(fields));
                        Err(Error::bad_input(format!(
                            "pluck: no field {field:?} in {record}{hint}"
                        )))
                    }
                },
                other => Err(Error::bad_input(format!(
                    "pluck: field {field:?} of what is no object: {}",
                    shown(&other)
                ))),
            }
        };
        self.map_with(&field.to_owned(), f)
            .try_map(|r: Result<serde_json::Value>| -> Result<serde_json::Value> { r })
    }

    /// The field of that name of each record, or `default` where there is none.
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// use serde_json::json;
    /// let bag = Bag::from_sequence([json!({"n": 1}), json!({})], 1);
    /// assert_eq!(bag.pluck_or("n", &json!(0)).reference()?, [json!(1), json!(0)]);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn pluck_or(&self, field: &str, default: &serde_json::Value) -> Self {
        // As text, because parameters are written in a format that does not describe itself.
        let params = (field.to_owned(), default.to_string());
        self.map_with(
            &params,
            |p: &(String, String), record: serde_json::Value| -> serde_json::Value {
                let mut record = record;
                match record.get_mut(&p.0) {
                    Some(value) => value.take(),
                    None => serde_json::from_str(&p.1).unwrap_or_default(),
                }
            },
        )
    }
}
