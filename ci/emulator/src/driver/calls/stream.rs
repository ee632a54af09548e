//! Streams.

use std::ffi::c_void;

use crate::driver::abi::{Out, driver_api};
use crate::driver::queue::{HostCall, HostPointer, Work};
use crate::driver::session::Session;
use crate::driver::status::{Outcome, Status};

/// Greatest and least priority of a stream.
pub const PRIORITIES: (i32, i32) = (-5, 0);
/// `CU_STREAM_NON_BLOCKING`.
const NON_BLOCKING: u32 = 1;

fn create(stream: Out<u64>, flags: u32, priority: i32) -> Outcome {
    let mut session = Session::begin()?;
    stream.check()?;
    if flags & !NON_BLOCKING != 0 {
        return Err(Status::InvalidValue);
    }
    let priority = priority.clamp(PRIORITIES.0, PRIORITIES.1);
    let context = session.context;
    stream.set(session.state.create_stream(context, flags & NON_BLOCKING != 0, priority))
}

fn call(stream: u64, call: HostCall, data: *mut c_void, name: &str) -> Outcome {
    let mut session = Session::begin()?;
    let stream = session.stream(stream)?;
    session
        .submit(stream, Work::Call(call, HostPointer(data.cast())), name.to_owned(), Vec::new())
        .map(|_| ())
}

driver_api! {
    /// Creates a stream.
    fn cuStreamCreate(stream: Out<u64>, flags: u32) {
        create(stream, flags, 0)
    }

    /// Creates a stream with a priority.
    fn cuStreamCreateWithPriority(stream: Out<u64>, flags: u32, priority: i32) {
        create(stream, flags, priority)
    }

    /// Destroys a stream; the work on it still runs.
    fn cuStreamDestroy_v2(stream: u64) {
        let mut session = Session::begin_even_if_failed()?;
        if stream <= 2 {
            return Err(Status::InvalidHandle);
        }
        let id = session.stream(stream)?;
        if session.current().default_stream == id {
            return Err(Status::InvalidHandle);
        }
        let entry = session.state.streams.get_mut(&id).ok_or(Status::InvalidHandle)?;
        entry.destroyed = true;
        if entry.queue.is_empty() {
            session.state.streams.remove(&id);
        }
        Ok(())
    }

    /// Waits for all work on a stream.
    fn cuStreamSynchronize(stream: u64) {
        let mut session = Session::begin()?;
        let id = session.stream(stream)?;
        if id == session.current().default_stream {
            // A place on the default stream comes after the work on all blocking streams.
            session.submit(id, Work::Marker, "cuStreamSynchronize".to_owned(), Vec::new())?;
        }
        let end = session.end_of(id);
        session.wait_for(&[end])
    }

    /// Whether all work on a stream is finished.
    fn cuStreamQuery(stream: u64) {
        let mut session = Session::begin()?;
        let id = session.stream(stream)?;
        let end = session.end_of(id);
        session.ask(&end)
    }

    /// Has the work to come on a stream wait for an event.
    fn cuStreamWaitEvent(stream: u64, event: u64, flags: u32) {
        let mut session = Session::begin()?;
        if flags & !1 != 0 {
            return Err(Status::InvalidValue);
        }
        let stream = session.stream(stream)?;
        let record = session.event(event)?.record.clone();
        if record.is_none() {
            crate::driver::report::warn(&format!(
                "warning: cuStreamWaitEvent on event {event:#x}, which was never recorded, waits for nothing"
            ));
            return Ok(());
        }
        session.state.enqueue(stream, Work::Marker, "cuStreamWaitEvent".to_owned(), Vec::new(), record);
        let driver = session.driver;
        driver.nudge(&mut session.state)
    }

    /// The flags of a stream.
    fn cuStreamGetFlags(stream: u64, flags: Out<u32>) {
        let mut session = Session::begin()?;
        let id = session.stream(stream)?;
        flags.set(if session.state.streams[&id].non_blocking { NON_BLOCKING } else { 0 })
    }

    /// The priority of a stream.
    fn cuStreamGetPriority(stream: u64, priority: Out<i32>) {
        let mut session = Session::begin()?;
        let id = session.stream(stream)?;
        priority.set(session.state.streams[&id].priority)
    }

    /// The context of a stream.
    fn cuStreamGetCtx(stream: u64, context: Out<u64>) {
        let mut session = Session::begin()?;
        session.stream(stream)?;
        context.set(session.context)
    }

    /// Calls a function of the program in stream order.
    fn cuLaunchHostFunc(stream: u64, function: Option<unsafe extern "C" fn(*mut c_void)>, data: *mut c_void) {
        let function = function.ok_or(Status::InvalidValue)?;
        call(stream, HostCall::Function(function), data, "cuLaunchHostFunc")
    }

    /// Calls a function of the program in stream order, with the stream and a status.
    fn cuStreamAddCallback(
        stream: u64,
        callback: Option<unsafe extern "C" fn(u64, u32, *mut c_void)>,
        data: *mut c_void,
        flags: u32,
    ) {
        let callback = callback.filter(|_| flags == 0).ok_or(Status::InvalidValue)?;
        call(stream, HostCall::Callback(callback, stream), data, "cuStreamAddCallback")
    }
}
