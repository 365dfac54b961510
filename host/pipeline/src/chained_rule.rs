use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value;
use tenet_core::bundle::Rule;
use tenet_core::{Limits, Request};
use tenet_schema::{Misfit, Schema, SchemaError};

/// One rule of an operation, as the pipeline runs it.
#[derive(Clone, Debug)]
pub(crate) struct ChainedRule {
    pub(crate) name: String,
    pub(crate) limits: Limits,
    /// The schema of its payload.
    input: Option<Arc<Schema>>,
    /// The schema of its output, if outputs are checked.
    output: Option<Arc<Schema>>,
}

impl ChainedRule {
    /// A rule of an index. `holds_outputs`: whether its outputs are checked against their schema.
    pub(crate) fn new(rule: &Rule, holds_outputs: bool) -> Result<Self, SchemaError> {
        let read =
            |schema: &Option<Value>| schema.as_ref().map(|schema| Schema::read(schema).map(Arc::new)).transpose();
        Ok(Self {
            name: rule.name.clone(),
            limits: rule.limits.clone(),
            input: read(&rule.input)?,
            output: if holds_outputs { read(&rule.output)? } else { None },
        })
    }

    /// The request as the rule receives it, or where the payload does not fit the schema.
    pub(crate) fn given<'a>(&self, request: &'a Request) -> Result<Cow<'a, Request>, Misfit> {
        let Some(input) = &self.input else { return Ok(Cow::Borrowed(request)) };
        Ok(match input.fit(&request.payload)? {
            Cow::Borrowed(_) => Cow::Borrowed(request),
            Cow::Owned(payload) => Cow::Owned(Request { payload, ..request.clone() }),
        })
    }

    /// Where a payload does not fit the declared schema.
    pub(crate) fn misfit(&self, payload: &str) -> Option<Misfit> {
        self.input.as_ref()?.fit(payload).err()
    }

    /// Where the output does not fit the declared schema.
    pub(crate) fn output_misfit(&self, output: &str) -> Option<Misfit> {
        self.output.as_ref()?.fit(output).err()
    }
}
