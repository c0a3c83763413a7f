//! Runs every model.

#![allow(missing_docs, reason = "the names say it all")]

use sidx_model::{queue_model, views_model};

#[test]
fn two_callers_with_two_items_each_are_answered() {
    queue_model::two_callers_with_two_items_each_are_answered();
}

#[test]
fn two_callers_are_answered_when_a_round_takes_one() {
    queue_model::two_callers_are_answered_when_a_round_takes_one();
}

#[test]
fn three_callers_are_answered_when_a_round_takes_two() {
    queue_model::three_callers_are_answered_when_a_round_takes_two();
}

#[test]
fn rounds_keep_the_order_of_arrival() {
    queue_model::rounds_keep_the_order_of_arrival();
}

#[test]
fn a_panic_of_the_leader_leaves_nobody_waiting() {
    queue_model::a_panic_of_the_leader_leaves_nobody_waiting();
}

#[test]
fn a_caller_that_gives_up_takes_its_item_back_or_gets_its_answer() {
    queue_model::a_caller_that_gives_up_takes_its_item_back_or_gets_its_answer();
}

#[test]
fn a_leader_that_gives_up_leaves_nobody_waiting() {
    queue_model::a_leader_that_gives_up_leaves_nobody_waiting();
}

#[test]
fn a_reader_keeps_the_parts_of_its_view_through_changes() {
    views_model::a_reader_keeps_the_parts_of_its_view_through_changes();
}

#[test]
fn two_readers_keep_the_parts_of_their_views_through_a_change() {
    views_model::two_readers_keep_the_parts_of_their_views_through_a_change();
}
