//! What a bucket is reached through.

use object_store::ObjectStore;
use object_store::multipart::MultipartStore;

/// A bucket. Any store of the crate `object_store` that takes conditions and uploads in parts is one.
pub trait Service: ObjectStore + MultipartStore {}

impl<T: ObjectStore + MultipartStore> Service for T {}
