"""What tests share: PostgreSQL, Chromium, and how a missing piece is treated."""
