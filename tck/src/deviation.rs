//! Deviations: clauses that the back-end itself breaks, each with a proof that it does. The files live
//! in `tck/deviations`; what becomes of a clause that has one is decided in `session`.

use serde::Deserialize;

use crate::{Failure, spec};

/// The clause that random programs are run for.
const PROGRAMS: &str = "STO-166";

/// A clause that a back-end breaks, whatever the provider in front of it does.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deviation {
    /// The clause: `STO-012`.
    pub clause: String,
    /// What the back-end does instead.
    pub reason: String,
    /// A request that was sent without code of ours, and the wrong answer.
    pub evidence: String,
    /// Whether the check meets it only when it wins a race; then it may pass as well.
    #[serde(default)]
    pub sometimes: bool,
    /// What the random programs of `STO-166` leave out, so that they do not end at what is known. The
    /// check has to pass then.
    #[serde(default)]
    pub programs_without: Option<LeftOut>,
}

/// What random programs can leave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeftOut {
    /// Copies that give their target attributes of its own.
    AttributesOfCopies,
}

impl Deviation {
    /// Reads a file of deviations: TOML, one `[[deviation]]` table each. An empty text has none.
    ///
    /// # Errors
    ///
    /// What is wrong: a field that is unknown, missing or empty, a clause that does not exist or
    /// stands there twice.
    pub fn read_all(text: &str) -> Result<Vec<Self>, String> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            #[serde(default)]
            deviation: Vec<Deviation>,
        }
        let File { deviation: all } =
            toml::from_str(text).map_err(|error| format!("not a list of deviations: {error}"))?;
        for (number, deviation) in all.iter().enumerate() {
            let Self { clause, reason, evidence, .. } = deviation;
            if deviation.programs_without.is_some() && clause != PROGRAMS {
                return Err(format!("{clause} runs no random programs, {PROGRAMS} does"));
            }
            if spec::clause(clause).is_none() {
                return Err(format!("a deviation of {clause:?}, which is not the id of a clause"));
            }
            if all[..number].iter().any(|earlier| earlier.clause == *clause) {
                return Err(format!("two deviations of {clause}, one is allowed"));
            }
            for (name, value) in [("reason", reason), ("evidence", evidence)] {
                if value.trim().is_empty() {
                    return Err(format!("the deviation of {clause} has no {name}"));
                }
            }
        }
        Ok(all)
    }

    /// What random programs leave out on a back-end with these deviations.
    pub(crate) fn left_out(all: &str) -> Option<LeftOut> {
        let all = Self::read_all(all).unwrap_or_default();
        all.iter().find_map(|deviation| deviation.programs_without)
    }

    /// The failure of a clause whose deviation is not used, and `why` it is not.
    pub(crate) fn unused(&self, why: &str) -> Failure {
        let Self { clause, reason, .. } = self;
        Failure::new(
            format!("a deviation of the back-end is declared: {reason}"),
            "a check that runs and fails",
            format!("{why}; remove the deviation of {clause} from its file"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "[[deviation]]\nclause = \"STO-012\"\nreason = \"r\"\nevidence = \"e\"\n";

    #[test]
    fn a_file_is_read() {
        assert_eq!(Deviation::read_all(""), Ok(Vec::new()));
        let read = Deviation::read_all(ONE).unwrap();
        let [deviation] = &read[..] else { panic!("{read:?}") };
        let Deviation { clause, reason, evidence, sometimes, programs_without } = deviation;
        assert_eq!((&**clause, &**reason, &**evidence), ("STO-012", "r", "e"));
        assert_eq!((*sometimes, *programs_without), (false, None));
        assert_eq!(Deviation::left_out(ONE), None);
        let programs = ONE.replace("012", "166") + "programs_without = \"attributes-of-copies\"\n";
        assert_eq!(Deviation::left_out(&programs), Some(LeftOut::AttributesOfCopies));
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said() {
        for (text, problem) in [
            (ONE.repeat(2), "two deviations of STO-012"),
            (ONE.replace("012", "999"), "\"STO-999\", which is not the id of a clause"),
            (ONE.replace("\"r\"", "\" \""), "STO-012 has no reason"),
            (ONE.replace("\"e\"", "\"\""), "STO-012 has no evidence"),
            (ONE.replace("reason", "cause"), "unknown field `cause`"),
            (ONE.replace("[[deviation]]", "[[deviations]]"), "unknown field `deviations`"),
            (ONE.replace("evidence = \"e\"\n", ""), "missing field `evidence`"),
            (
                ONE.to_owned() + "programs_without = \"attributes-of-copies\"\n",
                "STO-012 runs no random programs, STO-166 does",
            ),
            (ONE.to_owned() + "programs_without = \"copies\"\n", "unknown variant `copies`"),
            ("deviation".to_owned(), "not a list of deviations"),
        ] {
            let error = Deviation::read_all(&text).unwrap_err();
            assert!(error.contains(problem), "{problem:?} is not in:\n{error}");
        }
    }

    #[test]
    fn the_files_of_this_repository_are_right() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/deviations");
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                let text = std::fs::read_to_string(&path).unwrap();
                let read = Deviation::read_all(&text);
                assert!(read.is_ok_and(|all| !all.is_empty()), "{}", path.display());
            }
        }
    }
}
