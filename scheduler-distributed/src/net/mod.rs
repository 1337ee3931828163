//! Sockets: frames, first words, and who may listen where.

pub(crate) mod address;
pub(crate) mod frame;
pub(crate) mod guests;
pub(crate) mod hello;
pub(crate) mod pipe;

/// Runs a future on this thread.
pub(crate) fn run<F: Future<Output = ()>>(f: F) {
    match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime.block_on(f),
        Err(e) => eprintln!("kvern: no event loop can be made: {e}"),
    }
}
