//! A client's view of the service: the traits of `object_store`.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyMode, CopyOptions, Error, GetOptions, GetRange, GetResult, GetResultPayload, ListResult,
    MultipartUpload, ObjectMeta, ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, Result,
};

use super::call::Call;
use super::effect::{Applied, Condition, Effect, Refusal, quoted};
use super::failure::{Failure, generic, not_deleted};
use super::faults::Fault;
use super::listing::{Ask, From, page};
use super::numbered::PartUpload;
use super::request::Kind;
use super::shared::Shared;
use super::state::Object;

/// Most keys of one deletion, as S3 has it.
const KEYS_PER_DELETION: usize = 1_000;
/// Deletions of one stream at the same time, as the S3 client of `object_store` has it.
const DELETIONS_AT_ONCE: usize = 20;

/// A client of the service. All clients of one name are the same one.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    name: String,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({})", self.name)
    }
}

/// One page of a listing, as a client gets it.
struct Listed {
    result: ListResult,
    next: Option<From>,
}

impl Client {
    pub(super) fn new(shared: Arc<Shared>, name: &str) -> Self {
        Self {
            shared,
            name: name.to_owned(),
        }
    }

    async fn call(&self, kind: Kind, key: &str, bytes_in: usize) -> Call {
        Call::begin(&self.shared, &self.name, kind, key, bytes_in).await
    }

    /// Asks for a change.
    pub(super) async fn write(&self, effect: Effect) -> Result<Applied> {
        let call = self
            .call(effect.kind(), effect.key(), effect.byte_count())
            .await;
        call.write(effect).await
    }

    async fn delete_keys(&self, paths: Vec<Path>) -> Result<Vec<Result<Path>>> {
        let mut keys: Vec<String> = paths.iter().map(|path| path.as_ref().to_owned()).collect();
        let key = keys.first().cloned().unwrap_or_default();
        let call = self.call(Kind::Delete, &key, 0).await;
        if call.fault() == Some(Fault::HalfAnswer) {
            keys.truncate(keys.len() / 2);
        }
        let deleted = keys.len();
        call.write(Effect::Delete { keys }).await?;
        let told = paths.into_iter().enumerate().map(|(index, path)| {
            let is_deleted = index < deleted;
            is_deleted
                .then(|| path.clone())
                .ok_or_else(|| not_deleted(path.as_ref()))
        });
        Ok(told.collect())
    }

    async fn page(&self, ask: &Ask) -> Result<Listed> {
        let mut call = self.call(Kind::List, &ask.prefix, 0).await;
        let listed = call.read(|state| {
            let page = page(&state.objects, ask, state.quirks.keys_per_page);
            let objects = { page.objects.into_iter() }.filter(|(key, _)| is_path(key));
            let objects: Result<_> = objects.map(|(key, object)| meta(key, object)).collect();
            let prefixes = page.prefixes.into_iter();
            let prefixes = prefixes
                .filter(|prefix| is_path(prefix.strip_suffix('/').unwrap_or(prefix)))
                .map(|prefix| Ok(Path::parse(prefix)?));
            let prefixes: Result<_> = prefixes.collect();
            Ok((objects, prefixes, page.next))
        });
        let (objects, prefixes, next) = listed.await?;
        if call.fault() == Some(Fault::HalfAnswer) {
            return Err(call.fail(Failure::Fault(Fault::HalfAnswer)));
        }
        let result = ListResult {
            objects: objects?,
            common_prefixes: prefixes?,
            extensions: Default::default(),
        };
        Ok(Listed { result, next })
    }

    /// All pages of a listing, each asked for when it is wanted.
    fn pages(&self, ask: Ask) -> BoxStream<'static, Result<ListResult>> {
        stream::try_unfold((self.clone(), Some(ask)), |(client, ask)| async move {
            let Some(ask) = ask else {
                return Ok(None);
            };
            let Listed { result, next } = client.page(&ask).await?;
            let ask = next.map(|from| Ask { from, ..ask });
            Ok(Some((result, (client, ask))))
        })
        .boxed()
    }

    fn listed(&self, prefix: Option<&Path>, from: From) -> BoxStream<'static, Result<ObjectMeta>> {
        let pages = self.pages(Ask {
            prefix: key_prefix(prefix),
            is_flat: false,
            from,
        });
        pages
            .map_ok(|page| stream::iter(page.objects.into_iter().map(Ok)))
            .try_flatten()
            .boxed()
    }
}

#[async_trait]
impl ObjectStore for Client {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        let condition = match opts.mode {
            PutMode::Overwrite => Condition::Any,
            PutMode::Create => Condition::Absent,
            PutMode::Update(version) => Condition::Matches(
                version
                    .e_tag
                    .ok_or_else(|| generic("ETag required for conditional put"))?,
            ),
        };
        let effect = Effect::Put {
            key: location.as_ref().to_owned(),
            bytes: Bytes::from(payload),
            attributes: opts.attributes,
            condition,
        };
        Ok(put_result(self.write(effect).await?))
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let upload = self.begin_upload(location, opts).await?;
        Ok(Box::new(PartUpload::new(
            Arc::new(self.clone()),
            location.clone(),
            upload,
        )))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if let Some(range) = &options.range {
            range.is_valid().map_err(generic)?;
        }
        let is_suffix = matches!(options.range, Some(GetRange::Suffix(_)));
        if is_suffix && self.shared.state.lock().quirks.refuses_suffixes {
            let source = "ends of objects are not served".into();
            return Err(Error::NotSupported { source });
        }
        let kind = match options.head {
            true => Kind::Head,
            false => Kind::Get,
        };
        let key = location.as_ref();
        let mut call = self.call(kind, key, 0).await;
        let found = call.read(|state| {
            let object = state.objects.get(key).ok_or(Refusal::NoKey)?;
            let meta = meta_at(location.clone(), object);
            options.check_preconditions(&meta).map_err(unmet)?;
            let size = meta.size;
            let range = match &options.range {
                Some(range) => satisfiable(range, size).ok_or(Refusal::Range)?,
                None => 0..size,
            };
            Ok((meta, range, object.bytes.clone(), object.attributes.clone()))
        });
        let (meta, range, bytes, attributes) = found.await?;
        let bytes = match kind {
            Kind::Head => Bytes::new(),
            // Both ends are within the bytes, whose count fits.
            _ => bytes.slice(range.start as usize..range.end as usize),
        };
        Ok(GetResult {
            payload: GetResultPayload::Stream(call.body(bytes)),
            meta,
            range,
            attributes,
            extensions: Default::default(),
        })
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let client = self.clone();
        locations
            .try_chunks(KEYS_PER_DELETION)
            .map(move |paths| {
                let client = client.clone();
                async move {
                    let paths = paths.map_err(|failed| failed.1)?;
                    client.delete_keys(paths).await.map(stream::iter)
                }
            })
            .buffered(DELETIONS_AT_ONCE)
            .try_flatten()
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.listed(prefix, From::Start)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.listed(prefix, From::Behind(offset.as_ref().to_owned()))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let mut pages = self.pages(Ask {
            prefix: key_prefix(prefix),
            is_flat: true,
            from: From::Start,
        });
        let mut all = ListResult {
            objects: Vec::new(),
            common_prefixes: Vec::new(),
            extensions: Default::default(),
        };
        while let Some(page) = pages.try_next().await? {
            all.objects.extend(page.objects);
            all.common_prefixes.extend(page.common_prefixes);
        }
        Ok(all)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let effect = Effect::Copy {
            from: from.as_ref().to_owned(),
            to: to.as_ref().to_owned(),
            is_create: options.mode == CopyMode::Create,
        };
        self.write(effect).await.map(drop)
    }
}

/// What a client is told of an object that was made.
pub(super) fn put_result(applied: Applied) -> PutResult {
    PutResult {
        e_tag: applied.tag,
        version: None,
        extensions: Default::default(),
    }
}

/// Whether a key is one that clients can name: they leave others out of listings.
fn is_path(key: &str) -> bool {
    !key.is_empty() && Path::parse(key).is_ok_and(|path| path.as_ref() == key)
}

fn meta(key: &str, object: &Object) -> Result<ObjectMeta> {
    Ok(meta_at(Path::parse(key)?, object))
}

fn meta_at(location: Path, object: &Object) -> ObjectMeta {
    ObjectMeta {
        location,
        last_modified: object.modified.into(),
        size: object.bytes.len() as u64,
        e_tag: Some(quoted(&object.tag)),
        version: None,
    }
}

/// The same condition of a get that does not hold, without the words of `object_store`.
fn unmet(error: Error) -> Refusal {
    match error {
        Error::NotModified { .. } => Refusal::NotModified,
        _ => Refusal::Mismatch,
    }
}

/// The bytes that a range means, if there are any: none at the end of an empty object.
fn satisfiable(range: &GetRange, size: u64) -> Option<std::ops::Range<u64>> {
    let bytes = range.as_range(size).ok()?;
    (!bytes.is_empty()).then_some(bytes)
}

fn key_prefix(prefix: Option<&Path>) -> String {
    match prefix.filter(|prefix| !prefix.as_ref().is_empty()) {
        Some(prefix) => format!("{prefix}/"),
        None => String::new(),
    }
}
