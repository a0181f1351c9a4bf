//! Comparing subjects: no difference between honest ones, and the first one is found and short.

use std::sync::Arc;

use tck::mutants::{MutantSubject, mutants};
use tck::{Subject, compare, subjects};

fn mutant(name: &str) -> Arc<dyn Subject> {
    let known = mutants().find(|known| format!("{known:?}").ends_with(name));
    Arc::new(MutantSubject::new(known.unwrap_or_else(|| panic!("no mutant {name}"))))
}

#[test]
fn honest_providers_do_not_differ() {
    let subjects: [Arc<dyn Subject>; 2] =
        [Arc::new(subjects::Memory::default()), Arc::new(subjects::Local)];
    let compared = compare(&subjects, 40, 5).unwrap();
    assert_eq!(compared.difference, None);
    assert_eq!((compared.programs, compared.subjects.len()), (40, 2));
    assert!(compared.capabilities.contains(&"multipart".to_owned()));
    assert_eq!(compared, compare(&subjects, 40, 5).unwrap());
}

#[test]
fn the_first_difference_is_shown_with_what_the_others_do() {
    let subjects = [Arc::new(subjects::Memory::default()) as _, mutant("if_match_creates")];
    let compared = compare(&subjects, 400, 5).unwrap();
    let difference = compared.difference.expect("a difference");
    assert!(difference.subject.ends_with("if_match_creates"));
    let steps = &difference.failure.steps;
    assert!(steps.len() <= 4, "not short: {steps:?}");
    let (name, others) = &difference.others[0];
    assert_eq!(name, "memory");
    // All but the last step are alike.
    assert_eq!(others[..steps.len() - 1], steps[..steps.len() - 1]);
    assert_ne!(others[steps.len() - 1], steps[steps.len() - 1]);
}

#[test]
fn nothing_and_nobody_are_told() {
    assert!(compare(&[], 1, 1).unwrap_err().contains("nothing to compare"));
}
