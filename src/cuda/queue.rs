//! Ordered queues of work on one device, and how they wait for each other.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use cust::event::{Event, EventFlags};
use cust::stream::{Stream, StreamFlags, StreamWaitEventFlags};

use super::device::Device;
use super::raw::{self, Outcome};
use super::staging::Staging;

/// A stream and what its uploads pass through. Kept for later queues when a queue ends, because both are slow to make.
pub(super) struct Lane {
    pub stream: Stream,
    staging: Mutex<Staging>,
}

impl Lane {
    pub fn new() -> Outcome<Self> {
        let stream = Stream::new(StreamFlags::NON_BLOCKING, None)?;
        Ok(Self { stream, staging: Mutex::default() })
    }

    /// Makes later work on this stream wait for what is now on the other.
    pub fn wait_for(&self, other: &Self) -> Outcome {
        let event = Event::new(EventFlags::DISABLE_TIMING)?;
        event.record(&other.stream)?;
        // The event may go once the wait is enqueued: the driver keeps what it needs.
        Ok(self.stream.wait_event(event, StreamWaitEventFlags::DEFAULT)?)
    }

    /// Enqueues a copy of host bytes to the device. They may change as soon as this returns.
    ///
    /// # Safety
    /// `bytes.len()` bytes at `to` are allocated and stay so until the stream has come past this.
    pub unsafe fn upload(&self, to: u64, bytes: &[u8]) -> Outcome {
        // A ring is in order even if a thread panicked while it held the lock: a piece is counted once it is under way.
        let mut staging = self.staging.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: by the contract above; this ring serves this stream alone.
        unsafe { staging.upload(to, bytes, &self.stream) }
    }
}

impl Drop for Lane {
    /// Waits, since the ring must not go while copies read it. The context is current: lanes go with their device, or when
    /// it retires them.
    fn drop(&mut self) {
        if let Err(failure) = raw::synchronize(&self.stream) {
            log::debug!("a stream ended with {failure:?}");
        }
    }
}

/// Names a queue within its device for as long as the device lives.
pub(super) type QueueId = u64;

/// One ordered queue of work. The device knows the lanes of all queues, so that memory is not freed under one of them.
pub(super) struct Queue {
    pub id: QueueId,
    /// Before the device, since fields go in this order and the lane needs the device's context.
    lane: Arc<Lane>,
    pub device: Arc<Device>,
    /// Whether no other queue has waited yet for some of the work.
    ahead: AtomicBool,
}

impl Queue {
    pub fn new(id: QueueId, device: Arc<Device>, lane: Arc<Lane>) -> Self {
        Self { id, device, lane, ahead: AtomicBool::new(false) }
    }

    /// Runs driver calls that put work on this queue, with the device's context current.
    pub fn enqueue<R>(&self, work: impl FnOnce(&Lane) -> Outcome<R>) -> Outcome<R> {
        self.device.enter()?;
        let result = work(&self.lane);
        // After the work: a `wait_for` on another thread either covers it or is overruled here.
        self.ahead.store(true, Ordering::Release);
        result
    }

    /// Makes later work on this queue wait for what is now on the other, of the same device.
    pub fn wait_for(&self, other: &Self) -> Outcome {
        self.enqueue(|lane| {
            other.ahead.store(false, Ordering::Release);
            let waits = lane.wait_for(&other.lane);
            if waits.is_err() {
                other.ahead.store(true, Ordering::Release);
            }
            waits
        })
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.device.retire(self.id, self.ahead.load(Ordering::Acquire));
    }
}
