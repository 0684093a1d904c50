//! What a revision did to the columns, as its change list keeps it, so that merges can follow it.

use crate::data::alter::{AlterError, Alteration, MOST_STEPS, Mapping};
use crate::data::schema::{Column, Schema};
use crate::wire::{Damaged, Reader, Writer};

/// Alterations in their order, and the columns that they start from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Altered {
    /// The columns before the first.
    pub before: Schema,
    /// What was done, at least one.
    pub steps: Vec<Alteration>,
}

const ADD: u64 = 0;
const DROP: u64 = 1;
const RENAME: u64 = 2;
const SET: u64 = 3;

impl Altered {
    /// The columns afterwards, and where each comes from.
    pub fn run(&self) -> Result<(Schema, Mapping), AlterError> {
        if self.steps.len() > MOST_STEPS {
            return Err(AlterError::Many(self.steps.len()));
        }
        let start = (self.before.clone(), Mapping::identity(self.before.columns().len()));
        self.steps.iter().try_fold(start, |(schema, mapping), step| {
            let after = step.apply(&schema)?;
            Ok((after, mapping.then(&schema, step)?))
        })
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.string(self.before.to_string().as_bytes());
        out.size(self.steps.len());
        for step in &self.steps {
            match step {
                Alteration::Add { column, default } => {
                    out.uint(ADD);
                    out.string(column.to_string().as_bytes());
                    out.uint(u64::from(default.is_some()));
                    default.iter().for_each(|default| out.string(default.as_bytes()));
                }
                Alteration::Drop(name) => {
                    out.uint(DROP);
                    out.string(name.as_bytes());
                }
                Alteration::Rename { from, to } => {
                    out.uint(RENAME);
                    out.string(from.as_bytes());
                    out.string(to.as_bytes());
                }
                Alteration::Set(schema) => {
                    out.uint(SET);
                    out.string(schema.to_string().as_bytes());
                }
            }
        }
    }

    pub(super) fn read(input: &mut Reader<'_>) -> Result<Altered, Damaged> {
        let before = schema(input)?;
        let mut steps = Vec::new();
        let count = input.count_of(2)?;
        if count > MOST_STEPS {
            return Err(input.damaged());
        }
        for _ in 0..count {
            steps.push(match input.uint()? {
                ADD => {
                    let column = Column::parse(&input.text()?)
                        .map_err(|_not_a_column| Damaged { what: "the columns of a revision" })?;
                    let default = if input.uint()? != 0 { Some(input.text()?) } else { None };
                    Alteration::Add { column, default }
                }
                DROP => Alteration::Drop(input.text()?),
                RENAME => Alteration::Rename { from: input.text()?, to: input.text()? },
                SET => Alteration::Set(schema(input)?),
                _ => return Err(input.damaged()),
            });
        }
        Ok(Altered { before, steps })
    }
}

fn schema(input: &mut Reader<'_>) -> Result<Schema, Damaged> {
    Schema::parse_text(&input.text()?).map_err(|_not_a_schema| Damaged { what: "the columns of a revision" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alterations_have_the_bytes_that_the_format_says() {
        let steps = vec![
            Alteration::add("w int", Some("7")).unwrap(),
            Alteration::add("x str", None).unwrap(),
            Alteration::Drop("v".to_owned()),
            Alteration::Rename { from: "k".to_owned(), to: "q".to_owned() },
            Alteration::Set(Schema::parse(["k int*"]).unwrap()),
        ];
        let altered = Altered { before: Schema::parse(["k int*", "v str"]).unwrap(), steps };
        let mut out = Writer::default();
        altered.write(&mut out);
        let expected: &[u8] = b"\x0dk int*\nv str\n\x05\
            \x00\x05w int\x01\x017\
            \x00\x05x str\x00\
            \x01\x01v\
            \x02\x01k\x01q\
            \x03\x07k int*\n";
        assert_eq!(out.bytes, expected);
        let mut input = Reader::new(expected, "x");
        assert_eq!(Altered::read(&mut input).unwrap(), altered);
        assert!(
            (0..expected.len()).all(|end| Altered::read(&mut Reader::new(&expected[..end], "x")).is_err())
        );
    }
}
