//! Serves home and user timelines
