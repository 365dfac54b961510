#[derive(serde::Deserialize)]
struct Input {
    name: String,
}

#[derive(serde::Serialize, schemars::JsonSchema)]
struct Output {
    greeting: String,
}

#[tenet::rule]
fn greet(input: Input) -> tenet::Result<Output> {
    tenet::execute("DELETE FROM names WHERE name = $1", tenet::params![input.name])?;
    Ok(Output { greeting: format!("Hello, {}", input.name) })
}

fn main() {}
