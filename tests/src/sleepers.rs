//! Writers, readers and removal as actors of whom one runs at a time: each sleeps before every call
//! of the storage, others go on meanwhile, calls may fail, and locks may hold nobody back.
//!
//! What a schedule is, is decided by numbers from a seed or by a script, so that each run can be
//! repeated.
//!
//! * [`stage`] hands the turn from actor to actor, as a director says, and notes every step.
//! * [`failure`] tells how calls fail.
//! * [`director`] has directors: chance, and scripts.
//! * [`storage`] is the storage that an actor has.
//! * [`record`] is what was written, refused and shown: the judge; [`removals`] what was dropped, and
//!   [`branches`] what was branched.
//! * [`cast`] is what all actors share.
//! * [`task`] is what an actor is told to do, and [`actor`] does it, on the index as any program would, and
//!   [`brancher`] on branches of it.
//! * [`pins`] are those of readers, where they are renewed and can be given up.
//! * [`casting`] draws casts of actors.
//! * [`play`] is a whole run, to the judgement at its end.

pub mod actor;
pub mod brancher;
pub mod branches;
pub mod cast;
pub mod casting;
pub mod director;
pub mod failure;
pub mod pins;
pub mod play;
pub mod record;
pub mod removals;
pub mod stage;
pub mod storage;
pub mod task;
