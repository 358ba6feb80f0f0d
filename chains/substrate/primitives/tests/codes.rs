//! The codes have the names and numbers of `poft/protocol/errors.py`, and their SCALE index is their number.

use codec::{Decode, Encode};
use poft_primitives::Code;
use std::{fs, path::Path};

#[test]
fn codes_have_the_names_and_numbers_of_the_reference() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../poft/protocol/errors.py");
    let text = fs::read_to_string(path).expect("the reference lies in the same checkout");
    let body = text.split_once("class Code(IntEnum):").expect("class Code").1;
    let body = body.split_once("\nclass ").expect("the next class").0;
    let entries: Vec<(&str, u8)> = body
        .lines()
        .filter_map(|line| line.strip_prefix("    ")?.split_once(" = "))
        .map(|(name, number)| (name, number.parse().expect("a number")))
        .collect();
    assert!(entries.len() > 70);
    for (name, number) in &entries {
        let code = Code::decode(&mut &[*number][..]).unwrap_or_else(|_| panic!("no code {number} ({name})"));
        assert_eq!(format!("{code:?}"), *name);
        assert_eq!(code as u8, *number);
        assert_eq!(code.encode(), [*number]);
    }
    assert!(Code::decode(&mut &[entries.len() as u8][..]).is_err());
}
