//! The pages of `labels.bin`: labels in the order of their series, each page by itself.

use super::Labels;
use crate::error::Result;
use crate::wire::{self, Reader};
use serde::{Deserialize, Serialize};

/// Raw size at which a page of labels is cut.
const PAGE_BYTES: usize = 1 << 20;

/// What is stored of a label.
#[derive(Serialize, Deserialize)]
struct LabelRecord<'a> {
    /// The series, minus that of the label before it in the page.
    step: u64,
    text: &'a str,
}

/// The pages of `labels.bin`: ids ascending as differences, each with its text. Every page begins anew.
pub(crate) fn encode(labels: &Labels) -> Vec<Vec<u8>> {
    let mut pages = Vec::new();
    let (mut count, mut last, mut records) = (0usize, 0, Vec::new());
    let mut left = labels.len();
    for (series, label) in labels {
        let record = LabelRecord {
            step: series - last,
            text: label,
        };
        wire::append(&record, &mut records);
        last = *series;
        count += 1;
        left -= 1;
        if records.len() >= PAGE_BYTES || left == 0 {
            let mut page = Vec::with_capacity(records.len() + 10);
            wire::append(&count, &mut page);
            page.append(&mut records);
            pages.push(page);
            (count, last) = (0, 0);
        }
    }
    pages
}

/// Reads a page back and adds its labels; its first id must follow those that are there.
pub(crate) fn decode(bytes: &[u8], labels: &mut Labels) -> Result<()> {
    let mut reader = Reader::new(bytes, "labels.bin");
    let records: Vec<LabelRecord<'_>> = reader.read()?;
    reader.finish()?;
    let mut last = 0u64;
    for (index, LabelRecord { step, text }) in records.into_iter().enumerate() {
        if index > 0 && step == 0 {
            return Err(reader.fault("a series twice"));
        }
        last = last
            .checked_add(step)
            .ok_or_else(|| reader.fault("series out of order"))?;
        if labels
            .last_key_value()
            .is_some_and(|(before, _)| *before >= last)
        {
            return Err(reader.fault("series out of order"));
        }
        labels.insert(last, text.to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode_all(pages: &[Vec<u8>]) -> Result<Labels> {
        let mut labels = Labels::new();
        pages
            .iter()
            .try_for_each(|page| decode(page, &mut labels))
            .map(|()| labels)
    }

    #[test]
    fn labels_return() {
        let labels: Labels = [(0, String::new()), (7, "UA".into()), (u64::MAX, "é".into())]
            .into_iter()
            .collect();
        let pages = encode(&labels);
        assert_eq!(decode_all(&pages).unwrap(), labels);
        for cut in 0..pages[0].len() {
            assert!(decode(&pages[0][..cut], &mut Labels::new()).is_err());
        }
        for damaged in wire::with_huge_numbers(&pages[0]) {
            let _ = decode(&damaged, &mut Labels::new());
        }
        assert!(decode_all(&[pages[0].clone(), pages[0].clone()]).is_err());
    }

    #[test]
    fn many_labels_take_several_pages() {
        let labels: Labels = (0..100).map(|id| (id * 3, "x".repeat(50_000))).collect();
        let pages = encode(&labels);
        assert!(pages.len() > 3 && pages.iter().all(|page| page.len() < 2 * PAGE_BYTES));
        assert_eq!(decode_all(&pages).unwrap(), labels);
        assert!(encode(&Labels::new()).is_empty());
    }
}
