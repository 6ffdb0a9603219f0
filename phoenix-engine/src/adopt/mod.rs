//! Guests that exist and are configured, but carry no record of Phoenix: taking them over.
//!
//! The state is taken as it is. Nothing about a guest changes but its notes, and for a container the one raw line next to
//! them; what differs from the configuration is changed by the next `up`, which says so first.

mod adoption;
mod claim;
mod consider;
mod take;

pub use adoption::{Adoptee, Adoption, NotAdoptable};
pub use consider::plan_adoption;
pub(crate) use consider::supposed;
pub use take::AdoptError;
