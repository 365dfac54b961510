#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Input {
    name: String,
}

struct Output {
    greeting: String,
}

#[tenet::rule]
fn greet(input: Input) -> tenet::Result<Output> {
    tenet::execute("DELETE FROM names WHERE name = $1", tenet::params![input.name])?;
    Ok(Output { greeting: format!("Hello, {}", input.name) })
}

fn main() {}
