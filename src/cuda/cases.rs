//! The host side's own cases: what the suite for every backend cannot ask for.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;

use ark_ff::UniformRand;
use cust::memory::LockedBuffer;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::{Buffer, ByValue, Cuda, Grid, Kernel, Module, View};
use crate::conformance::Case;
use crate::{Element, Error, Fr, G1Affine, Len, Memory, Result};

const fn probe(name: &'static str) -> Kernel {
    Kernel { module: Module::Probe, name }
}

const COUNT: Kernel = probe("probe_count");
const STEP: Kernel = probe("probe_step");
const SHARED: Kernel = probe("probe_shared");
const ARGUMENTS: Kernel = probe("probe_arguments");

/// Long enough for several blocks, short enough to be quick on any device.
const LEN: usize = 1000;

macro_rules! list {
    ($family:literal, $($case:ident)*) => {
        vec![$(Case { family: $family, name: stringify!($case), run: $case }),*]
    };
}

/// Cases of buffers, queues and launches, and of the kernels' parts that no operation shows. Each leaves the backend as it was.
pub fn cases() -> Vec<Case<Cuda>> {
    let mut cases = list! { "host",
        uploads_are_copies
        uploads_from_many_threads
        downloads_to_page_locked_memory
        empty_buffers
        arguments
        shared_memory
        joins_are_ordered
        joins_nest
        hands_over
        drops_in_forks
        forks_that_escape
        panics_in_joins
        buffers_outlive_the_value
        several_values
        foreign_buffers
        limits
        refused_launches
    };
    cases.extend(super::field_cases::cases());
    cases.extend(super::msm::cases::cases());
    cases.extend(super::ntt::cases());
    cases
}

/// Cases that take most of the device's memory, so that what others hold, or give back meanwhile, would change them: each needs a
/// process of its own, and no two can run at a time.
pub fn large_cases() -> Vec<Case<Cuda>> {
    list! { "host", exhausted_memory memory_freed_elsewhere }
}

/// Cases after which the device's context is lost: each needs a process of its own.
pub fn fatal_cases() -> Vec<Case<Cuda>> {
    list! { "fatal", faults_stick faults_in_forks }
}

/// `first, first + 1, ...` in a new buffer.
fn count(cuda: &Cuda, first: u64) -> Result<Buffer<u64>> {
    let mut out = cuda.scratch("count", LEN)?;
    count_into(cuda, &mut out, first)?;
    Ok(out)
}

fn count_into(cuda: &Cuda, out: &mut Buffer<u64>, first: u64) -> Result<()> {
    cuda.launch(COUNT, Grid::covering(LEN, 128), &[&Cuda::view_mut(out), &LEN, &first])
}

/// `3 x + 1` of each element, in a new buffer.
fn step(cuda: &Cuda, input: View<'_, u64>) -> Result<Buffer<u64>> {
    let mut out = cuda.scratch("step", input.len())?;
    let grid = Grid::covering(input.len(), 128);
    cuda.launch(STEP, grid, &[&Cuda::view_mut(&mut out), &input, &input.len()])?;
    Ok(out)
}

fn counted(first: u64) -> Vec<u64> {
    (first..).take(LEN).collect()
}

fn stepped(values: &[u64]) -> Vec<u64> {
    values.iter().map(|value| 3 * value + 1).collect()
}

fn host<T: Element>(cuda: &Cuda, buffer: &Buffer<T>) -> Vec<T> {
    cuda.to_vec(Cuda::view(buffer)).expect("a download")
}

/// Bytes that differ from place to place and from `seed` to `seed`.
fn pattern(seed: usize, len: usize) -> Vec<u32> {
    (0..len).map(|i| (i as u32).wrapping_mul(0x9e37_79b9) ^ seed as u32).collect()
}

/// The host's data may change at once, however much is under way.
fn uploads_are_copies(cuda: &Cuda) {
    // Around the sizes of pieces and of the ring, and in all more than the ring several times.
    let lengths =
        [1, 63, 64, 65, 1 << 18, (1 << 18) + 1, 100_000, 1 << 20, (1 << 20) + 17, 3, 3 << 19, 12_345, 70_000];
    let mut buffers = Vec::new();
    for (seed, len) in lengths.into_iter().enumerate() {
        let mut data = pattern(seed, len);
        buffers.push(cuda.upload("pattern", &data).expect("an upload"));
        data.fill(!0);
    }
    for (seed, (buffer, len)) in buffers.iter().zip(lengths).enumerate() {
        assert!(host(cuda, buffer) == pattern(seed, len), "{len} words");
    }
}

fn uploads_from_many_threads(cuda: &Cuda) {
    thread::scope(|scope| {
        for seed in 0..4 {
            let cuda = cuda.clone();
            scope.spawn(move || {
                for round in 0..8 {
                    let data = pattern(seed * 100 + round, 30_000 + seed);
                    let buffer = cuda.upload("pattern", &data).expect("an upload");
                    assert!(host(&cuda, &buffer) == data, "thread {seed}, round {round}");
                }
            });
        }
    });
}

/// A copy to page-locked memory does not wait by itself.
fn downloads_to_page_locked_memory(cuda: &Cuda) {
    cuda.device().enter().expect("a context");
    let mut locked = LockedBuffer::new(&0u64, LEN).expect("page-locked memory");
    for first in 0..3 {
        let buffer = count(cuda, first).expect("a launch");
        cuda.download(Cuda::view(&buffer), &mut locked).expect("a download");
        assert_eq!(locked.as_slice(), counted(first));
    }
}

fn empty_buffers(cuda: &Cuda) {
    let mut empty = cuda.alloc::<Fr>("empty", 0).expect("no memory");
    cuda.clear(&mut Cuda::view_mut(&mut empty)).expect("nothing to do");
    let from = cuda.upload::<Fr>("empty", &[]).expect("no memory");
    cuda.copy(Cuda::view(&from), &mut Cuda::view_mut(&mut empty)).expect("nothing to do");
    assert_eq!(host(cuda, &empty), []);
    assert_eq!(Cuda::view(&empty).pointer(), 0);
    let (head, tail) = Cuda::split(Cuda::view(&empty), 0).expect("within the view");
    assert!(head.is_empty() && tail.is_empty());
}

/// Parameters of every kind reach the kernel.
fn arguments(cuda: &Cuda) {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let field = Fr::rand(&mut rng);
    let buffer = cuda.upload("there", &[1u64]).expect("an upload");
    for view in [None, Some(Cuda::view(&buffer))] {
        let mut out = cuda.scratch::<u64>("out", 8).expect("a small buffer");
        let (a, b, c) = (0xdead_beef_u32, -5i32, u64::MAX - 1);
        cuda.launch(ARGUMENTS, Grid::new(1, 1), &[&Cuda::view_mut(&mut out), &a, &b, &c, &view, &field])
            .expect("a launch");
        let limbs = field.0.0;
        let expected = [a.into(), b as u64, c, view.is_none().into(), limbs[0], limbs[1], limbs[2], limbs[3]];
        assert_eq!(host(cuda, &out), expected);
    }
    let big = ark_ff::BigInt::new([1u64, 2, 3, 4]);
    let mut out = cuda.scratch::<u64>("out", 8).expect("a small buffer");
    let nothing: Option<View<'_, u64>> = None;
    cuda.launch(ARGUMENTS, Grid::new(1, 1), &[&&mut out, &0u32, &0i32, &0u64, &nothing, &ByValue(big)])
        .expect("a launch");
    assert_eq!(host(cuda, &out)[4..], [1, 2, 3, 4]);
}

/// Dynamic shared memory up to what every device has, in two rows of blocks.
fn shared_memory(cuda: &Cuda) {
    for bytes in [8, 48 << 10, (48 << 10) + 8, 64 << 10, 800] {
        let words = bytes / 8;
        let mut out = cuda.scratch::<u64>("out", 2 * words as usize).expect("a small buffer");
        cuda.launch(SHARED, Grid::new(1, 128).rows(2).shared(bytes), &[&Cuda::view_mut(&mut out), &words])
            .expect("the device has as much shared memory");
        let words = u64::from(words);
        let expected: Vec<u64> = (0..words).rev().chain((words..2 * words).rev()).collect();
        assert!(host(cuda, &out) == expected, "{bytes} bytes");
    }
}

/// Forks see the parent's work, the parent sees the forks', nobody waits in between.
fn joins_are_ordered(cuda: &Cuda) {
    for round in 0..10 {
        let input = count(cuda, round).expect("a launch");
        let view = Cuda::view(&input);
        let (once, twice) = cuda
            .join(|left| step(left, view), |right| step(right, Cuda::view(&step(right, view)?)))
            .expect("nothing fails");
        let thrice = step(cuda, Cuda::view(&twice)).expect("a launch");
        let expected = stepped(&counted(round));
        assert_eq!(host(cuda, &once), expected);
        assert_eq!(host(cuda, &thrice), stepped(&stepped(&expected)));
    }
}

/// Forks of forks, four deep, every one of which makes a buffer of its own.
fn joins_nest(cuda: &Cuda) {
    fn tree(cuda: &Cuda, depth: u32, input: View<'_, u64>) -> Result<Vec<Buffer<u64>>> {
        let own = step(cuda, input)?;
        // Under way when the fork ends.
        drop(cuda.upload_scratch("noise", &[7u64; LEN])?);
        if depth == 0 {
            return Ok(vec![own]);
        }
        let view = Cuda::view(&own);
        let (mut left, right) =
            cuda.join(|cuda| tree(cuda, depth - 1, view), |cuda| tree(cuda, depth - 1, view))?;
        left.extend(right);
        // Work of this fork on what its own forks have left under way.
        left.iter().map(|leaf| step(cuda, Cuda::view(leaf))).collect()
    }
    let input = count(cuda, 9).expect("a launch");
    let leaves = tree(cuda, 3, Cuda::view(&input)).expect("nothing fails");
    // A step at each of the levels on the way down, and at all but the last on the way up.
    let expected = (0..7).fold(counted(9), |values, _| stepped(&values));
    assert_eq!(leaves.len(), 8);
    for leaf in &leaves {
        assert_eq!(host(cuda, leaf), expected);
    }
}

/// What one fork has waited for the other may use at once.
fn hands_over(cuda: &Cuda) {
    for round in 0..4 {
        let (sender, receiver) = mpsc::channel();
        let ((), (given, made)) = cuda
            .join(
                move |left| {
                    let given = count(left, round)?;
                    left.sync()?;
                    sender.send(given).expect("the other fork waits");
                    Ok(())
                },
                move |right| {
                    let given = receiver.recv().expect("the other fork sends");
                    let made = step(right, Cuda::view(&given))?;
                    Ok((given, made))
                },
            )
            .expect("nothing fails");
        assert_eq!(host(cuda, &given), counted(round));
        assert_eq!(host(cuda, &made), stepped(&counted(round)));
    }
}

/// Memory that both forks use goes when the last of them lets go of it, and not before their work is done.
fn drops_in_forks(cuda: &Cuda) {
    for round in 0..10 {
        let parents = Arc::new(count(cuda, round).expect("a launch"));
        let (mine, theirs) = (parents.clone(), parents);
        let work = |cuda: &Cuda, input: Arc<Buffer<u64>>| {
            let first = step(cuda, Cuda::view(&input))?;
            drop(input);
            let second = step(cuda, Cuda::view(&first))?;
            drop(first);
            // Gets the memory of a buffer that has just gone, if the driver sees fit.
            let noise = count(cuda, 1 << 40)?;
            let third = step(cuda, Cuda::view(&second))?;
            drop(noise);
            Ok(third)
        };
        let (left, right) =
            cuda.join(|cuda| work(cuda, mine), |cuda| work(cuda, theirs)).expect("nothing fails");
        let noise = count(cuda, 1 << 41).expect("a launch");
        let expected = stepped(&stepped(&stepped(&counted(round))));
        assert_eq!(host(cuda, &left), expected);
        drop(left);
        assert_eq!(host(cuda, &noise), counted(1 << 41));
        assert_eq!(host(cuda, &right), expected);
    }
}

/// A clone of a fork may live longer than the join, with work that nobody waits for.
fn forks_that_escape(cuda: &Cuda) {
    let input = count(cuda, 3).expect("a launch");
    let (fork, ()) = cuda.join(|fork| Ok(fork.clone()), |_| Ok(())).expect("nothing fails");
    let made = step(&fork, Cuda::view(&input)).expect("a launch");
    let kept = step(&fork, Cuda::view(&made)).expect("a launch");
    assert_eq!(host(&fork, &kept), stepped(&stepped(&counted(3))));
    let last = step(&fork, Cuda::view(&input)).expect("a launch");
    // The fork's work on both is still under way when the fork, and then they, go.
    drop(fork);
    drop((input, made));
    let noise = count(cuda, 1 << 42).expect("a launch");
    assert_eq!(host(cuda, &noise), counted(1 << 42));
    assert_eq!(host(cuda, &last), stepped(&counted(3)));
}

/// A panic comes out of `join` after both closures have ended, and the backend works on.
fn panics_in_joins(cuda: &Cuda) {
    fn fails(cuda: &Cuda, input: View<'_, u64>) -> Result<Buffer<u64>> {
        let _dropped_while_unwinding = step(cuda, input)?;
        // Not a message that somebody reads: no hook runs.
        std::panic::resume_unwind(Box::new("on purpose"))
    }
    let input = count(cuda, 5).expect("a launch");
    let view = Cuda::view(&input);
    for (left, right) in [(true, false), (false, true), (true, true)] {
        let run = |fail: bool| move |cuda: &Cuda| if fail { fails(cuda, view) } else { step(cuda, view) };
        let joined = catch_unwind(AssertUnwindSafe(|| cuda.join(run(left), run(right))));
        let payload = joined.map(drop).expect_err("one of them panicked");
        assert_eq!(payload.downcast_ref(), Some(&"on purpose"));
        assert_eq!(host(cuda, &step(cuda, view).expect("a launch")), stepped(&counted(5)));
    }
}

fn buffers_outlive_the_value(_: &Cuda) {
    let cuda = Cuda::new().expect("there is one already");
    let buffers =
        (count(&cuda, 1).expect("a launch"), cuda.upload("data", &pattern(1, 50_000)).expect("an upload"));
    drop(cuda);
    drop(buffers);
}

/// Values of one device work at the same time, each on its own.
fn several_values(_: &Cuda) {
    let together = Barrier::new(3);
    thread::scope(|scope| {
        for first in 0..3 {
            let together = &together;
            scope.spawn(move || {
                let cuda = Cuda::new().expect("there is one already");
                together.wait();
                for _ in 0..5 {
                    let input = count(&cuda, first).expect("a launch");
                    let (left, right) = cuda
                        .join(|cuda| step(cuda, Cuda::view(&input)), |cuda| step(cuda, Cuda::view(&input)))
                        .expect("nothing fails");
                    assert_eq!(host(&cuda, &left), stepped(&counted(first)));
                    assert_eq!(host(&cuda, &right), stepped(&counted(first)));
                }
            });
        }
    });
}

/// What belongs to another value is refused and left alone; what belongs to a clone is not.
fn foreign_buffers(cuda: &Cuda) {
    let other = Cuda::new().expect("there is one already");
    let mut theirs = other.upload("theirs", &[1u32, 2, 3]).expect("an upload");
    let mut ours = cuda.upload("ours", &[4u32, 5, 6]).expect("an upload");
    let foreign = |result: Result<()>, op: &'static str| assert_eq!(result, Err(Error::Foreign { op }));
    let mut to = [9u32; 3];
    foreign(cuda.download(Cuda::view(&theirs), &mut to), "download");
    assert_eq!(to, [9; 3]);
    foreign(cuda.copy(Cuda::view(&theirs), &mut Cuda::view_mut(&mut ours)), "copy");
    foreign(cuda.copy(Cuda::view(&ours), &mut Cuda::view_mut(&mut theirs)), "copy");
    foreign(other.copy(Cuda::view(&ours), &mut Cuda::view_mut(&mut theirs)), "copy");
    let empty = other.alloc::<u32>("empty", 0).expect("no memory");
    foreign(cuda.download(Cuda::view(&empty), &mut []), "download");
    assert_eq!((host(cuda, &ours), host(&other, &theirs)), (vec![4, 5, 6], vec![1, 2, 3]));
    assert_eq!(host(&cuda.clone(), &ours), [4, 5, 6]);
}

/// A limit counts to the byte, over all clones, and what is dropped no longer counts.
fn limits(_: &Cuda) {
    let cuda = Cuda::new().expect("there is one already").with_memory_limit(10_000);
    let clone = cuda.clone();
    let half = cuda.alloc::<u8>("half", 5_000).expect("within the limit");
    match clone.alloc::<G1Affine>("points", 100) {
        Err(error) => {
            assert_eq!(error, Error::OutOfMemory { label: "points", bytes: 6_400, free: 5_000 });
        }
        Ok(_) => panic!("11400 bytes within 10000"),
    }
    let rest = clone.alloc::<u8>("rest", 5_000).expect("just within the limit");
    assert!(matches!(
        cuda.upload("one", &[1u8]),
        Err(Error::OutOfMemory { label: "one", bytes: 1, free: 0 })
    ));
    drop(half);
    let forked = cuda.join(|cuda| cuda.alloc::<u8>("left", 4_000), |cuda| cuda.alloc::<u8>("right", 1_000));
    drop((rest, forked.expect("just within the limit")));
    assert!(cuda.alloc::<u8>("all", 10_000).is_ok());
}

/// Bytes that can be allocated.
fn free_bytes(cuda: &Cuda) -> usize {
    match cuda.scratch::<u8>("everything", 1 << 60) {
        Err(Error::OutOfMemory { label: "everything", bytes, free }) => {
            assert_eq!(bytes, 1 << 60);
            free
        }
        other => panic!("an exabyte: {other:?}"),
    }
}

/// The device's own memory ends with an error too, and is there again after a drop.
fn exhausted_memory(cuda: &Cuda) {
    let most = free_bytes(cuda) / 8 * 5;
    let first = cuda.scratch::<u8>("first", most).expect("five eighths of what is free");
    match cuda.scratch::<u8>("second", most) {
        Err(Error::OutOfMemory { label: "second", bytes, free }) => assert!(bytes == most && free < most),
        other => panic!("more than there is: {other:?}"),
    }
    drop(first);
    let again = cuda.scratch::<u8>("again", most).expect("the memory was freed");
    let small = count(cuda, 4).expect("a launch");
    assert_eq!(host(cuda, &small), counted(4));
    drop(again);
}

/// Memory that another queue has freed, but not yet come to, is waited for rather than refused.
fn memory_freed_elsewhere(cuda: &Cuda) {
    let most = free_bytes(cuda) / 8 * 5;
    for _ in 0..3 {
        let (gone, kept) = cuda
            .join(
                |cuda| {
                    let _large = cuda.scratch::<u8>("large", most)?;
                    count(cuda, 6)
                },
                |cuda| count(cuda, 7),
            )
            .expect("five eighths of what is free");
        let large = cuda.scratch::<u8>("large", most).expect("the fork's was freed");
        assert_eq!((host(cuda, &gone), host(cuda, &kept)), (counted(6), counted(7)));
        drop(large);
    }
}

/// A launch that the driver refuses names the kernel and leaves the backend usable.
fn refused_launches(cuda: &Cuda) {
    let mut out = cuda.alloc::<u64>("out", LEN).expect("a small buffer");
    let view = Cuda::view_mut(&mut out);
    let try_with = |kernel: Kernel, grid: Grid| match cuda.launch(kernel, grid, &[&view, &LEN, &1u64]) {
        Err(Error::Launch { kernel: named, code, reason }) => {
            assert_eq!(named, kernel.name);
            assert!(code != 0 && reason.starts_with("CUDA_ERROR_"), "{code}: {reason}");
        }
        other => panic!("{kernel:?} on {grid:?}: {other:?}"),
    };
    try_with(probe("no_such_kernel"), Grid::new(1, 1));
    try_with(COUNT, Grid::new(0, 128));
    try_with(COUNT, Grid::new(1, 0));
    try_with(COUNT, Grid::new(1, 4096));
    try_with(COUNT, Grid::covering(usize::MAX, 1));
    try_with(COUNT, Grid::new(1, 128).shared(16 << 20));
    assert_eq!(host(cuda, &out), vec![0; LEN], "nothing ran");
    count_into(cuda, &mut out, 2).expect("a launch");
    assert_eq!(host(cuda, &out), counted(2));
}

fn lost<T: std::fmt::Debug>(result: Result<T>) {
    match result {
        Err(Error::Launch { code, reason, .. }) => {
            assert!(code >= 700, "{code}: {reason}");
            assert!(reason.contains("context is lost"), "{reason}");
        }
        other => panic!("the context was lost before: {other:?}"),
    }
}

/// A kernel that faults is reported by whatever waits, and by everything after it. Buffers can be dropped all the same.
fn faults_stick(cuda: &Cuda) {
    let clone = cuda.clone();
    let input = count(cuda, 1).expect("a launch");
    let bad = 0x10u64;
    cuda.launch(COUNT, Grid::covering(LEN, 128), &[&bad, &LEN, &0u64]).expect("it fails later");
    lost(cuda.sync());
    lost(clone.to_vec(Cuda::view(&input)));
    lost(cuda.alloc::<u64>("more", LEN));
    lost(cuda.upload("more", &[1u64, 2]));
    lost(count(cuda, 1));
    lost(cuda.join(|_| Ok(()), |_| Ok(())));
    drop(input);
}

/// As above, with the fault on a fork, and buffers of both forks alive.
fn faults_in_forks(cuda: &Cuda) {
    let shared = Arc::new(count(cuda, 1).expect("a launch"));
    let (mine, theirs) = (shared.clone(), shared);
    let result = cuda.join(
        |cuda| {
            let out = step(cuda, Cuda::view(&mine))?;
            let bad = 0x10u64;
            cuda.launch(COUNT, Grid::covering(LEN, 128), &[&bad, &LEN, &0u64])?;
            drop(mine);
            cuda.sync()?;
            Ok(out)
        },
        |cuda| {
            let out = step(cuda, Cuda::view(&theirs))?;
            drop(theirs);
            Ok(out)
        },
    );
    lost(result);
    lost(cuda.sync());
}
