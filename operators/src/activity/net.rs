//! From a look to probabilities: one hidden layer, whose weights `model.rs` holds.

use super::features::N_FEATURES;
use super::model::{HIDDEN, N_HIDDEN, OUTPUT};
use crate::hop::N_KINDS;

/// Probability of each kind; they sum to 1.
pub(super) fn probabilities(look: &[f32; N_FEATURES]) -> [f32; N_KINDS] {
    let hidden: [f32; N_HIDDEN] = std::array::from_fn(|i| weigh(&HIDDEN[i], look).max(0.0));
    let logits: [f32; N_KINDS] = std::array::from_fn(|i| weigh(&OUTPUT[i], &hidden));
    let top = logits.iter().fold(f32::MIN, |top, logit| top.max(*logit));
    let powers = logits.map(|logit| (logit - top).exp());
    let sum: f32 = powers.iter().sum();
    powers.map(|power| power / sum)
}

/// Weighted sum of `values` plus the last weight.
fn weigh(weights: &[f32], values: &[f32]) -> f32 {
    let (bias, weights) = weights.split_last().map_or((0.0, weights), |(bias, rest)| (*bias, rest));
    bias + weights.iter().zip(values).map(|(weight, value)| weight * value).sum::<f32>()
}
