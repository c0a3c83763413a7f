//! What the measurements share: the workload and the arithmetic of repeated runs.

pub mod spread;
pub mod w1;
