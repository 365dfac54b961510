//! The system tests: one binary, one module a theme.
