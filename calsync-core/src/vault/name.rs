//! What a secret opens.

/// The name of a secret. It is sealed in with it: under another name it does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SecretName<'a> {
    /// Whose it is, in a product with many customers; empty where there is one.
    pub tenant: &'a str,
    /// The connection.
    pub account: &'a str,
    /// The provider's name.
    pub provider: &'a str,
    /// Which of the account's secrets.
    pub field: &'a str,
    /// Counts the versions of the row it is kept in, so that an old row does not open as a new one.
    pub version: u64,
}

impl SecretName<'_> {
    /// The associated data of AES-GCM. Every part is led by its length: no two names have the same bytes.
    pub(super) fn associated_data(&self, purpose: &[u8]) -> Vec<u8> {
        let parts = [purpose, self.tenant.as_bytes(), self.account.as_bytes(), self.provider.as_bytes()];
        let mut data = Vec::with_capacity(96);
        for part in parts.into_iter().chain([self.field.as_bytes()]) {
            data.extend_from_slice(&(part.len() as u64).to_be_bytes());
            data.extend_from_slice(part);
        }
        data.extend_from_slice(&self.version.to_be_bytes());
        data
    }
}
