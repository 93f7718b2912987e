//! What the program prints, word for word: `tests/cmd/*.trycmd`.

#[test]
fn help_and_errors_are_as_they_were_agreed() {
    trycmd::TestCases::new().case("tests/cmd/*.trycmd").env("COLUMNS", "100").env("P2PSHARE_RETRY", "0s");
}
