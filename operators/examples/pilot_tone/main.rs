//! The worked example of docs/writing-an-operator.md: finds a pilot tone under noise. `cargo run --example pilot_tone`
#![forbid(unsafe_code)]

mod tone;

use std::f32::consts::TAU;

use engine::audio::{Block, Format};
use engine::operator::Operator;
use engine::time::{MediaTime, SampleRate};
use tone::{PilotTone, PilotToneConfig, Turn};

const RATE_HZ: usize = 48_000;
const BLOCK_FRAMES: usize = 1_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let format = Format::new(SampleRate::new(RATE_HZ as u32)?, 1)?;
    let mut pilot = PilotTone::new(format, PilotToneConfig { hz: 1_000.0, share_min: 0.3 })?;
    let mut block = Block::spare(format, BLOCK_FRAMES);
    let now = block.received_at();
    // Four seconds of noise, with the tone from the second to the third.
    let mut noise = 1_u32;
    for start in (0..4 * RATE_HZ).step_by(BLOCK_FRAMES) {
        let samples: Vec<f32> = (start..start + BLOCK_FRAMES)
            .map(|frame_idx| {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let hiss = (noise >> 8) as f32 / (1 << 23) as f32 - 1.0;
                let tone = (frame_idx as f32 * 1_000.0 * TAU / RATE_HZ as f32).sin();
                0.05 * hiss + if frame_idx / RATE_HZ == 1 { 0.1 * tone } else { 0.0 }
            })
            .collect();
        block.restart(MediaTime::ZERO, start as u64, now);
        block.extend_planar(&[&samples]);
        pilot.push(&block, &mut |turn: &Turn| {
            let what = if turn.is_there { "comes" } else { "goes" };
            println!("{:6.3} s: the tone {what}", turn.proof.as_secs_f64());
        });
    }
    Ok(())
}
