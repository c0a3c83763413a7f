//! What the shares of a query did, each and together.

use std::time::Instant;

use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::instance::Instance;

/// Members that are the same for all shares.
const COMMON: [&str; 2] = ["epoch", "version"];

/// What a share did.
pub(super) struct Report {
    pub(super) explain: Value,
    pub(super) missing: Vec<String>,
}

impl Report {
    /// Asks an instance that is done.
    pub(super) fn of(
        instance: &mut dyn Instance,
        cursor: Option<u64>,
        clock: &Clock,
    ) -> Result<Self> {
        let host = instance.session().activity().to_json(clock.nanoseconds);
        let text = instance.explain(cursor)?;
        let mut missing = Vec::new();
        if let Some(cursor) = cursor {
            missing = instance.missing(cursor)?;
            instance.close_cursor(cursor);
        }
        let mut explain: Value = serde_json::from_str(&text).map_err(|cause| {
            let text = format!("the engine's explanation is not JSON: {cause}");
            Error::new(ErrorKind::Other, text)
        })?;
        if let Some(explain) = explain.as_object_mut() {
            explain.insert("host".into(), host);
        }
        Ok(Self { explain, missing })
    }
}

/// Adds up the time of calls into an instance, if it is asked for.
pub(super) struct Clock {
    timed: bool,
    nanoseconds: u64,
}

impl Clock {
    pub(super) fn new(timed: bool) -> Self {
        Self {
            timed,
            nanoseconds: 0,
        }
    }

    pub(super) fn time<T>(&mut self, call: impl FnOnce() -> T) -> T {
        let start = self.timed.then(Instant::now);
        let called = call();
        if let Some(start) = start {
            let spent = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.nanoseconds = self.nanoseconds.saturating_add(spent);
        }
        called
    }
}

/// Adds up all numbers of objects of one shape.
pub(super) fn sum<'a>(explained: impl Iterator<Item = &'a Value>) -> Value {
    let mut total = Value::Object(serde_json::Map::new());
    explained.for_each(|one| add(&mut total, one));
    total
}

fn add(total: &mut Value, one: &Value) {
    let (Some(total), Some(one)) = (total.as_object_mut(), one.as_object()) else {
        return;
    };
    for (name, value) in one {
        match total.get_mut(name) {
            None => {
                total.insert(name.clone(), value.clone());
            }
            Some(known) if known.is_object() => add(known, value),
            Some(known) if !COMMON.contains(&name.as_str()) => {
                if let (Some(a), Some(b)) = (known.as_u64(), value.as_u64()) {
                    *known = a.saturating_add(b).into();
                }
            }
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_add_up_and_versions_do_not() {
        let one = json!({"epoch": 7, "version": 9, "rows": {"returned": 5}});
        let other = json!({"epoch": 7, "version": 9, "rows": {"returned": 6, "duplicates": 1}});
        let expected = json!({"epoch": 7, "version": 9, "rows": {"returned": 11, "duplicates": 1}});
        assert_eq!(sum([&one, &other].into_iter()), expected);
    }
}
