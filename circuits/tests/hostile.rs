//! Hostile bytes never panic: a bounded, reproducible run of the fuzz targets of `fuzz/`.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

#[path = "../../fuzz/entry.rs"]
mod entry;

/// Bits flipped, bytes replaced, parts removed, doubled, exchanged or taken from elsewhere, and plain noise.
fn mutate(seeds: &[Vec<u8>], rng: &mut ChaCha20Rng) -> Vec<u8> {
    let below = |rng: &mut ChaCha20Rng, n: usize| rng.next_u64() as usize % n.max(1);
    let mut bytes = seeds[below(rng, seeds.len())].clone();
    for _ in 0..1 + below(rng, 3) {
        let (at, length) = (below(rng, bytes.len()), below(rng, 80));
        let end = (at + length).min(bytes.len());
        match below(rng, 9) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let part = bytes[at..end].to_vec();
                let to = below(rng, bytes.len());
                bytes.splice(to..to, part);
            }
            3 => {
                let other = &seeds[below(rng, seeds.len())];
                let from = below(rng, other.len());
                bytes.truncate(at);
                bytes.extend(&other[from..]);
            }
            4 => bytes[at..end].iter_mut().for_each(|byte| *byte = rng.next_u32() as u8),
            5 => bytes[at..end].fill(if length % 2 == 0 { 0 } else { 0xff }),
            6 => bytes = (0..10 * length).map(|_| rng.next_u32() as u8).collect(),
            // Most often a small change early, where headers are.
            7 if !bytes.is_empty() => {
                let at = below(rng, bytes.len().min(120));
                bytes[at] ^= 1 << below(rng, 8);
            }
            _ if !bytes.is_empty() => bytes[at] ^= 1 << below(rng, 8),
            _ => {}
        }
    }
    bytes
}

fn run(cases: usize, seeds: Vec<Vec<u8>>, entry: fn(&[u8])) {
    seeds.iter().for_each(|seed| entry(seed));
    entry(&[]);
    let mut rng = ChaCha20Rng::seed_from_u64(99);
    for _ in 0..cases {
        entry(&mutate(&seeds, &mut rng));
    }
}

#[test]
fn hostile_proofs_give_errors() {
    run(1500, entry::SEED.statements.iter().map(|(_, proof)| proof.clone()).collect(), entry::proof);
}

#[test]
fn hostile_verifying_keys_give_errors() {
    run(1000, vec![entry::SEED.key.verifying_key().to_bytes()], entry::verifying_key);
}

#[test]
fn hostile_proving_keys_give_errors() {
    run(1000, vec![entry::SEED.key.to_bytes().unwrap()], entry::proving_key);
}

#[test]
fn hostile_networks_give_errors() {
    run(3000, vec![entry::SEED.model.to_bytes().unwrap()], entry::model);
}
