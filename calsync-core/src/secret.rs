//! Values that must not be shown.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A password, a token or a URL that opens something.
///
/// `Debug` and `Display` show `[redacted]`, and so does `Serialize`: a configuration can be logged or sent to a person
/// without care. What has to be kept is taken out with [`Secret::expose`], where the reader of the code sees it. Its
/// memory is overwritten when it is dropped; copies made by others on the way here are theirs to forget.
///
/// Not comparable: `==` would take as long as the first difference is far. See [`Secret::same`].
#[derive(Clone)]
pub struct Secret<T: Zeroize = String>(T);

impl<T: Zeroize> Secret<T> {
    /// Wraps a secret.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The secret itself.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize + AsRef<[u8]>> Secret<T> {
    /// Whether two secrets are the same, in a time that depends on their lengths only.
    pub fn same(&self, other: &Self) -> bool {
        let (a, b) = (self.0.as_ref(), other.0.as_ref());
        let differing = a.iter().zip(b).fold(0, |sum, (a, b)| sum | (a ^ b));
        a.len() == b.len() && std::hint::black_box(differing) == 0
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize> ZeroizeOnDrop for Secret<T> {}

impl<T: Zeroize + Default> Default for Secret<T> {
    fn default() -> Self {
        Self(T::default())
    }
}

impl From<&str> for Secret<String> {
    fn from(value: &str) -> Self {
        Self(value.to_owned())
    }
}

impl From<String> for Secret<String> {
    fn from(value: String) -> Self {
        Self(value)
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl<T: Zeroize> fmt::Display for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl<T: Zeroize> Serialize for Secret<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("[redacted]")
    }
}

impl<'de, T: Zeroize + Deserialize<'de>> Deserialize<'de> for Secret<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priv_04_a_secret_is_shown_nowhere() {
        let secret = Secret::from("hunter2");
        let shown = format!("{secret:?} {secret} {}", serde_json::to_string(&secret).unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
        assert_eq!(secret.expose(), "hunter2");
    }

    /// What a secret holds is overwritten when nobody has it any more, and not before.
    #[test]
    fn priv_04_a_secret_is_overwritten_when_it_is_dropped() {
        #[derive(Clone, Default)]
        struct Told(std::rc::Rc<std::cell::Cell<u32>>);
        impl Zeroize for Told {
            fn zeroize(&mut self) {
                self.0.set(self.0.get() + 1);
            }
        }
        let told = Told::default();
        let secret = Secret(told.clone());
        assert_eq!(told.0.get(), 0);
        drop(secret);
        assert_eq!(told.0.get(), 1);
    }

    #[test]
    fn only_the_same_secret_is_the_same() {
        let secret = Secret::from("hunter2");
        for (other, same) in [("hunter2", true), ("hunter3", false), ("hunter", false), ("", false)] {
            assert_eq!(secret.same(&Secret::from(other)), same, "{other}");
        }
    }
}
