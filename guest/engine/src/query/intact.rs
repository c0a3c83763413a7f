//! Partial results: rows that cannot be read whole are taken out of a block before it is used.

use super::missing::Missing;
use super::open::QueryBlock;
use super::plan::Plan;
use super::projection::Projection;
use crate::error::Result;
use crate::host::Host;
use crate::part::readable::{intersection, readable_rows};

/// Takes the rows that cannot be read whole out of a block that is opened for the first time.
pub(crate) fn keep_readable<H: Host>(
    host: &H,
    plan: &Plan<H>,
    projection: &Projection,
    missing: &mut Missing,
    block: &mut QueryBlock,
) -> Result<()> {
    if block.is_checked {
        return Ok(());
    }
    block.is_checked = true;
    let pages = projection.look_up(&plan.live, Some(block));
    let pages = pages.and_then(|()| {
        let mut pages = block.projected.clone().unwrap_or_default();
        let (rank, frame) = (block.rank, &block.frame);
        plan.append_slot_pages(rank, frame, block.frame_index, block.block, &mut pages)?;
        Ok(pages)
    });
    let Some(mut pages) = missing.tolerate(pages)? else {
        block.spans.clear();
        return Ok(());
    };
    let Some(open) = block.frame.blocks.get(block.block) else {
        return Ok(());
    };
    pages.push(open.keys);
    let with_payloads = plan.spec.payload || plan.spec.distinct_payload;
    let readable = readable_rows(host, open, &pages, with_payloads)?;
    for damage in readable.damage {
        missing.add(damage.message().to_owned());
    }
    block.spans = intersection(&block.spans, &readable.spans);
    Ok(())
}
