//! What every HTTP service shares: problems, tokens, extractors, health
