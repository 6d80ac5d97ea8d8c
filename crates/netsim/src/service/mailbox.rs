//! What a mailbox holds that a client looks into: one harmless mail.

/// Header and text, lines ended as mail ends them.
pub(super) const HEADER: &str = "From: Postmaster <postmaster@mail.example>\r\nTo: <user@mail.example>\r\n\
Subject: Welcome to your new mailbox\r\nDate: Mon, 02 Nov 2026 08:14:00 +0000\r\n\
Message-ID: <20261102081400.4X1@mail.example>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n";
pub(super) const TEXT: &str = "Your mailbox is ready.\r\n\r\nThe support team\r\n";

/// The whole mail.
pub(super) fn mail() -> String {
    format!("{HEADER}{TEXT}")
}
