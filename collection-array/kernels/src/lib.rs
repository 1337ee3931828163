//! Single-threaded kernels on chunks: elementwise programs, reductions and copies.
//!
//! Nothing here knows of tasks or graphs. A [`Program`] says what to compute for every element; [`eval`] runs it over
//! chunks in one pass; [`reduce`] feeds it to a reduction without a temporary; [`copy_into`] moves strided data.

mod any;
mod any_slice;
mod arith;
mod chunk;
mod copy;
pub mod dtype;
mod error;
mod eval;
mod gemm;
mod kernel;
mod level;
mod math;
mod op;
mod program;
mod reduce;
mod register;
mod rules;
mod space;
mod tiles;

pub use any::{AnyChunk, AnyVec};
pub use copy::{copy_into, to_contiguous};
pub use error::KernelError;
pub use eval::{eval, eval_at, eval_reusing};
pub use gemm::{matmul_into, matmul_into_at, syrk_into, syrk_into_at};
pub use level::Level;
pub use op::{BinaryOp, UnaryOp};
pub use program::{Program, ProgramBuilder, Reg, Step, StepKind, binary_program, unary_program};
pub use reduce::{Origin, Partial, Reduce, combine, reduce, reduce_chunk, reduce_chunk_at};
pub use rules::{binary_dtype, unary_dtype};
