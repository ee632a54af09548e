//! Against ark-poly.

use ark_ff::{Field as _, UniformRand, Zero};
use ark_poly::{EvaluationDomain, Radix2EvaluationDomain};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use super::*;
use crate::element::Fr;

/// The four transforms in both orders, of `items`, against ark.
fn agrees(log_n: u32, items: Vec<Vec<Fr>>, g: Fr) {
    let Some(ifma) = Ifma::new() else {
        eprintln!("SKIPPED: this processor has no AVX-512 IFMA");
        return;
    };
    let domain = Domain::<Fr>::new(log_n).expect("a supported length");
    let ark = Radix2EvaluationDomain::<Fr>::new(1 << log_n).unwrap();
    for coset in [None, Some(g)] {
        let ark = coset.map_or(ark, |g| ark.get_coset(g).unwrap());
        let evaluations: Vec<_> = items.iter().map(|item| ark.fft(item)).collect();
        for order in [Order::Natural, Order::BitReversed] {
            let ordered: Vec<_> = evaluations.iter().map(|values| arranged(values, order, log_n)).collect();
            for (direction, from, to) in
                [(Direction::Forward, &items, &ordered), (Direction::Inverse, &ordered, &items)]
            {
                let mut got = from.clone();
                let mut views: Vec<_> = got.iter_mut().map(Vec::as_mut_slice).collect();
                domain.transform(ifma, &Transform { direction, order, coset }, &mut views);
                assert!(got == *to, "2^{log_n} x {}, {direction:?} {order:?} {coset:?}", items.len());
            }
        }
    }
}

fn arranged(values: &[Fr], order: Order, log_n: u32) -> Vec<Fr> {
    match order {
        Order::Natural => values.to_vec(),
        Order::BitReversed => (0..values.len()).map(|i| values[reverse(i, log_n)]).collect(),
    }
}

/// One thread works on wide groups wherever it can, many threads on narrow ones.
#[test]
fn random_values() {
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    for threads in [1, 5] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        for log_n in 3..=16 {
            for count in if log_n <= 8 { vec![1, 3, 8, 45] } else { vec![1] } {
                let item = |rng: &mut _| (0..1 << log_n).map(|_| Fr::rand(rng)).collect();
                let items = (0..count).map(|_| item(&mut rng)).collect();
                let g = Fr::rand(&mut rng);
                pool.install(|| agrees(log_n, items, g));
            }
        }
    }
}

#[test]
fn edge_values() {
    for log_n in [3, 5, 6, 7, 11, 12] {
        let constant = |value: Fr| vec![value; 1 << log_n];
        let mut alternating = constant(-Fr::ONE);
        alternating.iter_mut().step_by(2).for_each(|x| *x = Fr::ONE);
        let mut delta = constant(Fr::zero());
        delta[(1 << log_n) - 1] = Fr::ONE;
        for item in [constant(Fr::zero()), constant(Fr::ONE), constant(-Fr::ONE), alternating, delta] {
            for g in [Fr::ONE, -Fr::ONE, Fr::from(5u64)] {
                agrees(log_n, vec![item.clone()], g);
            }
        }
    }
}

#[test]
fn long_transform() {
    let mut rng = ChaCha20Rng::seed_from_u64(8);
    agrees(18, vec![(0..1 << 18).map(|_| Fr::rand(&mut rng)).collect()], Fr::from(7u64));
}

#[test]
fn unsupported_lengths() {
    assert!(Domain::<Fr>::new(2).is_none());
    assert!(Domain::<Fr>::new(LOG_LENGTHS.end() + 1).is_none());
}
