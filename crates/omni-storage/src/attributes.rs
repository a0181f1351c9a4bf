//! The setters that several calls share, so that each has them all, in the same words.

/// Setters of content fields and user metadata, over an expression of type `&mut Attributes`.
macro_rules! attribute_setters {
    (|$self:ident| $attributes:expr) => {
        /// Sets the media type, such as `text/plain`.
        pub fn content_type(mut $self, value: impl Into<String>) -> Self {
            $attributes.content_type = Some(value.into());
            $self
        }

        /// Sets the coding that the content is in, such as `gzip`. Stored, never applied.
        pub fn content_encoding(mut $self, value: impl Into<String>) -> Self {
            $attributes.content_encoding = Some(value.into());
            $self
        }

        /// Sets the language of the content, such as `en`.
        pub fn content_language(mut $self, value: impl Into<String>) -> Self {
            $attributes.content_language = Some(value.into());
            $self
        }

        /// Sets how a browser presents the content, such as `attachment`.
        pub fn content_disposition(mut $self, value: impl Into<String>) -> Self {
            $attributes.content_disposition = Some(value.into());
            $self
        }

        /// Sets how caches may keep the content, such as `max-age=60`.
        pub fn cache_control(mut $self, value: impl Into<String>) -> Self {
            $attributes.cache_control = Some(value.into());
            $self
        }

        /// Adds an entry of user metadata; a name given twice has the last value.
        pub fn metadata(mut $self, name: impl Into<String>, value: impl Into<String>) -> Self {
            $attributes.metadata.insert(name.into(), value.into());
            $self
        }

        /// Sets all attributes at once, in place of those set before.
        pub fn attributes(
            mut $self,
            attributes: impl Into<std::sync::Arc<omni_contracts::storage::Attributes>>,
        ) -> Self {
            *$attributes = std::sync::Arc::unwrap_or_clone(attributes.into());
            $self
        }
    };
}

/// Setters of the condition of a write, over an expression of type `WriteCondition`.
macro_rules! condition_setters {
    (|$self:ident| $condition:expr) => {
        /// Only when no object has the key; fails with `AlreadyExists`. Among any number of callers
        /// exactly one wins.
        pub fn if_absent(mut $self) -> Self {
            $condition = omni_contracts::storage::WriteCondition::IfAbsent;
            $self
        }

        /// Only when the object still has this version; fails with `PreconditionFailed`, also when
        /// there is no object.
        pub fn if_match(mut $self, version: omni_contracts::storage::Version) -> Self {
            $condition = omni_contracts::storage::WriteCondition::IfMatch(version);
            $self
        }
    };
}

/// Setters of what to read and when, over the field `options` of type `GetOptions`.
macro_rules! read_setters {
    () => {
        /// Fails with `PreconditionFailed` unless the object has this version.
        pub fn if_match(mut self, version: omni_contracts::storage::Version) -> Self {
            self.options.condition.if_match = Some(version);
            self
        }

        /// Fails with `NotModified` when the object has this version.
        pub fn if_none_match(mut self, version: omni_contracts::storage::Version) -> Self {
            self.options.condition.if_none_match = Some(version);
            self
        }

        /// Fails with `NotModified` unless the object was written later.
        pub fn if_modified_since(mut self, time: std::time::SystemTime) -> Self {
            self.options.condition.if_modified_since = Some(time);
            self
        }

        /// Fails with `PreconditionFailed` when the object was written later.
        pub fn if_unmodified_since(mut self, time: std::time::SystemTime) -> Self {
            self.options.condition.if_unmodified_since = Some(time);
            self
        }

        /// Reads this stored version instead of the current one. Needs `versioning`.
        pub fn version(mut self, version: omni_contracts::storage::Version) -> Self {
            self.options.version = Some(version);
            self
        }
    };
}

pub(crate) use {attribute_setters, condition_setters, read_setters};
