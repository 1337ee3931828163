//! The suite of named cases that every kvern scheduler backend must pass.
