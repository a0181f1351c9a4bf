//! The table of operations in `docs/guides/resilience.md` is what the contract says. `OMNI_BLESS=1`
//! writes it anew.

use std::fmt::Write;
use std::path::Path;

use omni_contracts::{Idempotency, Operation};

const BEGIN: &str = "<!-- operations -->\n";
const END: &str = "<!-- end -->";

fn table() -> String {
    let mut table =
        "| Operation | Contract | Changes what is stored | Repeated when in doubt | Limits of time |\n\
                     |---|---|---|---|---|\n"
            .to_owned();
    for operation in Operation::ALL {
        let yes_no = |yes| if yes { "yes" } else { "no" };
        let repeated = operation.idempotency() == Idempotency::Idempotent;
        let repeated = match operation {
            Operation::Copy | Operation::Delete | Operation::Put => "without a condition",
            Operation::Publish => "with a dedup id in each message",
            _ => yes_no(repeated),
        };
        let time = match operation {
            Operation::Receive => "as set, and how long it waits",
            _ if operation.is_long() => "tenfold",
            _ => "as set",
        };
        let contracts: Vec<_> = operation.contracts().iter().map(|one| one.as_str()).collect();
        let contracts = contracts.join(", ");
        let changes = yes_no(operation.changes());
        let _ =
            writeln!(table, "| `{operation}` | {contracts} | {changes} | {repeated} | {time} |");
    }
    table
}

#[test]
fn the_guide_says_what_the_contract_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guides/resilience.md");
    let guide = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = guide.split_once(BEGIN).unwrap();
    let (said, after) = rest.split_once(END).unwrap();
    if std::env::var_os("OMNI_BLESS").is_some() {
        std::fs::write(path, format!("{before}{BEGIN}{}{END}{after}", table())).unwrap();
        return;
    }
    assert_eq!(said, table(), "write it with OMNI_BLESS=1");
}
