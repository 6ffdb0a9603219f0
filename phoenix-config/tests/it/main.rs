//! Whole folders, as people write them.

mod corpus;
