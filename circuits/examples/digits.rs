//! Proves a trained, quantised network's answers on handwritten digits, and verifies them.
//!
//! ```text
//! cargo run --release --example digits -- --help
//! ```

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use ark_std::rand::SeedableRng;
use ark_std::rand::rngs::OsRng;
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use rand_chacha::ChaCha20Rng;
use zkmill::{Any, Memory, Timed};
use zkmill_circuits::model::{Dataset, Model, Tensor};
use zkmill_circuits::{
    Input, Output, Params, Phase, ProvingKey, Statement, VerifyError, Visibility, Weights, prove_with, setup,
    verify,
};

/// Proves and verifies the answers of a 64-128-64-10 network on scikit-learn's handwritten digits.
#[derive(Parser)]
struct Arguments {
    /// Images in one proof.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..))]
    batch: u16,
    /// Prove all held-out images, batch by batch, instead of the first batch.
    #[arg(long)]
    all: bool,
    /// Where the kernels run; by default the fastest that is compiled in.
    #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(Any::names()))]
    backend: Option<String>,
    /// Commit to the images instead of stating them.
    #[arg(long)]
    private: bool,
    /// Proofs of each batch; the tables show the fastest.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    repeat: u16,
}

type Backend = Timed<Any>;

fn main() -> ExitCode {
    match demonstrate(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn demonstrate(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
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
    let held_out = images.images().rows();
    println!("network          {} layers, {parameters} parameters, int8", model.layers().len());
    println!("held-out images  {held_out}");
    let batch = usize::from(arguments.batch);
    if batch > held_out {
        return Err(format!("a batch of {batch} images needs more than the {held_out} there are").into());
    }

    let start = Instant::now();
    let params = Params::for_batch(&model, batch);
    // The blinds come from the operating system, through a generator that is fast enough for many.
    let mut rng = ChaCha20Rng::from_rng(OsRng)?;
    let key = setup(&backend, &model, params, Weights::Public, &mut rng)?;
    println!("setup            {}", milliseconds(start.elapsed()));

    let end = if arguments.all { held_out } else { batch };
    let proofs = end.div_ceil(batch) * usize::from(arguments.repeat);
    // On standard error, and only if that is a terminal.
    let bar = ProgressBar::new((proofs * Phase::ALL.len()) as u64);
    bar.set_style(ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}")?);
    bar.enable_steady_tick(Duration::from_millis(100));
    let mut answers = Vec::with_capacity(end);
    let mut fastest: Option<Run> = None;
    for first in (0..end).step_by(batch) {
        let inputs = images.images().slice_rows(first..end.min(first + batch))?;
        for repetition in 0..arguments.repeat {
            let run = Run::new(&backend, &key, &inputs, arguments.private, &bar, &mut rng)?;
            if repetition == 0 {
                answers.extend(run.statement.output.predictions());
            }
            // The last batch may be a smaller one, which is no fair comparison.
            let whole = run.statement.batch() == batch;
            if whole && fastest.as_ref().is_none_or(|fastest| run.proving() < fastest.proving()) {
                fastest = Some(run);
            }
        }
    }
    bar.finish_and_clear();
    let Some(run) = fastest else { return Err("no images".into()) };

    let proven = images.slice(0..end)?;
    let quantised = model.infer(proven.images())?.predictions();
    if answers != quantised {
        return Err("the proven answers are not the quantised network's".into());
    }
    show(&proven, &answers);
    println!("\naccuracy on {end} images");
    println!("  float model      {:6.2} %", 100.0 * proven.float_accuracy());
    println!("  quantised model  {:6.2} %", 100.0 * proven.accuracy(&quantised));
    println!(
        "  proven answers   {:6.2} %  (equal to the quantised model's)",
        100.0 * proven.accuracy(&answers)
    );

    run.print();
    tamper(&backend, &key, &run)
}

/// Draws the first images, with what they are and what was proven.
fn show(images: &Dataset, answers: &[usize]) {
    const SIDE: usize = 8;
    const SHADES: &[u8] = b" .:-=+*#@";
    let shown: Vec<&[i8]> = images.images().iter_rows().take(4).collect();
    println!();
    for line in 0..SIDE {
        for image in &shown {
            print!("  ");
            for pixel in &image[line * SIDE..(line + 1) * SIDE] {
                // Pixels go from 0 to 16; two characters make one nearly square.
                let shade = char::from(SHADES[(pixel.clamp(&0, &16) / 2) as usize]);
                print!("{shade}{shade}");
            }
        }
        println!();
    }
    for (label, answer) in images.labels().iter().zip(answers).take(shown.len()) {
        print!("  {:<16}", format!("a {label}, proven {answer}"));
    }
    println!();
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
        private: bool,
        bar: &ProgressBar,
        rng: &mut ChaCha20Rng,
    ) -> Result<Self, Box<dyn Error>> {
        backend.reset();
        let mut phases: Vec<(Phase, Instant)> = Vec::new();
        let mut progress = |phase: Phase| {
            bar.inc(1);
            bar.set_message(name(phase));
            phases.push((phase, Instant::now()));
        };
        let visibility = if private { Visibility::Committed } else { Visibility::Public };
        let (statement, proof) = prove_with(backend, key, inputs, visibility, CONTEXT, rng, &mut progress)?;
        let end = Instant::now();
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
        let row = |what: &str, time: Duration, calls: Option<u64>| {
            let share = 100.0 * time.as_secs_f64() / proving.as_secs_f64();
            let calls = calls.map(|calls| calls.to_string()).unwrap_or_default();
            println!("  {what:<17}{:>12}{share:>7.1} %{calls:>8}", milliseconds(time));
        };
        let input = match self.statement.input {
            Input::Public(_) => "stated",
            Input::Committed => "committed",
        };
        println!("\none proof of {} {input} images, by phase", self.statement.batch());
        for (phase, time) in &self.phases {
            row(name(*phase), *time, None);
        }
        println!("by kernel family {:>31}", "calls");
        for (family, calls, time) in &self.families {
            row(family, *time, Some(*calls));
        }
        let kernels = self.families.iter().map(|(.., time)| *time).sum();
        row("outside kernels", proving.saturating_sub(kernels), None);
        println!("\nproving          {:>12}", milliseconds(proving));
        println!("verification     {:>12}", milliseconds(self.verification));
        println!("proof            {:>9.1} kB", self.proof.len() as f64 / 1e3);
    }
}

/// Where the demonstration's proofs count.
const CONTEXT: &[u8] = b"zkmill digits demonstration";

/// Changes the output, the input and the proof, and shows why each is rejected.
fn tamper(backend: &Backend, key: &ProvingKey<Backend>, run: &Run) -> Result<(), Box<dyn Error>> {
    fn raised<T: Copy>(tensor: &Tensor<T>, raise: fn(T) -> T) -> Result<Tensor<T>, Box<dyn Error>> {
        let mut data = tensor.data().to_vec();
        data[0] = raise(data[0]);
        Ok(Tensor::new(tensor.rows(), tensor.cols(), data)?)
    }
    let mut attempts = Vec::new();
    if let Output::Accumulators(logits) = &run.statement.output {
        let output = Output::Accumulators(raised(logits, |logit| logit + 1)?);
        attempts.push(("a logit raised", Statement { output, ..run.statement.clone() }, run.proof.clone()));
    }
    if let Input::Public(images) = &run.statement.input {
        let input = Input::Public(raised(images, |pixel| pixel ^ 1)?);
        attempts.push(("a pixel changed", Statement { input, ..run.statement.clone() }, run.proof.clone()));
    }
    let mut proof = run.proof.clone();
    if let Some(byte) = proof.last_mut() {
        *byte ^= 1;
    }
    attempts.push(("a bit flipped", run.statement.clone(), proof));

    println!("\ntampered with");
    for (what, statement, proof) in attempts {
        match verify(backend, key.verifying_key(), &statement, &proof) {
            Ok(()) => return Err(format!("{what}, and the proof was accepted").into()),
            Err(VerifyError::Rejected(rejection)) => println!("  {what:<17}rejected: {rejection}"),
            Err(failure) => return Err(failure.into()),
        }
    }
    Ok(())
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
