//! A CUDA program like any other: it uses the `cust` crate as published and knows nothing of an emulator.
//!
//! Its arguments are the paths of `basics.cu` compiled to PTX and to a fat binary.

use std::error::Error;
use std::sync::mpsc;

use cust::context::{CurrentContext, ResourceLimit};
use cust::device::DeviceAttribute;
use cust::error::CudaError;
use cust::event::{Event, EventFlags, EventStatus};
use cust::function::FunctionAttribute;
use cust::launch;
use cust::memory::{AsyncCopyDestination, CopyDestination, DeviceBuffer, LockedBuffer, mem_get_info};
use cust::module::{Module, ModuleJitOption};
use cust::prelude::{Device, Stream, StreamFlags};
use cust::stream::StreamWaitEventFlags;

const TABLE: [u32; 8] = [3, 1, 4, 1, 5, 9, 2, 6];
const COUNT: usize = 1 << 12;

fn expected(input: &[u32], factor: u32) -> Vec<u32> {
    input.iter().enumerate().map(|(i, x)| x.wrapping_mul(factor).wrapping_add(TABLE[i % 8])).collect()
}

fn describe(device: Device) -> Result<(), Box<dyn Error>> {
    assert_eq!(Device::num_devices()?, 1);
    println!("{} with {} bytes", device.name()?, device.total_memory()?);
    assert_eq!(device.get_attribute(DeviceAttribute::WarpSize)?, 32);
    assert!(device.get_attribute(DeviceAttribute::ComputeCapabilityMajor)? >= 7);
    let range = CurrentContext::get_stream_priority_range()?;
    assert!(range.greatest <= range.least);
    assert!(CurrentContext::get_resource_limit(ResourceLimit::StackSize)? > 0);
    Ok(())
}

/// Upload, launch, download, everything waited for.
fn plainly(module: &Module) -> Result<(), Box<dyn Error>> {
    let stream = Stream::new(StreamFlags::NON_BLOCKING, None)?;
    let input: Vec<u32> = (0..COUNT as u32).map(|i| i.wrapping_mul(0x9e37_79b9)).collect();
    let source = DeviceBuffer::from_slice(&input)?;
    let target = DeviceBuffer::<u32>::zeroed(COUNT)?;
    let scale = module.get_function("scale")?;
    assert_eq!(scale.get_attribute(FunctionAttribute::SharedMemorySizeBytes)?, 0);
    let (blocks, threads) = scale.suggested_launch_configuration(0, 0.into())?;
    assert!(blocks > 0 && threads > 0);
    assert!(scale.max_active_blocks_per_multiprocessor(threads.into(), 0)? > 0);
    // SAFETY: the parameters are those of the kernel.
    unsafe {
        launch!(scale<<<16, threads, 0, stream>>>(
            3u32,
            source.as_device_ptr(),
            target.as_device_ptr(),
            COUNT as u32
        ))?;
    }
    stream.synchronize()?;
    let mut output = vec![0u32; COUNT];
    target.copy_to(&mut output)?;
    assert_eq!(output, expected(&input, 3));
    Ok(())
}

/// Two streams that hand chunks to each other: pinned memory, stream-ordered allocation, events, a callback.
fn asynchronously(module: &Module) -> Result<(), Box<dyn Error>> {
    let upload = Stream::new(StreamFlags::NON_BLOCKING, None)?;
    let compute = Stream::new(StreamFlags::NON_BLOCKING, Some(-1))?;
    let scale = module.get_function("scale")?;
    let begin = Event::new(EventFlags::DEFAULT)?;
    let end = Event::new(EventFlags::DEFAULT)?;
    begin.record(&compute)?;
    let chunks: Vec<Vec<u32>> =
        (0..4u32).map(|chunk| (0..COUNT as u32).map(|i| i ^ chunk << 20).collect()).collect();
    let mut results = Vec::new();
    let mut held = Vec::new();
    for chunk in &chunks {
        let pinned = LockedBuffer::from_slice(chunk)?;
        let mut result = LockedBuffer::new(&0u32, COUNT)?;
        // SAFETY: the buffers live until both streams are synchronised, and are touched in the order that the events make.
        unsafe {
            let mut source = DeviceBuffer::<u32>::uninitialized_async(COUNT, &upload)?;
            source.async_copy_from(&pinned, &upload)?;
            let uploaded = Event::new(EventFlags::DISABLE_TIMING)?;
            uploaded.record(&upload)?;
            compute.wait_event(uploaded, StreamWaitEventFlags::DEFAULT)?;
            let target = DeviceBuffer::<u32>::uninitialized_async(COUNT, &compute)?;
            launch!(scale<<<8, 128, 0, compute>>>(
                5u32,
                source.as_device_ptr(),
                target.as_device_ptr(),
                COUNT as u32
            ))?;
            target.async_copy_to(&mut result, &compute)?;
            source.drop_async(&compute)?;
            target.drop_async(&compute)?;
        }
        results.push(result);
        held.push(pinned);
    }
    end.record(&compute)?;
    let (sender, receiver) = mpsc::channel();
    compute.add_callback(Box::new(move || sender.send(()).unwrap()))?;
    // What has not been waited for is not there yet.
    assert!(matches!(end.query()?, EventStatus::NotReady));
    assert!(results[3].iter().all(|&value| value == 0), "the copy has run already");
    receiver.recv()?;
    end.synchronize()?;
    assert!(end.elapsed_time_f32(&begin)? >= 0.0);
    for (chunk, result) in chunks.iter().zip(&results) {
        assert_eq!(result.as_slice(), expected(chunk, 5));
    }
    upload.synchronize()?;
    compute.synchronize()?;
    Ok(())
}

fn errors(module: &Module) -> Result<(), Box<dyn Error>> {
    let (free, total) = mem_get_info()?;
    assert!(free <= total);
    // SAFETY: nothing is done with memory that there is not.
    let beyond = unsafe { DeviceBuffer::<u8>::uninitialized(total + 1) };
    assert_eq!(beyond.err(), Some(CudaError::OutOfMemory));
    assert_eq!(module.get_function("nothing").err(), Some(CudaError::NotFound));
    let stream = Stream::new(StreamFlags::DEFAULT, None)?;
    let scale = module.get_function("scale")?;
    // SAFETY: the launch is refused.
    let refused = unsafe { launch!(scale<<<1, 2048, 0, stream>>>(1u32, 0u64, 0u64, 0u32)) };
    assert_eq!(refused.err(), Some(CudaError::InvalidValue));
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let [_, ptx, fatbin] = &std::env::args().collect::<Vec<_>>()[..] else { panic!("two arguments") };
    let _context = cust::quick_init()?;
    describe(Device::get_device(0)?)?;
    let from_text = Module::from_ptx(std::fs::read_to_string(ptx)?, &[ModuleJitOption::MaxRegisters(64)])?;
    let from_fatbin = Module::from_fatbin(std::fs::read(fatbin)?, &[])?;
    for module in [&from_text, &from_fatbin] {
        plainly(module)?;
        asynchronously(module)?;
    }
    errors(&from_text)?;
    println!("all is well");
    Ok(())
}
