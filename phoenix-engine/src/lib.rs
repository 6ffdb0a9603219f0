//! Observe, plan, converge: brings a node to the state that a configuration describes.
