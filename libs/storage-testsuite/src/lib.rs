//! One contract suite for each port; every adapter runs it
