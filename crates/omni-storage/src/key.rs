//! `IntoKey`: what the calls of the handle take as a key.

use omni_contracts::Result;
use omni_contracts::storage::Key;

/// What becomes a [`Key`]: texts, which are validated, and keys, which were. Implement it for a type
/// whose values name objects of yours.
pub trait IntoKey {
    /// The key.
    ///
    /// # Errors
    ///
    /// `InvalidArgument`, naming the rule that a text breaks.
    fn into_key(self) -> Result<Key>;
}

impl IntoKey for Key {
    fn into_key(self) -> Result<Key> {
        Ok(self)
    }
}

impl IntoKey for &Key {
    fn into_key(self) -> Result<Key> {
        Ok(self.clone())
    }
}

impl IntoKey for &str {
    fn into_key(self) -> Result<Key> {
        Key::new(self)
    }
}

impl IntoKey for String {
    fn into_key(self) -> Result<Key> {
        Key::new(self)
    }
}

impl IntoKey for &String {
    fn into_key(self) -> Result<Key> {
        Key::new(self)
    }
}
