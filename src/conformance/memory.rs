//! Buffers, views and `join`.

use std::marker::PhantomData;

use ark_ec::AffineRepr;
use ark_ff::{BigInt, Fp, PrimeField};

use super::{Random, Sample, download, upload};
use crate::{Element, Error, Fq, Fr, G1Affine, G2Affine, Len, Memory, Result, Vector};

/// What is uploaded comes back, for every element type; new memory is zero.
pub fn round_trips<B: Memory>(backend: &B) {
    fn of<T: Element, B: Memory>(backend: &B, values: &[T]) {
        for len in 0..=values.len() {
            let buffer = upload(backend, &values[..len]);
            assert_eq!(buffer.len(), len);
            assert_eq!(buffer.is_empty(), len == 0);
            assert_eq!(B::view(&buffer).len(), len);
            assert_eq!(download(backend, B::view(&buffer)), values[..len]);
            let fresh = backend.alloc::<T>("fresh", len).expect("a small buffer");
            assert_eq!(download(backend, B::view(&fresh)), vec![T::ZEROED; len]);
        }
    }
    fn scalars<T: Sample, B: Memory>(backend: &B) {
        let mut values = T::edges();
        values.extend(Random::new().values::<T>(5));
        of(backend, &values);
    }
    scalars::<i8, B>(backend);
    scalars::<i16, B>(backend);
    scalars::<i32, B>(backend);
    scalars::<i64, B>(backend);
    scalars::<u8, B>(backend);
    scalars::<u16, B>(backend);
    scalars::<u32, B>(backend);
    scalars::<u64, B>(backend);
    scalars::<BigInt<4>, B>(backend);
    scalars::<Fr, B>(backend);
    of(backend, &[Fq::from(0u64), Fq::from(1u64), -Fq::from(1u64)]);
    of(backend, &[G1Affine::identity(), G1Affine::generator(), -G1Affine::generator()]);
    of(backend, &[G2Affine::identity(), G2Affine::generator(), -G2Affine::generator()]);
    assert!(!backend.name().is_empty());
    backend.sync().expect("nothing failed");
}

/// Parts of views are the parts of the vector; writing through one changes nothing else.
pub fn views<B: Memory>(backend: &B) {
    let host: Vec<u32> = (10..20).collect();
    let mut buffer = upload(backend, &host);
    for at in 0..=host.len() {
        let (head, tail) = B::split(B::view(&buffer), at).expect("within the view");
        assert_eq!(
            (download(backend, head), download(backend, tail)),
            (host[..at].to_vec(), host[at..].to_vec())
        );
        for end in at..=host.len() {
            let part = B::slice(B::view(&buffer), at..end).expect("within the view");
            assert_eq!(download(backend, part), host[at..end]);
        }
    }
    if let Some(view) = backend.borrow(&host) {
        assert_eq!(download(backend, view), host);
    }
    let patch = upload(backend, &[1u32, 2, 3]);
    let (head, mut tail) = B::split_mut(B::view_mut(&mut buffer), 4).expect("within the view");
    let (mut middle, rest) = B::split_mut(B::reborrow(&mut tail), 3).expect("within the view");
    backend.copy(B::view(&patch), &mut middle).expect("equal lengths");
    assert_eq!(download(backend, B::as_view(&middle)), [1, 2, 3]);
    assert_eq!((head.len(), middle.len(), rest.len()), (4, 3, 3));
    drop((head, middle, rest));
    assert_eq!(download(backend, B::as_view(&tail)), [1, 2, 3, 17, 18, 19]);
    drop(tail);
    assert_eq!(download(backend, B::view(&buffer)), [10, 11, 12, 13, 1, 2, 3, 17, 18, 19]);
}

/// Wrong lengths and impossible sizes are errors, and change nothing.
pub fn refusals<B: Memory>(backend: &B) {
    fn shape<T>(result: Result<T>, what: &str) {
        match result {
            Err(Error::Shape { .. }) => {}
            Err(other) => panic!("{what}: {other} instead of a shape error"),
            Ok(_) => panic!("{what}: accepted"),
        }
    }
    let host = [1u16, 2, 3, 4];
    let mut buffer = upload(backend, &host);
    for len in [0usize, 1, 3, 5, 8] {
        let mut to = vec![9u16; len];
        shape(backend.download(B::view(&buffer), &mut to), "download");
        assert_eq!(to, vec![9; len]);
        let mut to = upload(backend, &vec![9u16; len]);
        shape(backend.copy(B::view(&buffer), &mut B::view_mut(&mut to)), "copy");
        assert_eq!(download(backend, B::view(&to)), vec![9; len]);
    }
    for at in [5, usize::MAX] {
        shape(B::split(B::view(&buffer), at), "split");
        shape(B::split_mut(B::view_mut(&mut buffer), at), "split_mut");
        shape(B::slice(B::view(&buffer), 0..at), "slice beyond the end");
    }
    #[allow(clippy::reversed_empty_ranges)]
    let reversed = 3..2;
    shape(B::slice(B::view(&buffer), reversed), "slice that ends before it starts");
    assert_eq!(download(backend, B::view(&buffer)), host);
    for len in [usize::MAX, usize::MAX / 32, 1 << 57] {
        match backend.alloc::<Fr>("far too much", len) {
            Err(Error::OutOfMemory { label, bytes, .. }) => {
                assert_eq!(label, "far too much");
                assert!(bytes >= 1 << 60, "{bytes} bytes");
            }
            Err(other) => panic!("{len} elements: {other}"),
            Ok(_) => panic!("{len} elements were allocated"),
        }
    }
}

/// Values that are not below their modulus do not get onto the backend.
pub fn foreign_bytes<B: Memory>(backend: &B) {
    fn refused<T: Element, B: Memory>(backend: &B, good: T, bad: T) {
        for index in [0, 1, 4] {
            let mut host = vec![good; 5];
            host[index..].fill(bad);
            match backend.upload("bad bytes", &host) {
                Err(Error::Invalid { index: at, .. }) => assert_eq!(at, index),
                Err(other) => panic!("{bad:?}: {other}"),
                Ok(_) => panic!("{bad:?} was uploaded"),
            }
        }
    }
    for limbs in [Fr::MODULUS, BigInt([u64::MAX; 4])] {
        refused(backend, Fr::from(1u64), Fp(limbs, PhantomData));
    }
    for limbs in [Fq::MODULUS, BigInt([u64::MAX; 4])] {
        let bad: Fq = Fp(limbs, PhantomData);
        refused(backend, Fq::from(1u64), bad);
        let g1 = G1Affine::generator();
        refused(backend, g1, G1Affine::new_unchecked(bad, g1.y));
        refused(backend, g1, G1Affine::new_unchecked(g1.x, bad));
        let g2 = G2Affine::generator();
        for coordinate in 0..4 {
            let mut point = g2;
            *[&mut point.x.c0, &mut point.x.c1, &mut point.y.c0, &mut point.y.c1][coordinate] = bad;
            refused(backend, g2, point);
        }
    }
}

/// `join` runs both closures, nested too, and returns the first error.
pub fn joins<B: Vector>(backend: &B) {
    let input = upload(backend, &[Fr::from(2u64); 9]);
    let doubled = |backend: &B, factor: u64| {
        let mut out = backend.alloc("out", 9)?;
        backend.add_scaled(Fr::from(factor), B::view(&input), &mut B::view_mut(&mut out))?;
        backend.to_vec(B::view(&out))
    };
    let (a, (b, c)) = backend
        .join(|b| doubled(b, 3), |b| b.join(|b| doubled(b, 5), |b| doubled(b, 7)))
        .expect("nothing fails");
    assert_eq!((a, b, c), (vec![Fr::from(6u64); 9], vec![Fr::from(10u64); 9], vec![Fr::from(14u64); 9]));
    let fail = |row: usize| Err::<(), _>(Error::NotInTable { column: 0, row });
    let row = |result: Result<((), ())>| match result {
        Err(Error::NotInTable { row, .. }) => row,
        other => panic!("{other:?}"),
    };
    assert_eq!(row(backend.join(|_| fail(1), |_| fail(2))), 1);
    assert_eq!(row(backend.join(|_| Ok(()), |_| fail(2))), 2);
    assert_eq!(row(backend.join(|_| fail(1), |_| Ok(()))), 1);
}
