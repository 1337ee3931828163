//! What `#[op]` refuses, in its own words and at the right place. The expected messages are beside the cases in `fail/`; after a
//! wanted change run with `TRYBUILD=overwrite` and read the difference.

#[test]
fn mistakes_are_told_where_they_are() {
    trybuild::TestCases::new().compile_fail("tests/fail/*.rs");
}
