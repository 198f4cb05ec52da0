//! Writes what Kotlin and Swift need to call the native part, out of the built library.

fn main() {
    uniffi::uniffi_bindgen_main();
}
