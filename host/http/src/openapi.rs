use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tenet_core::bundle::{Index, Operation};

use crate::api::{OPERATIONS, description};
use crate::key_header;

/// The member of an operation that names the payload's member with the idempotency key. OpenAPI has
/// no equivalent, and reserves this prefix for extensions.
const KEY: &str = "x-idempotency-key";

/// The member of a response that lists its known codes, for programs.
const CODES: &str = "x-rejection-codes";

/// Why a rule's description of itself is invalid. The error is for its author.
#[derive(Debug, thiserror::Error)]
#[error("the rule {rule} has an invalid description: {what}")]
pub struct DescriptionError {
    rule: String,
    what: String,
}

/// The OpenAPI 3.1 document of a bundle's operations, as JSON text, the same for equal arguments.
/// `descriptions` has each rule's schemas of input and output by its name, as the contract's
/// `describe` returns them; they are copied into the document. `rejections` has the known codes of
/// each rule by its name; there may be others.
///
/// All rules of an operation receive the same payload, so it has to fit all of them. The output is
/// that of the last rule.
///
/// # Errors
/// Fails if a description does not follow the contract.
pub fn openapi(
    index: &Index,
    descriptions: &BTreeMap<String, String>,
    rejections: &BTreeMap<String, BTreeSet<String>>,
) -> Result<String, DescriptionError> {
    let mut schemas = Map::new();
    schemas.insert("Problem".to_owned(), problem());
    schemas.insert("State".to_owned(), state());
    for (rule, text) in descriptions {
        add(&mut schemas, rule, text).map_err(|what| DescriptionError { rule: rule.clone(), what })?;
    }
    entitle(&mut schemas);
    let mut paths = Map::new();
    for operation in &index.operations {
        let path = format!("{OPERATIONS}/{}", operation.name);
        let codes: BTreeSet<&str> =
            operation.rules.iter().filter_map(|rule| rejections.get(rule)).flatten().map(String::as_str).collect();
        let mut post = post(index, operation, &schemas);
        if let Some(responses) = post.get_mut("responses").filter(|_| !codes.is_empty()) {
            set(responses, "422", rejected(&codes));
        }
        paths.insert(path, json!({ "post": post }));
    }
    paths.insert(OPERATIONS.to_owned(), get("Lists the operations", json!({ "type": "object" }), json!({})));
    paths.insert("/live".to_owned(), get("Whether the host runs", reference("State"), json!({})));
    let not_ready = json!({ "503": response("503") });
    paths.insert("/health".to_owned(), get("Whether requests can be decided", reference("State"), not_ready));
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": index.api.title.as_deref().unwrap_or("Transaction rules"),
            "description": "Each operation is one transaction. The same idempotency key gets the same answer, \
                            in every region.",
            // Without a version of the team's, the digest of the sources is the version.
            "version": index.api.version.as_deref().or(index.sources.get(..12)).unwrap_or(&index.sources),
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "parameters": { "IdempotencyKey": parameter() },
            "headers": headers(),
            "responses": responses(),
            "securitySchemes": {
                "caller": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The credentials that the authoriser in front of the host expects.",
                },
            },
        },
    });
    if !index.api.servers.is_empty() {
        let servers: Vec<Value> = index.api.servers.iter().map(|url| json!({ "url": url })).collect();
        set(&mut document, "servers", servers.into());
    }
    Ok(document.to_string())
}

/// Gives each schema a unique title. Generators name classes after titles, and every rule may call
/// its input `Input`.
fn entitle(schemas: &mut Map<String, Value>) {
    let mut taken = BTreeSet::new();
    for (name, schema) in schemas.iter_mut().filter(|(_, schema)| schema.is_object()) {
        let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        let mut title: String = words.map(capitalised).collect();
        while !taken.insert(title.to_lowercase()) {
            title.push('_');
        }
        set(schema, "title", title.into());
    }
}

fn capitalised(word: &str) -> String {
    let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
    first.to_ascii_uppercase() + rest
}

/// The replies that are not an output, by status, with the host's codes for each.
fn responses() -> Value {
    let told = [
        ("BadRequest", "The request is malformed: `invalid-request`."),
        ("Unauthorized", "The authoriser in front of the host rejects the caller; its response has its own format."),
        ("Forbidden", "The operation is not open to this caller: `turned-away`."),
        ("Conflict", "The key was used for another payload: `key-reused`."),
        ("UnsupportedMediaType", "The body is not JSON: `unsupported-media-type`."),
        ("Rejected", &rejection("a code of its own")),
        ("Failed", "A rule or the host failed, and nothing was changed: `failed`, with a `reference` into the log."),
        (
            "Unavailable",
            "It could not be decided now: `out-of-time`, `outcome-unknown`, `rule-out` and others. Retry with the \
             same `key` after the seconds in `Retry-After`, which include random jitter.",
        ),
    ];
    let response = |(name, description): (&str, &str)| {
        (name.to_owned(), json!({ "description": description, "content": problem_content() }))
    };
    Value::Object(told.into_iter().map(response).collect())
}

/// The description of a rejection with these codes.
fn rejection(codes: &str) -> String {
    format!(
        "A rule rejected the request, with {codes}, or the payload does not fit: `invalid-payload` if the schema rejects \
         it, with the `path`, and `invalid-data` if the database does. The same key gets the same answer."
    )
}

/// The response of an operation with known rejection codes.
fn rejected(codes: &BTreeSet<&str>) -> Value {
    let named: Vec<String> = codes.iter().map(|code| format!("`{code}`")).collect();
    json!({
        "description": rejection(&format!("{} or another code of its own", named.join(", "))),
        "content": problem_content(),
        CODES: codes,
    })
}

/// The response of a status.
fn response(status: &str) -> Value {
    let name = match status {
        "400" => "BadRequest",
        "401" => "Unauthorized",
        "403" => "Forbidden",
        "409" => "Conflict",
        "415" => "UnsupportedMediaType",
        "422" => "Rejected",
        "503" => "Unavailable",
        _ => "Failed",
    };
    json!({ "$ref": format!("#/components/responses/{name}") })
}

/// Adds the schemas of one rule, with a unique name for each of their definitions.
fn add(schemas: &mut Map<String, Value>, rule: &str, text: &str) -> Result<(), String> {
    #[derive(Deserialize)]
    struct Description {
        input: Option<Value>,
        output: Option<Value>,
    }
    let Description { input, output } = serde_json::from_str(text).map_err(|error| error.to_string())?;
    for (part, schema) in [("input", input), ("output", output)] {
        let Some(mut schema) = schema else { continue };
        let name = component(rule, part);
        match &mut schema {
            Value::Bool(_) => {}
            Value::Object(members) => {
                let definitions = members.remove("$defs");
                members.remove("$schema");
                redirect(&mut schema, &name)?;
                for (definition, mut schema) in
                    definitions.as_ref().and_then(Value::as_object).cloned().into_iter().flatten()
                {
                    redirect(&mut schema, &name)?;
                    schemas.insert(format!("{name}.{}", plain(&definition)), schema);
                }
            }
            _ => return Err(format!("its schema of the {part} is neither an object nor true or false")),
        }
        schemas.insert(name, schema);
    }
    Ok(())
}

/// Adjusts references within a schema to its new location.
fn redirect(schema: &mut Value, name: &str) -> Result<(), String> {
    match schema {
        Value::Object(members) => {
            if let Some(Value::String(target)) = members.get_mut("$ref") {
                let inside = target.strip_prefix('#');
                let inside = inside.ok_or_else(|| format!("its schemas refer to {target}, which is not in them"))?;
                *target = match inside.strip_prefix("/$defs/") {
                    Some(rest) => {
                        let (definition, rest) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                        // A JSON pointer (RFC 6901) escapes two characters.
                        let definition = definition.replace("~1", "/").replace("~0", "~");
                        format!("#/components/schemas/{name}.{}{rest}", plain(&definition))
                    }
                    None => format!("#/components/schemas/{name}{inside}"),
                };
            }
            members.values_mut().try_for_each(|member| redirect(member, name))
        }
        Value::Array(elements) => elements.iter_mut().try_for_each(|element| redirect(element, name)),
        _ => Ok(()),
    }
}

/// The name of a rule's schema among the document's components.
fn component(rule: &str, part: &str) -> String {
    format!("{}.{part}", plain(rule))
}

/// A name with only the characters that OpenAPI allows in names of components.
fn plain(name: &str) -> String {
    let plain = |c: char| match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' => c.to_string(),
        other => format!(".{:x}", u32::from(other)),
    };
    name.chars().map(plain).collect()
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

/// One operation.
fn post(index: &Index, operation: &Operation, schemas: &Map<String, Value>) -> Value {
    let of = |rule: &String, part| Some(component(rule, part)).filter(|name| schemas.contains_key(name));
    // A missing body is an empty object, which suits a rule without required members.
    let needs_payload = operation.rules.iter().any(|rule| {
        let required = schemas.get(&component(rule, "input")).and_then(|schema| schema.get("required"));
        required.and_then(Value::as_array).is_some_and(|members| !members.is_empty())
    });
    let inputs: Vec<Value> =
        operation.rules.iter().filter_map(|rule| of(rule, "input")).map(|name| reference(&name)).collect();
    let input = match inputs.as_slice() {
        [] => json!({ "type": "object" }),
        [only] => only.clone(),
        all => {
            let title: String = operation.name.split('-').map(capitalised).collect();
            json!({ "title": format!("{title}Payload"), "allOf": all })
        }
    };
    let output = operation.rules.last().and_then(|rule| of(rule, "output"));
    let output = output.map_or_else(|| json!({}), |name| reference(&name));

    let mut accepted = json!({
        "description": "All rules accepted",
        "content": { "application/json": { "schema": output } },
    });
    let mut statuses = vec!["400", "415", "422", "500", "503"];
    if operation.callers.is_some() {
        statuses.extend(["401", "403"]);
    }
    let mut post = json!({
        "operationId": operation.name,
        "summary": description(index, operation),
        "requestBody": { "required": needs_payload, "content": { "application/json": { "schema": input } } },
    });
    if let Some(member) = &operation.key {
        set(&mut post, "description", key_description(member, operation.key_required).into());
        set(&mut post, KEY, json!({ "member": member, "required": operation.key_required }));
    }
    if !operation.read_only {
        statuses.push("409");
        set(&mut accepted, "headers", headers_of_an_answer());
        set(&mut post, "parameters", json!([{ "$ref": "#/components/parameters/IdempotencyKey" }]));
    }
    if operation.callers.is_some() {
        set(&mut post, "security", json!([{ "caller": [] }]));
    }
    let mut responses = Map::from_iter([("200".to_owned(), accepted)]);
    for status in statuses {
        responses.insert(status.to_owned(), response(status));
    }
    set(&mut post, "responses", Value::Object(responses));
    post
}

fn set(object: &mut Value, name: &str, value: Value) {
    if let Value::Object(members) = object {
        members.insert(name.to_owned(), value);
    }
}

/// A request about the host itself.
fn get(summary: &str, schema: Value, others: Value) -> Value {
    let ok = json!({ "description": "OK", "content": { "application/json": { "schema": schema } } });
    let mut responses = others;
    set(&mut responses, "200", ok);
    json!({ "get": { "summary": summary, "responses": responses } })
}

/// Describes which member of the payload is the key.
fn key_description(member: &str, required: bool) -> String {
    let without = if required {
        "A request without either is refused."
    } else {
        "A request without either gets a generated key: sending it again makes a new request."
    };
    format!("The member `{member}` is the idempotency key, unless the request brings another. {without}")
}

fn parameter() -> Value {
    json!({
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Identifies the answer to this request. Repeat a request with its key to learn the result. If \
                        no member of the payload is the key, a request without one gets a generated key. A key that \
                        contains a comma, a semicolon or a quotation mark is written in double quotes, as a string of \
                        structured fields (RFC 8941).",
        "schema": { "type": "string", "pattern": key_header::PATTERN },
    })
}

fn headers() -> Value {
    json!({
        "Idempotency-Key": {
            "description": "The key of this answer, in the form of the request header; absent if no header can hold it.",
            "schema": { "type": "string" },
        },
        "Idempotent-Replayed": {
            "description": "Whether an earlier request stored this answer.",
            "required": true,
            "schema": { "enum": ["true", "false"] },
        },
    })
}

fn headers_of_an_answer() -> Value {
    let names = ["Idempotency-Key", "Idempotent-Replayed"];
    let references = names.map(|name| (name.to_owned(), json!({ "$ref": format!("#/components/headers/{name}") })));
    Value::Object(Map::from_iter(references))
}

fn problem_content() -> Value {
    json!({ "application/problem+json": { "schema": reference("Problem") } })
}

fn problem() -> Value {
    json!({
        "description": "Problem details (RFC 9457).",
        "type": "object",
        "properties": {
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string", "description": "The problem, for people." },
            "code": { "type": "string", "description": "The problem, for programs: a rule's own code, or the host's." },
            "key": { "type": "string", "description": "The idempotency key to retry with." },
            "reference": { "type": "string", "description": "The reference of this request in the operator's log." },
            "details": { "type": "object", "description": "Details from the rule, by name." },
        },
        "required": ["title", "status", "detail", "code"],
    })
}

fn state() -> Value {
    json!({
        "type": "object",
        "properties": { "status": { "type": "string" }, "region": { "type": "string" } },
        "required": ["status", "region"],
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use tenet_core::Limits;
    use tenet_core::bundle::{Api, CONTRACT, Caller, File, Rule, VERSION};

    use super::*;

    /// Two operations: one keyed, restricted and with two rules, and one read-only.
    pub(crate) fn index() -> Index {
        let rule = |name: &str, description: &str| Rule {
            name: name.into(),
            description: description.into(),
            component: File { path: format!("{name}.wasm"), sha256: String::new() },
            compiled: None,
            limits: Limits::default(),
            grants: tenet_core::Grants::default(),
            input: None,
            output: None,
        };
        let pay = Operation {
            name: "pay".into(),
            rules: vec!["check".into(), "pay".into()],
            key: Some("id".into()),
            key_required: true,
            read_only: false,
            callers: Some(vec![Caller("ann".into())]),
            events: vec![],
            ..tenet_core::bundle::Operation::default()
        };
        let show = Operation {
            name: "show".into(),
            rules: vec!["show".into()],
            key: None,
            read_only: true,
            callers: None,
            events: vec![],
            ..tenet_core::bundle::Operation::default()
        };
        Index {
            version: VERSION,
            contract: CONTRACT.into(),
            contract_sha256: tenet_core::bundle::contract_digest(),
            sources: "0123456789abcdef".into(),
            compiled_for: None,
            host: tenet_core::HostSettings::default(),
            ceilings: tenet_core::Limits::ceilings(),
            bootstrap: None,
            operations: vec![pay, show],
            rules: vec![rule("check", "Checks"), rule("pay", "Pays."), rule("show", "Shows")],
            schema: vec![],
            catalog: tenet_core::Catalog::default(),
            openapi: None,
            api: tenet_core::bundle::Api::default(),
        }
    }

    fn document(descriptions: &[(&str, &str)]) -> Result<Value, String> {
        let descriptions = descriptions.iter().map(|(rule, text)| ((*rule).to_owned(), (*text).to_owned())).collect();
        openapi(&index(), &descriptions, &BTreeMap::new())
            .map(|text| serde_json::from_str(&text).unwrap())
            .map_err(|error| error.to_string())
    }

    fn refused(description: &str) -> String {
        document(&[("show", description)]).unwrap_err()
    }

    #[test]
    fn a_payload_has_to_fit_every_rule_and_the_output_is_the_last_ones() {
        let document = document(&[
            ("check", r#"{"input":{"type":"object","required":["a"]},"output":{"type":"null"}}"#),
            ("pay", r#"{"input":{"type":"object","required":["b"]},"output":{"type":"string"}}"#),
            ("show", "{}"),
        ])
        .unwrap();
        let pay = &document["paths"]["/operations/pay"]["post"];
        let body = &pay["requestBody"]["content"]["application/json"]["schema"];
        assert_eq!(pay["requestBody"]["required"], true);
        let both = [reference("check.input"), reference("pay.input")];
        assert_eq!(body, &json!({ "title": "PayPayload", "allOf": both }));
        let output = &pay["responses"]["200"]["content"]["application/json"]["schema"];
        assert_eq!(output, &reference("pay.output"));
        assert_eq!(document["components"]["schemas"]["pay.output"], json!({ "title": "PayOutput", "type": "string" }));
        let show = &document["paths"]["/operations/show"]["post"];
        assert_eq!(show["requestBody"]["required"], false);
        assert_eq!(show["requestBody"]["content"]["application/json"]["schema"], json!({ "type": "object" }));
    }

    #[test]
    fn keys_and_callers_show_only_where_there_are_any() {
        let document = document(&[]).unwrap();
        let pay = &document["paths"]["/operations/pay"]["post"];
        let show = &document["paths"]["/operations/show"]["post"];
        assert_eq!(pay["security"], json!([{ "caller": [] }]));
        assert_eq!(pay["x-idempotency-key"], json!({ "member": "id", "required": true }));
        let told = "The member `id` is the idempotency key, unless the request brings another. \
                    A request without either is refused.";
        assert_eq!(pay["description"], told);
        assert!(pay["parameters"][0].is_object() && pay["responses"]["200"]["headers"].is_object());
        assert!(pay["responses"]["403"].is_object() && pay["responses"]["409"].is_object());
        for absent in [
            &show["description"],
            &show["x-idempotency-key"],
            &show["security"],
            &show["parameters"],
            &show["responses"]["403"],
            &show["responses"]["409"],
        ] {
            assert!(absent.is_null(), "{show}");
        }
        assert!(!document.to_string().contains("ann"), "the callers of an operation are not published");
        assert_eq!(document["info"]["version"], "0123456789ab");
    }

    #[test]
    fn references_lead_to_where_their_schema_has_been_put() {
        let input = r##"{"input":{
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "properties": {"line": {"$ref": "#/$defs/a~1b"}, "again": {"$ref": "#"}, "x": {"$ref": "#/properties/line"}},
            "$defs": {"a/b": {"items": {"$ref": "#/$defs/a~1b"}}}
        }}"##;
        let document = document(&[("show", input)]).unwrap();
        let schemas = &document["components"]["schemas"];
        assert_eq!(
            schemas["show.input"],
            json!({ "title": "ShowInput", "properties": {
                "line": { "$ref": "#/components/schemas/show.input.a.2fb" },
                "again": { "$ref": "#/components/schemas/show.input" },
                "x": { "$ref": "#/components/schemas/show.input/properties/line" },
            }})
        );
        assert_eq!(schemas["show.input.a.2fb"]["items"]["$ref"], "#/components/schemas/show.input.a.2fb");
    }

    #[test]
    fn what_is_no_description_is_refused_with_the_name_of_its_rule() {
        for (description, says) in [
            ("7", "invalid type"),
            (r#"{"input":7}"#, "schema of the input"),
            (r#"{"output":{"$ref":"https://example.com/x"}}"#, "https://example.com/x"),
            (r#"{"output":{"items":[{"$ref":"other.json"}]}}"#, "other.json"),
        ] {
            let error = refused(description);
            assert!(error.contains("the rule show") && error.contains(says), "{description}: {error}");
        }
        assert!(document(&[("show", r#"{"input":true,"output":false,"more":1}"#)]).is_ok());
    }

    #[test]
    fn what_is_said_of_the_service_and_titles_that_are_one_each() {
        let mut index = index();
        let servers = vec!["https://pay.example".to_owned()];
        index.api = Api { title: Some("Payments".into()), version: Some("2.1".into()), servers };
        let input = r##"{"input":{"title":"Input","$defs":{"Kind":{"title":"Kind"}},"$ref":"#/$defs/Kind"}}"##;
        let descriptions = ["check", "pay"].map(|rule| (rule.to_owned(), input.to_owned()));
        let document: Value =
            serde_json::from_str(&openapi(&index, &BTreeMap::from(descriptions), &BTreeMap::new()).unwrap()).unwrap();
        assert_eq!((&document["info"]["title"], &document["info"]["version"]), (&json!("Payments"), &json!("2.1")));
        assert_eq!(document["servers"], json!([{ "url": "https://pay.example" }]));
        let schemas = document["components"]["schemas"].as_object().unwrap();
        let titles: Vec<_> = schemas.values().map(|schema| schema["title"].as_str().unwrap()).collect();
        assert_eq!(titles, ["Problem", "State", "CheckInput", "CheckInputKind", "PayInput", "PayInputKind"]);
        let responses = &document["paths"]["/operations/pay"]["post"]["responses"];
        for status in ["400", "401", "403", "409", "415", "422", "500", "503"] {
            let name = responses[status]["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
            assert!(document["components"]["responses"][name]["content"].is_object(), "{status}");
        }
    }

    #[test]
    fn the_codes_of_all_rules_of_an_operation_are_told() {
        let codes = |codes: &[&str]| codes.iter().map(|code| (*code).to_owned()).collect();
        let rejections =
            BTreeMap::from([("check".to_owned(), codes(&["b", "a"])), ("pay".to_owned(), codes(&["c", "a"]))]);
        let document = openapi(&index(), &BTreeMap::new(), &rejections).unwrap();
        let document: Value = serde_json::from_str(&document).unwrap();
        let told =
            |operation: &str| document["paths"][format!("/operations/{operation}")]["post"]["responses"]["422"].clone();
        assert_eq!(told("pay")[CODES], json!(["a", "b", "c"]));
        let described = told("pay")["description"].as_str().unwrap().to_owned();
        assert!(
            described.starts_with("A rule rejected the request, with `a`, `b`, `c` or another code of its own, "),
            "{described}"
        );
        assert_eq!(told("show"), response("422"));
    }

    #[test]
    fn equal_bundles_have_equal_documents() {
        let descriptions = BTreeMap::from([("show".to_owned(), r#"{"input":{"b":1,"a":2}}"#.to_owned())]);
        assert_eq!(
            openapi(&index(), &descriptions, &BTreeMap::new()).unwrap(),
            openapi(&index(), &descriptions, &BTreeMap::new()).unwrap()
        );
    }
}
