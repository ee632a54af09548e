//! Events.

use crate::driver::abi::{Out, driver_api};
use crate::driver::queue::Work;
use crate::driver::session::Session;
use crate::driver::state::{Event, Kind};
use crate::driver::status::{Outcome, Status};

/// `CU_EVENT_BLOCKING_SYNC` and `CU_EVENT_DISABLE_TIMING`; events between processes are not supported.
const FLAGS: u32 = 3;
const DISABLE_TIMING: u32 = 2;

/// Milliseconds from one event to another.
fn elapsed(milliseconds: Out<f32>, start: u64, end: u64) -> Outcome {
    let session = Session::begin()?;
    let mut times = Vec::new();
    for handle in [start, end] {
        let event = session.event(handle)?;
        let record = event.record.as_ref().filter(|_| event.timing).ok_or(Status::InvalidHandle)?;
        if !session.state.is_done(record.0) {
            return Err(Status::NotReady);
        }
        times.push(event.time.ok_or(Status::NotReady)?);
    }
    let ahead = times[1].saturating_duration_since(times[0]).as_secs_f64();
    let behind = times[0].saturating_duration_since(times[1]).as_secs_f64();
    milliseconds.set(((ahead - behind) * 1e3) as f32)
}

driver_api! {
    /// Creates an event.
    fn cuEventCreate(event: Out<u64>, flags: u32) {
        let mut session = Session::begin()?;
        event.check()?;
        if flags & !FLAGS != 0 {
            return Err(Status::InvalidValue);
        }
        let id = session.state.new_id(Kind::Event);
        let timing = flags & DISABLE_TIMING == 0;
        let context = session.context;
        session.state.events.insert(id, Event { context, timing, record: None, time: None });
        event.set(id)
    }

    /// Destroys an event; what waits for it still does.
    fn cuEventDestroy_v2(event: u64) {
        let mut session = Session::begin_even_if_failed()?;
        session.event(event)?;
        session.state.events.remove(&event);
        Ok(())
    }

    /// Records an event on a stream.
    fn cuEventRecord(event: u64, stream: u64) {
        let mut session = Session::begin()?;
        session.event(event)?;
        let stream = session.stream(stream)?;
        let stamp = session.submit(stream, Work::Record(event), "cuEventRecord".to_owned(), Vec::new())?;
        let clock = session.state.streams[&stream].clock.clone();
        let entry = session.state.events.get_mut(&event).ok_or(Status::InvalidHandle)?;
        entry.record = Some((stamp, clock));
        entry.time = None;
        Ok(())
    }

    /// Whether an event has been reached; one never recorded has.
    fn cuEventQuery(event: u64) {
        let mut session = Session::begin()?;
        match session.recorded(session.event(event)?) {
            Some(point) => session.ask(&point),
            None => Ok(()),
        }
    }

    /// Waits until an event has been reached.
    fn cuEventSynchronize(event: u64) {
        let mut session = Session::begin()?;
        match session.recorded(session.event(event)?) {
            Some(point) => session.wait_for(&[point]),
            None => Ok(()),
        }
    }

    /// Milliseconds from one event to another.
    fn cuEventElapsedTime(milliseconds: Out<f32>, start: u64, end: u64) {
        elapsed(milliseconds, start, end)
    }

    /// As `cuEventElapsedTime`.
    fn cuEventElapsedTime_v2(milliseconds: Out<f32>, start: u64, end: u64) {
        elapsed(milliseconds, start, end)
    }
}
