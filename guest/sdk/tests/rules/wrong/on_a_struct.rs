#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Input {
    name: String,
}

#[derive(serde::Serialize, schemars::JsonSchema)]
struct Output {
    greeting: String,
}

#[tenet::rule]
struct Greet;

fn main() {}
