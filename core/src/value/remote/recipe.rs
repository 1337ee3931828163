//! Recipes: references to code of this build, which another process of it can follow.

use std::any::type_name;
use std::marker::PhantomData;
use std::ptr::NonNull;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::image::{BuildId, Image};
use crate::base::error::{Error, ErrorKind, Result};

/// Two words by which a descriptor is known. They mean nothing, and stand nowhere else among a program's constants: whoever looks for
/// them compares their hash, so that not even the comparison puts them there.
const MARK: [u64; 2] = [0x6b76_65d2_9a41_c7e3, 0xb1f0_5d27_38ec_94a6];

/// [`hash`] of [`MARK`], as a test proves.
const MARK_HASH: u64 = 0x33d5_1619_cd0f_314a;

fn hash(mark: [u64; 2]) -> u64 {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&mark[0].to_le_bytes());
    bytes[8..].copy_from_slice(&mark[1].to_le_bytes());
    xxh3_64(&bytes)
}

/// A constant of this build that others can refer to.
#[repr(C)]
pub(crate) struct Descriptor<V: 'static> {
    mark: [u64; 2],
    /// What it is, as the compiler names it. Differs between types, not between two closures of one function.
    signature: fn() -> &'static str,
    pub(crate) value: V,
}

impl<V> Descriptor<V> {
    pub(crate) const fn new(signature: fn() -> &'static str, value: V) -> Self {
        Self {
            mark: MARK,
            signature,
            value,
        }
    }
}

/// Where a [`Descriptor`] is: what is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) build: BuildId,
    offset: u64,
    signature: u64,
}

impl Place {
    /// The place of a descriptor; `None` where nothing can travel.
    pub(crate) fn of<V>(descriptor: &'static Descriptor<V>) -> Option<Self> {
        let image = Image::here()?;
        Some(Self {
            build: image.build,
            offset: image.offset_of(descriptor)?,
            signature: signature_of::<V>((descriptor.signature)()),
        })
    }

    /// The descriptor at this place of this process.
    pub(crate) fn find<V>(&self) -> Result<&'static Descriptor<V>> {
        let not_here = |why: String| Error::new(ErrorKind::NotPortable, why);
        let image = Image::here().ok_or_else(|| {
            not_here("closures and their types cannot travel to this platform".into())
        })?;
        if self.build != image.build {
            return Err(not_here(format!(
                "it is part of build {}, this process runs build {}: start the workers from the same program file, or register a \
                 named operator (#[op]) and a named type (register_type!), which any build can run",
                self.build, image.build
            )));
        }
        let malformed = |why: &str| {
            Error::new(
                ErrorKind::Decode,
                format!(
                    "offset {:#x} of build {} is no descriptor: {why}",
                    self.offset, self.build
                ),
            )
        };
        let offset = usize::try_from(self.offset).map_err(|_| malformed("it is out of range"))?;
        if !image.holds::<Descriptor<V>>(offset) {
            return Err(malformed("it is not in read-only data"));
        }
        let at = (image.base + offset) as *const Descriptor<V>;
        // SAFETY: `holds` has checked that a descriptor at this place would be aligned and inside data of this image that is mapped
        // for as long as the process lives and never written. Reading two integers there is sound whatever they are.
        let mark = unsafe { (*at).mark };
        if hash(mark) != MARK_HASH {
            return Err(malformed("the mark is missing"));
        }
        // SAFETY: the mark stands in no constant but those made by `Descriptor::new`, and every `Descriptor` begins with it and the
        // signature, whatever its `V`.
        let signature = unsafe { (*at).signature };
        if signature_of::<V>(signature()) != self.signature {
            return Err(malformed("it is of another type"));
        }
        // SAFETY: the signature mixes in the name of `V`, and the sender of the same build made it from a `Descriptor<V>` that lies at
        // this very place.
        Ok(unsafe { &*at })
    }

    /// For keys.
    pub(crate) fn words(&self) -> [u64; 3] {
        [self.build.0[0], self.build.0[1], self.offset]
    }
}

fn signature_of<V>(of: &str) -> u64 {
    xxh3_64(of.as_bytes()) ^ xxh3_64(type_name::<V>().as_bytes()).rotate_left(1)
}

/// How something is made of a closure: implemented by who takes closures (a collection, for instance), for a type that says what is made.
pub trait Maker<F>: 'static {
    /// What is made.
    type Made: 'static;

    /// Makes it of the closure and of parameters as bytes, here or in another process.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] for parameters that cannot be read.
    fn make(f: F, params: &[u8]) -> Result<Self::Made>;
}

/// A reference to code that makes a `Made`, in any process of this build. Made by [`recipe`].
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Recipe<Made: 'static> {
    place: Place,
    made: PhantomData<fn() -> Made>,
}

impl<Made> Clone for Recipe<Made> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<Made> Copy for Recipe<Made> {}

impl<Made> std::fmt::Debug for Recipe<Made> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Recipe({:#x} of build {})",
            self.place.offset, self.place.build
        )
    }
}

type Make<Made> = fn(&[u8]) -> Result<Made>;

impl<Made> Recipe<Made> {
    /// Makes it.
    ///
    /// # Errors
    /// [`ErrorKind::NotPortable`] if the recipe is of another build, naming both; [`ErrorKind::Decode`] if it is none, or if the
    /// parameters cannot be read.
    pub fn make(&self, params: &[u8]) -> Result<Made> {
        (self.place.find::<Make<Made>>()?.value)(params)
    }

    /// The build that has the code.
    pub fn build(&self) -> BuildId {
        self.place.build
    }

    /// For keys: the same for equal code of one build.
    pub(crate) fn words(&self) -> [u64; 3] {
        self.place.words()
    }
}

/// The recipe for what `M` makes of this closure, if it may travel ([`travels`](super::travels)).
pub fn recipe<F: Send + Sync + 'static, M: Maker<F>>(_f: &F) -> Option<Recipe<M::Made>> {
    if !super::nothing_to_send::<F>() {
        return None;
    }
    let descriptor: &'static Descriptor<Make<M::Made>> = &Of::<F, M>::DESCRIPTOR;
    Some(Recipe {
        place: Place::of(descriptor)?,
        made: PhantomData,
    })
}

struct Of<F, M>(PhantomData<(F, M)>);

impl<F: Send + Sync + 'static, M: Maker<F>> Of<F, M> {
    const DESCRIPTOR: Descriptor<Make<M::Made>> = Descriptor::new(type_name::<(F, M)>, |params| {
        M::make(Self::conjure(), params)
    });

    /// A closure of type `F` out of nothing, which is what it consists of.
    fn conjure() -> F {
        assert!(
            super::nothing_to_send::<F>(),
            "a recipe is only made of what has no bytes and no destructor"
        );
        // SAFETY: `F` has no bytes, so reading one touches no memory, and any well-aligned pointer will do. That there may be one: `recipe`
        // was given a value of the type before this code was referred to, here or in the process that sent the reference, which runs
        // the same program. That there may be another: it has no destructor and is only called by reference, so it does what that value
        // would do if it were shared for ever. In a process where there was none this leans on what the module says that it
        // assumes: that no captured value of no size stands for something that holds in one process of a program only.
        unsafe { NonNull::<F>::dangling().read() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Call;

    impl<F: Fn(i64) -> i64 + 'static> Maker<F> for Call {
        type Made = Made;

        fn make(f: F, params: &[u8]) -> Result<Self::Made> {
            let add = i64::from(params[0]);
            Ok(Box::new(move |x| f(x) + add))
        }
    }

    type Made = Box<dyn Fn(i64) -> i64>;

    fn of<F: Fn(i64) -> i64 + Copy + Send + Sync + 'static>(f: F) -> Option<Recipe<Made>> {
        recipe::<F, Call>(&f)
    }

    #[test]
    fn the_mark_is_known_by_its_hash() {
        assert_eq!(
            hash(std::hint::black_box(MARK)),
            MARK_HASH,
            "{:#x}",
            hash(MARK)
        );
    }

    #[test]
    fn a_recipe_survives_the_wire() {
        let double = of(|x: i64| x * 2).unwrap();
        let third = of(|x: i64| -> i64 { x / 3 }).unwrap();
        for (recipe, result) in [(double, 15), (third, 7)] {
            let bytes = postcard::to_allocvec(&recipe).unwrap();
            assert!(bytes.len() <= 40, "{} bytes", bytes.len());
            let back: Recipe<Made> = postcard::from_bytes(&bytes).unwrap();
            assert_eq!(back.make(&[5]).unwrap()(5 + i64::from(result == 7)), result);
        }
    }

    #[test]
    fn what_captures_does_not_travel() {
        let k = std::hint::black_box(3);
        assert!(of(|x| x + 1).is_some());
        assert!(of(move |x| x + k).is_none());
    }

    #[test]
    fn forged_places_are_refused() {
        let good = of(|x: i64| x - 1).unwrap().place;
        let make = |place: Place| {
            Recipe::<Made> {
                place,
                made: PhantomData,
            }
            .make(&[0])
            .err()
        };
        assert!(make(good).is_none());
        let far = [
            u64::MAX,
            u64::MAX / 2,
            0,
            8,
            good.offset + 8,
            good.offset + 1,
        ];
        for offset in far {
            let e = make(Place { offset, ..good }).unwrap();
            assert_eq!(e.kind(), ErrorKind::Decode, "{offset:#x}: {e}");
        }
        let e = make(Place {
            signature: 1,
            ..good
        })
        .unwrap();
        assert!(e.to_string().contains("of another type"), "{e}");
        let e = make(Place {
            build: BuildId([1, 2]),
            ..good
        })
        .unwrap();
        assert_eq!(e.kind(), ErrorKind::NotPortable);
        assert!(
            e.to_string().contains("part of build 0000000000000001"),
            "{e}"
        );
        // The same place read as something else.
        let e = Recipe::<i64> {
            place: good,
            made: PhantomData,
        }
        .make(&[])
        .unwrap_err();
        assert!(e.to_string().contains("of another type"), "{e}");
    }

    #[test]
    fn every_constant_of_this_program_can_be_asked() {
        let image = Image::here().unwrap();
        let good = of(|x: i64| x + 40).unwrap().place;
        let mut rng = 1u64;
        for _ in 0..20_000 {
            rng = rng
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            let place = Place {
                offset: (rng >> 33) & 0xff_fff8,
                ..good
            };
            if place.offset != good.offset && image.holds::<[u64; 4]>(place.offset as usize) {
                let _ = place
                    .find::<Make<i64>>()
                    .map(|_| unreachable!("another descriptor"));
            }
        }
    }
}
