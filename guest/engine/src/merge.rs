//! From parts to parts: neighbours in age become one, in memory ([`fold`]) and in the store ([`run`](run()));
//! rows that a [`retention`] drops stay behind.
//!
//! [`policy`] says which parts are worth it, [`space`] what the output may take, [`outcome`] whether what
//! came of a job may take the place of its inputs.

pub(crate) mod fold;
mod input;
pub(crate) mod outcome;
mod output;
pub(crate) mod policy;
pub(crate) mod retention;
mod run;
pub(crate) mod space;

pub(crate) use run::run;
