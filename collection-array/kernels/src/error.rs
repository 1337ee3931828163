//! What can go wrong when a program is built or run on chunks.

use std::fmt::{self, Display};

use crate::dtype::DType;

/// An error of a chunk kernel; its text names the values and what was allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KernelError {
    /// An operation was asked for on a dtype that it does not have.
    DType {
        /// The operation.
        op: String,
        /// The dtype it was given.
        got: DType,
        /// The dtypes it takes, in words.
        allowed: &'static str,
    },
    /// Two operands that must have one dtype have two.
    Mixed {
        /// The operation.
        op: String,
        /// The dtypes of the operands.
        got: (DType, DType),
    },
    /// A register that the builder has not handed out.
    Register {
        /// Its number.
        got: usize,
        /// How many there are.
        len: usize,
    },
    /// The number of input chunks is not the number of inputs of the program.
    InputCount {
        /// Chunks given.
        got: usize,
        /// Inputs of the program.
        expected: usize,
    },
    /// An input chunk has another dtype than the program loads.
    InputDType {
        /// Which input.
        input: usize,
        /// The dtype of the chunk.
        got: DType,
        /// The dtype of the program's input.
        expected: DType,
    },
    /// An input chunk cannot be broadcast to the shape of the result.
    Broadcast {
        /// Which input.
        input: usize,
        /// Its shape.
        shape: Vec<usize>,
        /// The shape of the result.
        to: Vec<usize>,
    },
    /// Two shapes that must be equal are not.
    Shape {
        /// What was compared.
        what: &'static str,
        /// One shape.
        got: Vec<usize>,
        /// The shape it should have had.
        expected: Vec<usize>,
    },
    /// An axis outside the array, or one that is named twice.
    Axis {
        /// The axis.
        axis: usize,
        /// Dimensions of the array.
        ndim: usize,
    },
    /// A reduction without a neutral element over no elements.
    Empty {
        /// The reduction.
        reduce: &'static str,
        /// The shape that was reduced.
        shape: Vec<usize>,
        /// The axes it was reduced over.
        axes: Vec<usize>,
    },
    /// Partial results that do not belong together.
    Partials {
        /// What does not fit.
        why: String,
    },
    /// A serialised program that is not well formed.
    Program {
        /// What is wrong with it.
        why: String,
    },
}

impl Display for KernelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DType { op, got, allowed } => {
                write!(f, "{op} is not defined for {got}; it takes {allowed}")
            }
            Self::Mixed { op, got: (a, b) } => {
                write!(
                    f,
                    "{op} needs operands of one dtype, got {a} and {b}; cast one of them first"
                )
            }
            Self::Register { got, len } => {
                write!(f, "register {got} does not exist; the program has {len}")
            }
            Self::InputCount { got, expected } => {
                write!(f, "the program has {expected} inputs, got {got} chunks")
            }
            Self::InputDType {
                input,
                got,
                expected,
            } => {
                write!(
                    f,
                    "input {input} of the program is {expected}, got a chunk of {got}"
                )
            }
            Self::Broadcast { input, shape, to } => {
                write!(
                    f,
                    "input {input} of shape {shape:?} cannot be broadcast to {to:?}"
                )
            }
            Self::Shape {
                what,
                got,
                expected,
            } => {
                write!(f, "{what}: shape {got:?} is not {expected:?}")
            }
            Self::Axis { axis, ndim } => {
                write!(
                    f,
                    "axis {axis} is out of range or named twice; the array has {ndim} dimensions"
                )
            }
            Self::Empty {
                reduce,
                shape,
                axes,
            } => {
                write!(
                    f,
                    "{reduce} of no elements is not defined: shape {shape:?} over axes {axes:?}"
                )
            }
            Self::Partials { why } => write!(f, "partial results do not fit together: {why}"),
            Self::Program { why } => write!(f, "malformed program: {why}"),
        }
    }
}

impl std::error::Error for KernelError {}
