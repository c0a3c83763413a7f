//! `labels.bin`: the labels of those series of a part that have one.

use super::layout::{FileKind, LABELS, create};
use crate::error::Result;
use crate::host::{Codec, Extent, FileSummary, Host, Medium};
use crate::wire::{Reader, put, put_bytes};
use std::collections::BTreeMap;

/// Labels by series id.
pub(crate) type Labels = BTreeMap<u64, String>;

/// The bytes of the one page of `labels.bin`: ids ascending as differences, each with its text.
fn encode(labels: &Labels) -> Vec<u8> {
    let mut out = Vec::new();
    put(labels.len() as u64, &mut out);
    let mut last = 0;
    for (series, label) in labels {
        put(series - last, &mut out);
        put_bytes(label.as_bytes(), &mut out);
        last = *series;
    }
    out
}

/// Reads the page back.
pub(crate) fn decode(bytes: &[u8]) -> Result<Labels> {
    let mut reader = Reader::new(bytes, "labels.bin");
    let count = reader.count(2)?;
    let mut labels = Labels::new();
    let mut last = 0u64;
    for index in 0..count {
        let step = reader.number()?;
        if index > 0 && step == 0 {
            return Err(reader.fault("a series twice"));
        }
        last = last
            .checked_add(step)
            .ok_or_else(|| reader.fault("series out of order"))?;
        labels.insert(last, reader.text()?.to_owned());
    }
    reader.finish()?;
    Ok(labels)
}

/// Writes the file and returns where its page lies.
pub(crate) fn write<H: Host>(
    host: &H,
    directory: &str,
    medium: Medium,
    labels: &Labels,
) -> Result<(Extent, FileSummary)> {
    let file = create(host, directory, LABELS, FileKind::Labels, medium)?;
    let page = encode(labels);
    let length = u32::try_from(page.len())
        .map_err(|_| crate::Error::invalid("the labels of one part pass 4 GiB"))?;
    let extents = host.append(&file, &page, &[length], Codec::Zstd)?;
    let summary = host.finish(file)?;
    let extent = extents.first().copied().unwrap_or_default();
    Ok((extent, summary))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_return() {
        let labels: Labels = [(0, String::new()), (7, "UA".into()), (u64::MAX, "é".into())]
            .into_iter()
            .collect();
        let bytes = encode(&labels);
        assert_eq!(decode(&bytes).unwrap(), labels);
        for cut in 0..bytes.len() {
            assert!(decode(&bytes[..cut]).is_err());
        }
    }
}
