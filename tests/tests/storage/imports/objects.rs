//! Objects over a native store.

use sidx_host::Result;
use sidx_host::storage::{check_object_name, check_object_prefix, check_place};

use super::super::flaws::Flaw;
use super::bindings::sidx::storage::objects;
use super::{Answer, State, answer};

impl State {
    fn split_object(&self, path: &str) -> Result<(String, String)> {
        let (place, name) = self.split(path)?;
        check_object_name(&name)?;
        Ok((place, name))
    }

    fn get(&self, path: &str) -> Result<Option<objects::Object>> {
        let (place, name) = self.split_object(path)?;
        let found = match self.place_if_any(&place)? {
            Some(place) => place.get(&name)?,
            None => None,
        };
        Ok(found.map(|(bytes, version)| objects::Object {
            version: self.version(version, &bytes),
            bytes,
        }))
    }

    fn version(&self, version: String, bytes: &[u8]) -> String {
        match self.has(Flaw::VersionOfBytes) {
            true => format!("{:x}", xxhash_rust::xxh3::xxh3_64(bytes)),
            false => version,
        }
    }

    fn put(&self, path: &str, bytes: &[u8]) -> Result<String> {
        let (place, name) = self.split_object(path)?;
        let place = self.place(&place)?;
        let bytes = match self.has(Flaw::ObjectsCut) {
            true => bytes.get(..1 << 20).unwrap_or(bytes),
            false => bytes,
        };
        if self.has(Flaw::PutReplaces) {
            place.remove_object(&name)?;
        }
        Ok(self.version(place.put_if_absent(&name, bytes)?, bytes))
    }

    fn swap(&self, path: &str, version: &str, bytes: &[u8]) -> Result<String> {
        let (place, name) = self.split_object(path)?;
        let place = self.place(&place)?;
        let mut known = version.to_owned();
        if let Some((present, newest)) = place.get(&name)? {
            let same = self.version(newest.clone(), &present) == version;
            if self.has(Flaw::SwapIgnoresVersion) || (self.has(Flaw::VersionOfBytes) && same) {
                known = newest;
            }
        }
        Ok(self.version(place.compare_and_swap(&name, &known, bytes)?, bytes))
    }
}

impl objects::Host for State {
    fn get(&mut self, path: String) -> Answer<Option<objects::Object>> {
        answer(Self::get(self, &path))
    }

    fn put_if_absent(&mut self, path: String, bytes: Vec<u8>) -> Answer<String> {
        answer(self.put(&path, &bytes))
    }

    fn compare_and_swap(
        &mut self,
        path: String,
        version: String,
        bytes: Vec<u8>,
    ) -> Answer<String> {
        answer(self.swap(&path, &version, &bytes))
    }

    fn list(&mut self, place: String, start: String) -> Answer<Vec<String>> {
        let listed = check_place(&place).and_then(|()| {
            check_object_prefix(&start)?;
            let mut names = match self.place_if_any(&place)? {
                Some(place) => place.list_objects("")?,
                None => Vec::new(),
            };
            let behind = self.has(Flaw::ListsBehindStart);
            names.retain(|name| *name > start || (*name == start && !behind));
            Ok(self.listed(names))
        });
        answer(listed)
    }

    fn remove(&mut self, path: String) -> Answer<()> {
        let removed =
            self.split_object(&path)
                .and_then(|(place, name)| match self.place_if_any(&place)? {
                    Some(place) => place.remove_object(&name),
                    None => Ok(()),
                });
        answer(removed)
    }
}
