//! Proves a trained, quantised network's answers on handwritten digits, and verifies them.
//!
//! ```text
//! cargo run --release --example digits -- --help
//! ```

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use ark_std::rand::SeedableRng;
use ark_std::rand::rngs::OsRng;
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use rand_chacha::ChaCha20Rng;
use zkmill::{Any, Memory, Timed};
use zkmill_circuits::model::{Dataset, Model, Tensor};
use zkmill_circuits::{
    Output, Params, Phase, ProvingKey, Statement, Visibility, Weights, prove_with, setup, verify,
};

/// Proves and verifies the answers of a 64-128-64-10 network on scikit-learn's handwritten digits.
#[derive(Parser)]
struct Arguments {
    /// Images in one proof.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=4096))]
    batch: u16,
    /// Prove all held-out images, batch by batch, instead of the first batch.
    #[arg(long)]
    all: bool,
    /// Where the kernels run.
    #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(Any::names()))]
    backend: Option<String>,
    /// Keep the images secret: commit to them instead of stating them.
    #[arg(long)]
    private: bool,
    /// Proofs of each batch; the table shows the fastest.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    repeat: u16,
}

type Backend = Timed<Any>;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let any = match &arguments.backend {
        Some(name) => Any::from_name(name)?,
        None => Any::best(),
    };
    let backend = Timed::new(any);
    println!("backend          {}", backend.name());

    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    let model = Model::load(data.join("digits-model.safetensors"))?;
    let images = Dataset::load(data.join("digits-test.safetensors"))?;
    let parameters: usize = model.layers().iter().map(|l| l.weights.data().len() + l.bias.len()).sum();
    println!("network          {} layers, {parameters} parameters, int8", model.layers().len());
    println!("held-out images  {}", images.images().rows());

    let start = Instant::now();
    let params = Params::for_batch(&model, arguments.batch.into());
    // The blinds come from the operating system, through a generator that is fast enough for many.
    let mut rng = ChaCha20Rng::from_rng(OsRng)?;
    let key = setup(&backend, &model, params, Weights::Public, &mut rng)?;
    println!("setup            {}", milliseconds(start.elapsed()));

    let held_out = images.images().rows();
    let batch = usize::from(arguments.batch).min(held_out);
    let end = if arguments.all { held_out } else { batch };
    let mut answers = Vec::with_capacity(end);
    let mut fastest: Option<Run> = None;
    for first in (0..end).step_by(batch) {
        let inputs = images.images().slice_rows(first..end.min(first + batch))?;
        for repetition in 0..arguments.repeat {
            let run = Run::new(&backend, &key, &inputs, &arguments, &mut rng)?;
            if repetition == 0 {
                answers.extend(run.statement.output.predictions());
            }
            if fastest.as_ref().is_none_or(|fastest| run.proving() < fastest.proving()) {
                fastest = Some(run);
            }
        }
    }
    let Some(run) = fastest else { return Err("no images".into()) };

    let proven = images.slice(0..end)?;
    let quantised = model.infer(proven.images())?.predictions();
    if answers != quantised {
        return Err("the proven answers are not the quantised network's".into());
    }
    println!("\naccuracy on {end} images");
    println!("  float model      {:6.2} %", 100.0 * proven.float_accuracy());
    println!("  quantised model  {:6.2} %", 100.0 * proven.accuracy(&quantised));
    println!(
        "  proven answers   {:6.2} %  (equal to the quantised model's)",
        100.0 * proven.accuracy(&answers)
    );

    run.print();
    tamper(&backend, &key, &run)?;
    Ok(())
}

/// One proof, verified.
struct Run {
    statement: Statement,
    proof: Vec<u8>,
    phases: Vec<(Phase, Duration)>,
    families: Vec<(&'static str, u64, Duration)>,
    verification: Duration,
}

impl Run {
    fn new(
        backend: &Backend,
        key: &ProvingKey<Backend>,
        inputs: &Tensor<i8>,
        arguments: &Arguments,
        rng: &mut ChaCha20Rng,
    ) -> Result<Self, Box<dyn Error>> {
        let bar = ProgressBar::new(Phase::ALL.len() as u64);
        bar.set_style(ProgressStyle::with_template("{bar:20} {msg}")?);
        backend.reset();
        let mut phases: Vec<(Phase, Instant)> = Vec::new();
        let mut progress = |phase: Phase| {
            bar.set_position(phases.len() as u64);
            bar.set_message(name(phase));
            phases.push((phase, Instant::now()));
        };
        let visibility = if arguments.private { Visibility::Committed } else { Visibility::Public };
        let (statement, proof) = prove_with(backend, key, inputs, visibility, CONTEXT, rng, &mut progress)?;
        let end = Instant::now();
        bar.finish_and_clear();
        let ends = phases.iter().skip(1).map(|(_, start)| *start).chain([end]);
        let phases = phases.iter().zip(ends).map(|((phase, start), end)| (*phase, end - *start)).collect();
        let families = backend.families();
        let proof = proof.to_bytes();
        let start = Instant::now();
        verify(backend, key.verifying_key(), &statement, &proof)?;
        Ok(Self { statement, proof, phases, families, verification: start.elapsed() })
    }

    fn proving(&self) -> Duration {
        self.phases.iter().map(|(_, time)| *time).sum()
    }

    fn print(&self) {
        let proving = self.proving();
        let share = |time: Duration| 100.0 * time.as_secs_f64() / proving.as_secs_f64();
        println!("\none proof of {} images, by phase", self.statement.batch());
        for (phase, time) in &self.phases {
            println!("  {:<17}{:>12}{:>7.1} %", name(*phase), milliseconds(*time), share(*time));
        }
        println!("by kernel family {:>15}", "calls");
        for (family, calls, time) in &self.families {
            println!("  {family:<17}{:>12}{:>7.1} %{calls:>8}", milliseconds(*time), share(*time));
        }
        println!("\nproving          {:>12}", milliseconds(proving));
        println!("verification     {:>12}", milliseconds(self.verification));
        println!("proof            {:>9.1} kB", self.proof.len() as f64 / 1e3);
    }
}

/// Where the demonstration's proofs count.
const CONTEXT: &[u8] = b"zkmill digits demonstration";

/// Claims one logit more than the network gave.
fn tamper(backend: &Backend, key: &ProvingKey<Backend>, run: &Run) -> Result<(), Box<dyn Error>> {
    let mut statement = run.statement.clone();
    if let Output::Accumulators(logits) = &statement.output {
        let mut data = logits.data().to_vec();
        data[0] += 1;
        statement.output = Output::Accumulators(Tensor::new(logits.rows(), logits.cols(), data)?);
    }
    match verify(backend, key.verifying_key(), &statement, &run.proof) {
        Ok(()) => Err("a tampered output was accepted".into()),
        Err(error) => {
            println!("\none logit raised by 1: {error}");
            Ok(())
        }
    }
}

fn name(phase: Phase) -> &'static str {
    match phase {
        Phase::Infer => "inference",
        Phase::Commit => "commitments",
        Phase::Lookups => "lookups",
        Phase::Products => "matrix products",
        Phase::Open => "opening",
        _ => "other",
    }
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}
