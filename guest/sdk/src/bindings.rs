wit_bindgen::generate!({
    path: "../../wit/v1",
    world: "rule",
    pub_export_macro: true,
    export_macro_name: "export",
    default_bindings_module: "tenet::bindings",
    additional_derives: [PartialEq],
});
