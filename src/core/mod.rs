//! The intermediate representation: typed, in administrative normal form.
