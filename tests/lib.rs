//! The tests are in the folders. What is here is the text that users read first, so that its code is
//! compiled and run as doc tests.

#[doc = include_str!("../README.md")]
pub mod readme {}

/// The guide, a module per page.
pub mod guide {
    #[doc = include_str!("../docs/guide/first-actor.md")]
    pub mod first_actor {}

    #[doc = include_str!("../docs/guide/around-an-actor.md")]
    pub mod around_an_actor {}

    #[doc = include_str!("../docs/guide/supervision.md")]
    pub mod supervision {}

    #[doc = include_str!("../docs/guide/blocking.md")]
    pub mod blocking {}

    #[doc = include_str!("../docs/guide/chat-service.md")]
    pub mod chat_service {}

    #[doc = include_str!("../docs/guide/gateway.md")]
    pub mod gateway {}

    #[doc = include_str!("../docs/guide/listeners.md")]
    pub mod listeners {}

    #[doc = include_str!("../docs/guide/protocols.md")]
    pub mod protocols {}

    #[doc = include_str!("../docs/guide/backends.md")]
    pub mod backends {}

    #[doc = include_str!("../docs/guide/testing.md")]
    pub mod testing {}

    #[doc = include_str!("../docs/guide/operating.md")]
    pub mod operating {}
}
