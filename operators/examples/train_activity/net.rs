//! The smallest net that does: one hidden layer, softmax, Adam. Trained in f32, sample order seeded.

use operators::N_FEATURES;

use crate::random::Random;

/// Hidden units and kinds; as in `operators/src/activity/model.rs`.
pub(crate) const N_HIDDEN: usize = 32;
pub(crate) const N_KINDS: usize = 3;

/// Features and the number of their kind.
pub(crate) type Example = ([f32; N_FEATURES], usize);

const N_WEIGHTS: usize = N_HIDDEN * (N_FEATURES + 1) + N_KINDS * (N_HIDDEN + 1);
const BATCH: usize = 64;
const LEARNING_RATE: f32 = 1e-3;
/// Pull towards zero: keeps the net from learning recordings by heart.
const WEIGHT_DECAY: f32 = 2e-3;

/// Weights: hidden rows (features, bias), then output rows (hidden, bias).
pub(crate) struct Net {
    weights: Vec<f32>,
    mean: [f32; N_FEATURES],
    scale: [f32; N_FEATURES],
}

impl Net {
    /// Starts from small random weights; standardises features by what `examples` show.
    pub(crate) fn new(examples: &[Example], random: &mut Random) -> Self {
        let n = examples.len() as f32;
        let mean = std::array::from_fn(|i| examples.iter().map(|e| e.0[i]).sum::<f32>() / n);
        let scale = std::array::from_fn(|i: usize| {
            let variance = examples.iter().map(|e| (e.0[i] - mean[i]).powi(2)).sum::<f32>() / n;
            1.0 / variance.sqrt().max(1e-4)
        });
        let spread = 1.0 / (N_FEATURES as f32).sqrt();
        let weights = (0..N_WEIGHTS).map(|_| spread * random.signed() * 1.7).collect();
        Self { weights, mean, scale }
    }

    /// Goes through `examples` `n_epochs` times.
    pub(crate) fn train(&mut self, examples: &[Example], n_epochs: usize, random: &mut Random) {
        let standard: Vec<Example> = examples.iter().map(|(x, kind)| (self.standardise(x), *kind)).collect();
        let (mut m, mut v) = (vec![0.0; N_WEIGHTS], vec![0.0; N_WEIGHTS]);
        let mut order: Vec<usize> = (0..examples.len()).collect();
        let mut step = 0;
        for epoch in 0..n_epochs {
            for i in (1..order.len()).rev() {
                order.swap(i, random.below(i + 1));
            }
            let rate = LEARNING_RATE * (1.0 - epoch as f32 / n_epochs as f32);
            let mut loss = 0.0;
            for batch in order.chunks(BATCH) {
                let mut gradient = vec![0.0; N_WEIGHTS];
                loss += batch.iter().map(|i| self.back(&standard[*i], &mut gradient)).sum::<f32>();
                step += 1;
                let (c1, c2) = (1.0 - 0.9_f32.powi(step), 1.0 - 0.999_f32.powi(step));
                for (((w, g), m), v) in self.weights.iter_mut().zip(&gradient).zip(&mut m).zip(&mut v) {
                    let g = g / batch.len() as f32 + WEIGHT_DECAY * *w;
                    *m = 0.9 * *m + 0.1 * g;
                    *v = 0.999 * *v + 0.001 * g * g;
                    *w -= rate * (*m / c1 / ((*v / c2).sqrt() + 1e-8));
                }
            }
            eprintln!("pass {} of {n_epochs}: loss {:.4}", epoch + 1, loss / order.len() as f32);
        }
    }

    fn standardise(&self, x: &[f32; N_FEATURES]) -> [f32; N_FEATURES] {
        std::array::from_fn(|i| (x[i] - self.mean[i]) * self.scale[i])
    }

    fn forward(&self, x: &[f32; N_FEATURES]) -> ([f32; N_HIDDEN], [f32; N_KINDS]) {
        let (hidden, output) = self.weights.split_at(N_HIDDEN * (N_FEATURES + 1));
        let h: [f32; N_HIDDEN] = std::array::from_fn(|j| {
            let row = &hidden[j * (N_FEATURES + 1)..][..N_FEATURES + 1];
            row.iter().zip(x).map(|(w, x)| w * x).sum::<f32>() + row[N_FEATURES]
        });
        let h = h.map(|v| v.max(0.0));
        let z: [f32; N_KINDS] = std::array::from_fn(|k| {
            let row = &output[k * (N_HIDDEN + 1)..][..N_HIDDEN + 1];
            row.iter().zip(&h).map(|(w, h)| w * h).sum::<f32>() + row[N_HIDDEN]
        });
        let top = z.iter().fold(f32::MIN, |a, b| a.max(*b));
        let e = z.map(|v| (v - top).exp());
        let sum: f32 = e.iter().sum();
        (h, e.map(|v| v / sum))
    }

    /// Adds the gradient of the example's loss; returns the loss.
    fn back(&self, (x, kind): &Example, gradient: &mut [f32]) -> f32 {
        let (h, p) = self.forward(x);
        let output = &self.weights[N_HIDDEN * (N_FEATURES + 1)..];
        let (to_hidden, to_output) = gradient.split_at_mut(N_HIDDEN * (N_FEATURES + 1));
        let mut error = [0.0; N_HIDDEN];
        for (k, probability) in p.iter().enumerate() {
            let d = probability - f32::from(u8::from(k == *kind));
            let row = k * (N_HIDDEN + 1);
            for j in 0..N_HIDDEN {
                to_output[row + j] += d * h[j];
                error[j] += d * output[row + j];
            }
            to_output[row + N_HIDDEN] += d;
        }
        for j in (0..N_HIDDEN).filter(|j| h[*j] > 0.0) {
            let row = &mut to_hidden[j * (N_FEATURES + 1)..][..N_FEATURES + 1];
            for (g, x) in row.iter_mut().zip(x.iter().chain([&1.0])) {
                *g += error[j] * x;
            }
        }
        -p[*kind].max(1e-9).ln()
    }

    /// Probability of each kind.
    pub(crate) fn probabilities(&self, x: &[f32; N_FEATURES]) -> [f32; N_KINDS] {
        self.forward(&self.standardise(x)).1
    }

    /// Weights that take raw features: hidden rows (features, bias), then output rows (hidden, bias).
    pub(crate) fn folded(&self) -> (Vec<Vec<f32>>, Vec<Vec<f32>>) {
        let (hidden, output) = self.weights.split_at(N_HIDDEN * (N_FEATURES + 1));
        let fold = |row: &[f32]| {
            let mut folded: Vec<f32> =
                row[..N_FEATURES].iter().zip(&self.scale).map(|(w, s)| w * s).collect();
            let shift: f32 = folded.iter().zip(&self.mean).map(|(w, m)| w * m).sum();
            folded.push(row[N_FEATURES] - shift);
            folded
        };
        let hidden = hidden.chunks(N_FEATURES + 1).map(fold).collect();
        (hidden, output.chunks(N_HIDDEN + 1).map(<[f32]>::to_vec).collect())
    }
}
