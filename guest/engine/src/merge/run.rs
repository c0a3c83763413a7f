//! Merging parts: reads the keys of the inputs in order and lets the host rewrite everything else.
//!
//! Only keys and row numbers enter the component; payloads and tags are gathered from the pages of the
//! inputs and encoded by the host, a block at a time. Memory is bounded by one block per input and one
//! block of output, and by what facets keep of their inputs.

use super::input::{Head, Input, Retain};
use super::output::Output;
use crate::error::Result;
use crate::host::Host;
use crate::part::PartList;
use crate::part::list::{PerPart, ranked};
use crate::types::{Job, Outcome};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

/// Does a job: writes the output part next to the inputs and changes nothing else.
pub(crate) fn run<H: Host>(host: &Arc<H>, live: &PartList<H>, job: &Job) -> Result<Outcome> {
    let find = |number: &u64| live.input(job.id, *number).cloned();
    let parts = job.inputs.iter().map(find).collect::<Result<Vec<_>>>()?;
    let retain = Retain::new(&**host, job, &parts, &live.deaths)?;
    let input_rows: u64 = parts.iter().map(|part| part.summary().rows).sum();
    let mut output = Output::new(host, live, job, &parts)?;
    let mut inputs = ranked(&parts)
        .map(|(rank, part)| Input::new(Arc::clone(host), Arc::clone(part), rank, &retain))
        .collect::<Result<PerPart<_>>>()?;
    // The least head is on top; the rank is that among the inputs, and decides between equal ones.
    let mut heads: BinaryHeap<Reverse<Head>> = inputs
        .iter()
        .filter_map(|input| input.head().map(Reverse))
        .collect();
    while let Some(Reverse((.., rank))) = heads.pop() {
        // Rows are taken from one input for as long as they come before the head of every other.
        let bound = heads.peek().map(|Reverse(bound)| *bound);
        let Some(input) = inputs.get_mut(rank) else {
            break;
        };
        output.begin(input);
        while let Some(head) = input.head() {
            if bound.is_some_and(|bound| bound < head) {
                heads.push(Reverse(head));
                break;
            }
            if output.push(head, input)? {
                host.check()?;
            }
            input.advance(&retain)?;
            output.follow(input);
        }
    }
    output.finish(job, input_rows)
}
