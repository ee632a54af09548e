//! Transforms.

use ark_ff::{AdditiveGroup, FftField, Field};

use super::{Outcome, Output, Random, Refusal, agree, compare, patterns, settle};
use crate::ntt::{Direction, Order, Transform};
use crate::{Error, Fr, Ntt};

const DIRECTIONS: [Direction; 2] = [Direction::Forward, Direction::Inverse];
const ORDERS: [Order; 2] = [Order::Natural, Order::BitReversed];

fn transformed<B: Ntt>(backend: &B, log_n: u32, transform: Transform, items: &[Vec<Fr>]) -> Outcome<Fr> {
    let domain = backend.domain(log_n)?;
    let mut outputs: Vec<Output<B, Fr>> = items.iter().map(|item| Output::new(backend, item)).collect();
    let mut batch: Vec<_> = outputs.iter_mut().map(Output::view).collect();
    let result = backend.ntt(&domain, transform, &mut batch);
    drop(batch);
    settle(backend, result, &outputs)
}

fn cosets(random: &mut Random, log_n: u32) -> Vec<Option<Fr>> {
    let root = Fr::get_root_of_unity(1 << log_n).expect("a short domain");
    vec![None, Some(Fr::ONE), Some(-Fr::ONE), Some(root), Some(Fr::GENERATOR), Some(random.field())]
}

/// Lengths `2^0` to `2^8`, all directions, orders and kinds of cosets; constant, extreme and random values.
pub fn edges<B: Ntt>(backend: &B) {
    let mut random = Random::new();
    for log_n in 0..=8 {
        // All patterns where they are cheap, one vector of every kind of value where they are not.
        let mut items = patterns::<Fr>(&mut random, 1 << log_n);
        items.drain(..if log_n > 5 { items.len() - 3 } else { 0 });
        for direction in DIRECTIONS {
            for order in ORDERS {
                for coset in cosets(&mut random, log_n) {
                    let transform = Transform { direction, order, coset };
                    agree!(backend, transformed(log_n, transform, &items), "2^{log_n}, {transform:?}");
                }
            }
        }
    }
}

/// Batches of none, one, and more items than a processor has cores.
pub fn batches<B: Ntt>(backend: &B) {
    let mut random = Random::new();
    for (log_n, count) in [(0, 0), (3, 0), (0, 1), (0, 100), (1, 33), (4, 1), (4, 2), (4, 67), (7, 5)] {
        let items: Vec<Vec<Fr>> = (0..count).map(|_| random.mixed(1 << log_n)).collect();
        for direction in DIRECTIONS {
            let transform = Transform::new(direction).order(random.pick(&ORDERS));
            agree!(backend, transformed(log_n, transform, &items), "{count} of 2^{log_n}, {transform:?}");
        }
    }
}

/// The inverse undoes the forward transform, in either order, on and off cosets.
pub fn inverses<B: Ntt>(backend: &B) {
    let mut random = Random::new();
    for log_n in 0..=9 {
        let item = random.mixed::<Fr>(1 << log_n);
        for order in ORDERS {
            for coset in cosets(&mut random, log_n) {
                let forward = Transform { direction: Direction::Forward, order, coset };
                let evaluations = transformed(backend, log_n, forward, std::slice::from_ref(&item));
                let evaluations = evaluations.unwrap_or_else(|e| panic!("2^{log_n}, {forward:?}: {e:?}"));
                let back = Transform { direction: Direction::Inverse, ..forward };
                let got = transformed(backend, log_n, back, &[evaluations]);
                compare("inverse", &got, &Ok(item.clone()), &|| format!("2^{log_n}, {forward:?}"));
            }
        }
    }
}

/// Lengths that are not the domain's, the coset of zero, lengths without a root of unity.
pub fn refusals<B: Ntt>(backend: &B) {
    let mut random = Random::new();
    for log_n in [29, 30, 63, 64, 1 << 16, u32::MAX] {
        assert!(
            matches!(backend.domain(log_n), Err(Error::Shape { .. })),
            "no root of unity has order 2^{log_n}"
        );
    }
    for case in 0..200 {
        let log_n = random.below(5) as u32;
        let lengths: Vec<usize> = (0..random.below(4)).map(|_| random.near(1 << log_n)).collect();
        let items: Vec<Vec<Fr>> = lengths.iter().map(|&len| random.mixed(len)).collect();
        let coset = random.one_in(2).then(|| random.field());
        let transform = Transform { direction: random.pick(&DIRECTIONS), order: random.pick(&ORDERS), coset };
        agree!(backend, transformed(log_n, transform, &items), "case {case}: 2^{log_n}, lengths {lengths:?}");
    }
    for direction in DIRECTIONS {
        let transform = Transform::new(direction).on_coset(Fr::ZERO);
        let refused = transformed(backend, 2, transform, &[random.values(4)]);
        assert_eq!(refused, Err(Refusal::Invalid { index: 0 }), "zero represents no coset");
    }
}

/// Beyond the reference's reach.
pub mod long {
    use super::*;

    /// A transform's outputs are the polynomial's values, at a few places by Horner's rule; and the inverse undoes it.
    pub fn evaluations<B: Ntt>(backend: &B) {
        let mut random = Random::new();
        for log_n in 9..=18u32 {
            let n = 1usize << log_n;
            let root = Fr::get_root_of_unity(n as u64).expect("a short domain");
            let count = if log_n < 14 { 3 } else { 1 };
            let items: Vec<Vec<Fr>> = (0..count).map(|_| random.mixed(n)).collect();
            for (order, coset) in [
                (Order::Natural, None),
                (Order::BitReversed, None),
                (Order::Natural, Some(Fr::GENERATOR)),
                (Order::BitReversed, Some(random.field())),
            ] {
                let forward = Transform { direction: Direction::Forward, order, coset };
                let got = transformed(backend, log_n, forward, &items);
                let got = got.unwrap_or_else(|e| panic!("2^{log_n}, {forward:?}: {e:?}"));
                for k in [0, n - 1, n / 2, random.below(n), random.below(n)] {
                    let at = coset.unwrap_or(Fr::ONE) * root.pow([k as u64]);
                    let place = match order {
                        Order::Natural => k,
                        Order::BitReversed => k.reverse_bits() >> (usize::BITS - log_n),
                    };
                    for (i, item) in items.iter().enumerate() {
                        let value = item.iter().rev().fold(Fr::ZERO, |sum, c| sum * at + c);
                        assert_eq!(got[i * n + place], value, "2^{log_n}, {forward:?}, item {i}, w^{k}");
                    }
                }
                let evaluations: Vec<Vec<Fr>> = got.chunks(n).map(<[Fr]>::to_vec).collect();
                let back = Transform { direction: Direction::Inverse, ..forward };
                let got = transformed(backend, log_n, back, &evaluations);
                compare("inverse", &got, &Ok(items.concat()), &|| format!("2^{log_n}, {back:?}"));
            }
        }
    }
}
