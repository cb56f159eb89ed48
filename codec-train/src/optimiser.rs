//! AdamW (Loshchilov & Hutter 2019, algorithm 2), with a state that can be written down and taken up again.

/// Settings that do not change while training runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamW {
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// Added to the root of the second moment.
    pub epsilon: f32,
    /// Decoupled decay of convolution weights, times the learning rate; biases and slopes do not decay.
    pub weight_decay: f32,
    /// Gradients longer than this (all of them as one vector) are shortened to it.
    pub clip: f32,
}

/// The moments: what must be kept to go on exactly as if nothing had happened.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    /// Steps taken.
    pub steps: u64,
    /// First moments, one vector per parameter in the network's order.
    pub first: Vec<Vec<f32>>,
    /// Second moments.
    pub second: Vec<Vec<f32>>,
}

impl AdamW {
    /// One step by `found`, a gradient for each of `parameters`, of which those that are told so decay; returns the
    /// gradient's length before clipping.
    ///
    /// # Panics
    /// If `found` or `state` are of other parameters.
    pub fn step(
        &self,
        parameters: Vec<(&mut [f32], bool)>,
        found: &[Vec<f32>],
        state: &mut State,
        rate: f32,
    ) -> f32 {
        assert_eq!(parameters.len(), found.len(), "gradients of others");
        if state.first.is_empty() {
            state.first = found.iter().map(|g| vec![0.0; g.len()]).collect();
            state.second = state.first.clone();
        }
        state.steps += 1;
        let norm = found
            .iter()
            .flatten()
            .map(|&g| f64::from(g) * f64::from(g))
            .sum::<f64>()
            .sqrt() as f32;
        let shorten = if norm > self.clip {
            self.clip / norm
        } else {
            1.0
        };
        let steps = state.steps.min(i32::MAX as u64) as i32;
        let correct1 = 1.0 - f64::from(self.beta1).powi(steps) as f32;
        let correct2 = 1.0 - f64::from(self.beta2).powi(steps) as f32;
        for (((numbers, decays), gradient), (m, v)) in parameters
            .into_iter()
            .zip(found)
            .zip(state.first.iter_mut().zip(&mut state.second))
        {
            assert_eq!(numbers.len(), gradient.len(), "gradients of others");
            let keep = if decays {
                1.0 - rate * self.weight_decay
            } else {
                1.0
            };
            for (((w, g), m), v) in numbers.iter_mut().zip(gradient).zip(m).zip(v) {
                let g = g * shorten;
                *m += (1.0 - self.beta1) * (g - *m);
                *v += (1.0 - self.beta2) * (g * g - *v);
                *w = *w * keep - rate * (*m / correct1) / ((*v / correct2).sqrt() + self.epsilon);
            }
        }
        norm
    }
}
