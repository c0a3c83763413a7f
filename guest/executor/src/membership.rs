//! Which pages may hold a value, by the membership filters beside them.

use crate::ABSENT;
use crate::page::Purpose;
use crate::pages::Pages;

/// For each filter page 1 when it may hold one of the hashes or is [`ABSENT`], else 0.
pub fn probe<P: Pages>(pages: &P, handles: &[u32], hashes: &[u64]) -> Result<Vec<u8>, P::Error> {
    pages.load(handles.iter().copied(), Purpose::Filter);
    let mut answers = Vec::with_capacity(handles.len());
    for handle in handles {
        if *handle == ABSENT {
            answers.push(1);
            continue;
        }
        let page = pages.page(*handle, Purpose::Filter)?;
        let filter = page.filter()?;
        answers.push(u8::from(hashes.iter().any(|hash| filter.contains(*hash))));
    }
    Ok(answers)
}
