//! What a client asks of the service.

/// What a request is. Puts are told apart by their condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A put without a condition.
    Put,
    /// A put that must not find an object.
    Create,
    /// A put that must find an object with a given tag.
    Swap,
    /// Bytes of an object.
    Get,
    /// What is known of an object, without its bytes.
    Head,
    /// One page of a listing.
    List,
    /// A deletion of up to a thousand objects.
    Delete,
    /// A copy, with or without a condition.
    Copy,
    /// The beginning of an upload in parts.
    Begin,
    /// One part of an upload.
    Part,
    /// The end of an upload, which makes the object.
    Complete,
    /// An upload that is given up.
    Abort,
}

impl Kind {
    /// All kinds, in their order.
    pub const ALL: [Self; 12] = [
        Self::Put,
        Self::Create,
        Self::Swap,
        Self::Get,
        Self::Head,
        Self::List,
        Self::Delete,
        Self::Copy,
        Self::Begin,
        Self::Part,
        Self::Complete,
        Self::Abort,
    ];

    /// Whether such a request changes anything.
    pub fn is_write(self) -> bool {
        !matches!(self, Self::Get | Self::Head | Self::List)
    }

    /// Whether the service compares something before it carries the request out.
    pub fn is_conditional_put(self) -> bool {
        matches!(self, Self::Create | Self::Swap)
    }

    /// The method of HTTP, for the texts of errors.
    pub(super) fn method(self) -> &'static str {
        match self {
            Self::Put | Self::Create | Self::Swap | Self::Copy | Self::Part => "PUT",
            Self::Get | Self::List => "GET",
            Self::Head => "HEAD",
            Self::Delete | Self::Begin | Self::Complete => "POST",
            Self::Abort => "DELETE",
        }
    }
}

/// A request as hooks see it, before the service does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Who asks.
    pub client: String,
    /// The how manieth request of that client it is, from zero on.
    pub number: u64,
    /// What is asked.
    pub kind: Kind,
    /// The key that is asked about: of a copy its target, of a listing its prefix, of a deletion of several
    /// objects the first.
    pub key: String,
}
